"""Profile ids for life: new clusters take over the ids of the people they hold.

An id goes to the cluster that holds most of its records, then to the older id (identity.md calls this step B). Ids are
random, the assignment is not: the same clusters over the same former ids always give the same answer. No id is used
twice; a split-off part that once was a profile of its own gets that id back when nobody else holds it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Event:
    """What became of a profile: created, merged, split, moved, retired or restored; `others` are those concerned."""

    kind: str
    profile_id: str
    others: tuple[str, ...]
    reason: str


@dataclass
class Assignment:
    """`profile` per cluster name, the events in a fixed order; `merged` maps a lost id to its successor."""

    profile: dict[str, str] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    merged: dict[str, str] = field(default_factory=dict)
    retired: list[str] = field(default_factory=list)


def assign(
    clusters: Mapping[str, Iterable[str]],
    former: Mapping[str, str],
    *,
    age: Mapping[str, int],
    restorable: Callable[[list[str]], Iterable[str]],
    new_id: Callable[[], str],
    gone: Mapping[str, str] | None = None,
    late: Collection[str] = (),
) -> Assignment:
    """Give every cluster a profile id.

    `clusters`: name (smallest record key) → record keys. `former`: record key → profile id it had; all records of every
    id mentioned must be among the clusters or in `gone` (deleted record → id). `age`: id → creation sequence, smaller
    is older. `restorable` names, best first, merged ids that once held these records. `late` are records that came to
    their id with or after the last merge into it: when that merge comes undone, they have no say in who keeps it.
    """
    members = {name: sorted(records) for name, records in clusters.items()}
    overlap = {name: Counter(former[r] for r in records if r in former) for name, records in members.items()}
    lost = {name: tuple(restorable(records)) if overlap[name] else () for name, records in members.items()}
    claims = _claims(members, former, overlap, lost=lost, late=set(late), age=age)
    result = Assignment()
    owner: dict[str, str] = {}
    for profile, name in claims:
        if name not in result.profile and profile not in owner:
            result.profile[name] = profile
            owner[profile] = name
    _name_the_rest(result, overlap, owner, lost, new_id)
    _tell(result, overlap, owner, age, gone or {})
    return result


def _claims(
    members: Mapping[str, list[str]],
    former: Mapping[str, str],
    overlap: Mapping[str, Counter[str]],
    *,
    lost: Mapping[str, tuple[str, ...]],
    late: set[str],
    age: Mapping[str, int],
) -> list[tuple[str, str]]:
    """(id, cluster) in the order in which claims are granted."""
    claimants = Counter(profile for counts in overlap.values() for profile in counts)
    undone = {profile for name, counts in overlap.items() if lost[name] for profile in counts if claimants[profile] > 1}
    ranked = []
    for name, counts in overlap.items():
        senior = Counter(former[r] for r in members[name] if r in former and r not in late)
        for profile, count in counts.items():
            weight = senior[profile] if profile in undone else count
            ranked.append((-weight, -count, age[profile], profile, name))
    return [(profile, name) for *_, profile, name in sorted(ranked)]


def _name_the_rest(
    result: Assignment,
    overlap: Mapping[str, Counter[str]],
    owner: dict[str, str],
    lost: Mapping[str, tuple[str, ...]],
    new_id: Callable[[], str],
) -> None:
    """Clusters that won no id: an id they once had, else a new one."""
    for name in sorted(overlap):
        if name in result.profile:
            continue
        origin = tuple(sorted(overlap[name]))
        again = next((profile for profile in lost[name] if profile not in owner), None)
        profile = again or new_id()
        result.profile[name] = profile
        owner[profile] = name
        if again:
            result.events.append(Event("restored", profile, origin, "a merge was undone"))
        elif origin:
            result.events.append(Event("split", profile, origin, "its records are another person's"))
        else:
            result.events.append(Event("created", profile, (), "first seen"))


def _tell(
    result: Assignment,
    overlap: Mapping[str, Counter[str]],
    owner: Mapping[str, str],
    age: Mapping[str, int],
    gone: Mapping[str, str],
) -> None:
    """Merged, moved and retired: what happened to the ids that were there before."""
    holders: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for name, counts in overlap.items():
        for profile, count in counts.items():
            holders[profile].append((-count, name))
    for profile in sorted(set(holders) | set(gone.values())):
        held = sorted(holders.get(profile, []))
        if not held:
            result.retired.append(profile)
            result.events.append(Event("retired", profile, (), "its last record is gone"))
        elif profile not in owner:
            into = result.profile[held[0][1]]
            result.merged[profile] = into
            result.events.append(Event("merged", profile, (into,), "found to be one person"))
        else:
            elsewhere = tuple(
                sorted(
                    {
                        result.profile[name]
                        for _, name in held
                        if name != owner[profile] and age.get(result.profile[name], -1) >= 0
                    }
                )
            )
            if elsewhere:
                result.events.append(Event("moved", profile, elsewhere, "some records are another person's"))
