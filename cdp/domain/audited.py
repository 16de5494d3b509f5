"""What an entry of the audit log says of the people in it, so that "who saw this profile" can be answered later.

An entry about one person has the profile id as its object. One about a list says in its detail whom it named: the ids
of a short list, and of a page ordered by profile id the stretch from one id to another. Profile ids are random: they
are all that an entry ever says of a person.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

PROFILES, AFTER, LAST = "profiles", "after", "last"

# Actions whose entries name people in their detail.
LISTS = (
    "destination.log", "destination.rehearse", "identity.review", "journey.people", "segment.changes",
    "segment.export", "segment.members", "segment.preview",
)  # fmt: skip


def named(profile_ids: Iterable[str | None]) -> dict[str, Any]:
    """The detail of an entry about these people."""
    return {PROFILES: sorted({one for one in profile_ids if one})}


def stretch(after: str | None, profile_ids: Sequence[str]) -> dict[str, Any]:
    """The detail of an entry about a page of people ordered by id, which began above `after`."""
    return {AFTER: after or "", LAST: profile_ids[-1]} if profile_ids else {}


def everybody() -> dict[str, Any]:
    """The detail of an entry about a whole list."""
    return {AFTER: "", LAST: None}


def names(detail: Mapping[str, Any], profile_id: str) -> bool:
    """Whether a short list names this person."""
    return profile_id in detail.get(PROFILES, ())


def reaches(detail: Mapping[str, Any], profile_id: str) -> bool:
    """Whether this person's place in the order by id is in the stretch, on the list or not."""
    if AFTER not in detail:
        return False
    last = detail[LAST]
    return bool(detail[AFTER] < profile_id and (last is None or profile_id <= last))
