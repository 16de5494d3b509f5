"""Reading memberships of the past: who was in at a moment, and under which id a person of then lives on today."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, cast

import sqlalchemy as sa

from cdp.domain.consent import EVERYTHING
from cdp.store.schema import Moment, membership_changes, memberships, moment, profiles
from cdp.store.segmentation_tables import membership_history, membership_holds

Reading = Callable[..., Sequence[Sequence[Any]]]

_LONGEST_IN = 500
_MOST_MERGES = 50


def _held() -> sa.Select[Any]:
    """Ids with a hold for a purpose, and what they were merged into."""
    chain = (
        sa.select(membership_holds.c.profile_id)
        .where(membership_holds.c.purpose.in_([sa.bindparam("purpose"), EVERYTHING]))
        .cte("chain", recursive=True)
    )
    onward = sa.select(profiles.c.merged_into).join(chain, chain.c.profile_id == profiles.c.profile_id)
    return sa.select(chain.union(onward.where(profiles.c.status == "merged")).c.profile_id)


HELD = _held()

LAST_CHANGE = sa.select(sa.func.coalesce(sa.func.max(membership_changes.c.seq), 0))


def _page(table: sa.Table, exportable: bool | None) -> sa.Select[Any]:
    """A page from one table: those that begin at or before the moment."""
    at = sa.bindparam("at", type_=Moment)
    page = (
        sa.select(table.c.profile_id, table.c.since, table.c.exportable)
        .where(table.c.segment_key == sa.bindparam("key"), table.c.profile_id > sa.bindparam("after"))
        .where(table.c.valid_from <= at)
        .order_by(table.c.profile_id)
        .limit(sa.bindparam("limit"))
    )
    if "valid_to" in table.c:
        page = page.where(table.c.valid_to > at)
    if exportable is not None:
        page = page.where(table.c.exportable if exportable else sa.not_(table.c.exportable))
    return page


def _at(exportable: bool | None) -> sa.Select[Any]:
    parts = [sa.select(_page(table, exportable).subquery()) for table in (memberships, membership_history)]
    both = sa.union_all(*parts).subquery()
    return sa.select(both).order_by(both.c.profile_id).limit(sa.bindparam("limit"))


# By the wanted flag; None wants all. Parameters: key, at, after, limit.
STATEMENTS: dict[bool | None, sa.Select[Any]] = {flag: _at(flag) for flag in (None, True, False)}


def living_ids(profile_ids: Sequence[str], reading: Reading) -> dict[str, str | None]:
    """For each id the living profile that the person is today, following merges; None when there is none."""
    found: dict[str, str | None] = dict.fromkeys(profile_ids)
    pending = {one: one for one in profile_ids}
    for _ in range(_MOST_MERGES):
        if not pending:
            break
        states = _states(sorted(set(pending.values())), reading)
        following = {}
        for one, current in pending.items():
            status, merged_into = states.get(current, ("", None))
            if status == "living":
                found[one] = current
            elif merged_into is not None:
                following[one] = merged_into
        pending = following
    return found


def _states(profile_ids: Sequence[str], reading: Reading) -> dict[str, tuple[str, str | None]]:
    states: dict[str, tuple[str, str | None]] = {}
    for start in range(0, len(profile_ids), _LONGEST_IN):
        chosen = profiles.c.profile_id.in_(profile_ids[start : start + _LONGEST_IN])
        statement = sa.select(profiles.c.profile_id, profiles.c.status, profiles.c.merged_into).where(chosen)
        states |= {row[0]: (row[1], row[2]) for row in reading(statement)}
    return states


def when(value: Any) -> datetime:
    """A moment as either database gives it."""
    return cast(datetime, moment(value))
