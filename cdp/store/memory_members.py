"""Memberships in memory: stays, history, changes and holds, as plainly as they can be said.

The same promises as `membership_scratch` makes in SQL; the contract tests compare both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from cdp.store.base import Change, MembershipChange
from cdp.store.segmentation import Moved

# segment key → profile id → whether the purpose may reach the person
Given = Mapping[str, Mapping[str, bool]]


@dataclass(frozen=True)
class Stay:
    """A profile in a segment: since when the person is in, and from when on in this form (id and flag)."""

    since: datetime
    valid_from: datetime
    exportable: bool


@dataclass(frozen=True)
class Past:
    """A stay that ended at `valid_to`."""

    segment_key: str
    profile_id: str
    stay: Stay
    valid_to: datetime


@dataclass(frozen=True)
class Departure:
    """Somebody who is no longer in the audience under this id; `heir` is the id that the membership goes on as."""

    segment_key: str
    profile_id: str
    heir: str | None
    reason: str


@dataclass
class MemberBook:
    """What a store remembers about memberships."""

    stays: dict[str, dict[str, Stay]] = field(default_factory=dict)
    history: list[Past] = field(default_factory=list)
    changes: list[MembershipChange] = field(default_factory=list)
    last_seq: int = 0
    # (profile id, purpose) → the entry of the ledger that it comes from, if it does
    holds: dict[tuple[str, str], int | None] = field(default_factory=dict)
    clock: datetime | None = None

    def copy(self) -> MemberBook:
        """One that can be thrown away."""
        stays = {key: dict(members) for key, members in self.stays.items()}
        return replace(
            self, stays=stays, history=list(self.history), changes=list(self.changes), holds=dict(self.holds)
        )

    def settle(
        self,
        given: Given,
        successors: Mapping[str, str],
        restored: Mapping[str, Iterable[str]],
        *,
        at: datetime,
        run_id: str,
        reason: str,
        keep_history: bool = True,
    ) -> Moved:
        """Replace the members of the given segments; see `membership_scratch` for what is told and kept.

        `successors` maps merged ids to living ones, `restored` ids that came back to those they had gone on as.
        """
        at = self.tick(at)
        former = {key: dict(self.stays.get(key, {})) for key in given}
        heirs = _heirs(former, given, successors, restored)
        if keep_history:
            self.history += [
                Past(key, one, stay, at)
                for key, members in former.items()
                for one, stay in members.items()
                if given[key].get(one) != stay.exportable and stay.valid_from < at
            ]
        for key, members in given.items():
            self.stays[key] = {
                one: _stay(former[key].get(one), exportable, at) for one, exportable in sorted(members.items())
            }
        for (key, one), heir in heirs.items():
            if heir in self.stays[key]:
                longer = min(former[key][one].since, self.stays[key][heir].since)
                self.stays[key][heir] = replace(self.stays[key][heir], since=longer)
        return self._tell(former, given, heirs, restored, at=at, run_id=run_id, reason=reason)

    def tick(self, at: datetime) -> datetime:
        """The moment of an operation: never before what was told already."""
        self.clock = max(at, self.clock) if self.clock else at
        return self.clock

    def add(
        self, change: Change, key: str, one: str, *, at: datetime, run_id: str, reason: str, former: str | None = None
    ) -> None:
        """Tell one change."""
        self.last_seq += 1
        self.changes.append(MembershipChange(self.last_seq, key, one, change, run_id, at, reason, former))

    def _tell(
        self,
        former: Mapping[str, Mapping[str, Stay]],
        given: Given,
        heirs: Mapping[tuple[str, str], str],
        restored: Mapping[str, Iterable[str]],
        *,
        at: datetime,
        run_id: str,
        reason: str,
    ) -> Moved:
        arrived = {
            (key, one): "consent" if one in former[key] else reason
            for key, members in given.items()
            for one, exportable in members.items()
            if exportable and not (one in former[key] and former[key][one].exportable)
        }
        departed = sorted(
            (
                _departure(Departure(key, one, heirs.get((key, one)), reason), given, arrived, restored)
                for key, members in former.items()
                for one, stay in members.items()
                if stay.exportable and not given[key].get(one, False)
            ),
            key=lambda left: (left.segment_key, left.heir or left.profile_id, left.profile_id),
        )
        exits = [left for left in departed if left.heir is None]
        for left in exits:
            self.add("exited", left.segment_key, left.profile_id, at=at, run_id=run_id, reason=left.reason)
        inherited = set()
        for left in departed:
            if left.heir is not None:
                inherited.add((left.segment_key, left.heir))
                self.add(
                    "carried", left.segment_key, left.heir,
                    at=at, run_id=run_id, reason="identity", former=left.profile_id,
                )  # fmt: skip
        entries = sorted(place for place in arrived if place not in inherited)
        for key, one in entries:
            self.add("entered", key, one, at=at, run_id=run_id, reason=arrived[key, one])
        return Moved(len(entries), len(exits))


def _heirs(
    former: Mapping[str, Mapping[str, Stay]],
    given: Given,
    successors: Mapping[str, str],
    restored: Mapping[str, Iterable[str]],
) -> dict[tuple[str, str], str]:
    """For ids that are no longer in: the id that the person lives on as, or the restored one that came in instead."""
    found = {}
    for key, members in former.items():
        for one in members:
            if one in given[key]:
                continue
            if one in successors:
                found[key, one] = successors[one]
                continue
            back = [new for new, olds in restored.items() if one in olds and new in given[key] and new not in members]
            if back:
                found[key, one] = min(back)
    return found


def _departure(
    left: Departure, given: Given, arrived: Mapping[tuple[str, str], str], restored: Mapping[str, Iterable[str]]
) -> Departure:
    """Whether there is an heir in the audience, and else why not."""
    members, heir = given[left.segment_key], left.heir
    told = "consent" if left.profile_id in members else left.reason
    if heir is None:
        back = [new for new, olds in restored.items() if left.profile_id in olds and (left.segment_key, new) in arrived]
        heir = min(back, default=None)
    if heir is not None and not members.get(heir, False):
        told = "consent" if heir in members else told
        heir = None
    return replace(left, heir=heir, reason=told)


def _stay(before: Stay | None, exportable: bool, at: datetime) -> Stay:
    if before is None:
        return Stay(at, at, exportable)
    return before if before.exportable == exportable else Stay(before.since, at, exportable)
