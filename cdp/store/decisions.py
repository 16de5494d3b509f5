"""The log of what people decide about identity: a typed protocol, and the log in a SQL database.

What a decision may be is judged by a guard that the caller brings: it sees the links that hold, in the transaction that
writes, so that two people cannot contradict each other at the same moment. This module knows no profiles.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol, cast

import sqlalchemy as sa

from cdp.domain.decisions import Author, Decision, DecisionKind, HubEdit, Link, Rulings, StandingLink
from cdp.errors import ConflictError, NotFoundError
from cdp.store.decision_tables import (
    identity_decision_links,
    identity_decisions,
    identity_hub_edits,
    identity_withdrawals,
)
from cdp.store.running import Backend
from cdp.store.schema import moment

# Raises what speaks against a decision, given the links that hold.
Guard = Callable[[Sequence[StandingLink]], None]

# One write transaction of the store, given what to raise when a row breaks a constraint; and rows of a statement.
Writing = Callable[..., AbstractContextManager[sa.Connection]]
Reading = Callable[[sa.Select[Any]], Sequence[Sequence[Any]]]

LOCK = "decisions"
_LARGEST_IN = 500


class DecisionLog(Protocol):
    """What people decided; part of every store."""

    def write(self, kind: DecisionKind, links: Sequence[Link], author: Author, guard: Guard) -> Decision:
        """Keep a decision. What `guard` raises passes, and nothing is kept."""
        ...

    def withdraw(self, decision_id: str, author: Author) -> Decision:
        """Take a decision back. NotFoundError for an unknown one, ConflictError when it was withdrawn before."""
        ...

    def get(self, decision_id: str) -> Decision | None:
        """One decision."""
        ...

    def listed(self, *, before: int | None = None, limit: int = 1000, active_only: bool = False) -> list[Decision]:
        """Decisions, newest first, with a `seq` below `before`."""
        ...

    def edit_hub(self, edit: HubEdit) -> None:
        """Keep an edit of the hub list; the last one about a value counts."""
        ...

    def rulings(self) -> Rulings:
        """Everything that holds now, in an order that does not depend on how it came about."""
        ...

    def forget(self, records: Iterable[str], values: Iterable[str] = ()) -> int:
        """Remove the links that name these records, decisions left without links, and edits about these values.

        For people who are erased. Returns the number of links and edits removed.
        """
        ...


class SqlDecisions:
    """Implements `DecisionLog` over one database."""

    def __init__(self, engine: sa.Engine, backend: Backend, writing: Writing, reading: Reading) -> None:
        self._engine = engine
        self._backend = backend
        self._writing = writing
        self._reading = reading

    def write(self, kind: DecisionKind, links: Sequence[Link], author: Author, guard: Guard) -> Decision:
        """See `DecisionLog.write`."""
        decision_id = new_decision_id()
        with self._writing() as connection:
            self._backend.lock(connection, LOCK)
            guard(_links(connection.execute(_STANDING).fetchall()))
            row = {"decision_id": decision_id, "kind": kind, **_signed(author)}
            result = connection.execute(sa.insert(identity_decisions).returning(identity_decisions.c.seq), row)
            seq = int(result.scalar_one())
            rows = [{"decision_id": decision_id, **vars(link)} for link in sorted(set(links))]
            connection.execute(sa.insert(identity_decision_links), rows)
        return Decision(seq, decision_id, kind, author, tuple(sorted(set(links))))

    def withdraw(self, decision_id: str, author: Author) -> Decision:
        """See `DecisionLog.withdraw`."""
        if self.get(decision_id) is None:
            raise unknown(decision_id)
        with self._writing(withdrawn_before(decision_id)) as connection:
            connection.execute(sa.insert(identity_withdrawals), {"decision_id": decision_id, **_signed(author)})
        found = self.get(decision_id)
        if found is None:
            raise unknown(decision_id)
        return found

    def get(self, decision_id: str) -> Decision | None:
        """See `DecisionLog.get`."""
        found = self._decisions(_DECISIONS.where(identity_decisions.c.decision_id == decision_id))
        return found[0] if found else None

    def listed(self, *, before: int | None = None, limit: int = 1000, active_only: bool = False) -> list[Decision]:
        """See `DecisionLog.listed`."""
        statement = _DECISIONS.order_by(identity_decisions.c.seq.desc()).limit(limit)
        if before is not None:
            statement = statement.where(identity_decisions.c.seq < before)
        if active_only:
            statement = statement.where(identity_withdrawals.c.decision_id.is_(None))
        return self._decisions(statement)

    def edit_hub(self, edit: HubEdit) -> None:
        """See `DecisionLog.edit_hub`."""
        row = {"kind": edit.kind, "value": edit.value, "action": edit.action, **_signed(edit.author)}
        with self._writing() as connection:
            connection.execute(sa.insert(identity_hub_edits), row)

    def rulings(self) -> Rulings:
        """See `DecisionLog.rulings`."""
        links = _links(self._reading(_STANDING))
        edits = [_edit(row) for row in self._reading(_EDITS)]
        return Rulings(links, in_force(edits))

    def forget(self, records: Iterable[str], values: Iterable[str] = ()) -> int:
        """See `DecisionLog.forget`."""
        links, decisions, removed = identity_decision_links, identity_decisions, 0
        with self._writing() as connection:
            self._backend.lock(connection, LOCK)
            for some in _chunks(records):
                named = sa.or_(links.c.record_a.in_(some), links.c.record_b.in_(some))
                removed += connection.execute(sa.delete(links).where(named)).rowcount
            for some in _chunks(values):
                removed += connection.execute(
                    sa.delete(identity_hub_edits).where(identity_hub_edits.c.value.in_(some))
                ).rowcount
            left = sa.select(links.c.decision_id)
            connection.execute(sa.delete(decisions).where(decisions.c.decision_id.not_in(left)))
        if removed:
            self._backend.settle(self._engine)
        return removed

    def _decisions(self, statement: sa.Select[Any]) -> list[Decision]:
        rows = self._reading(statement)
        links: dict[str, list[Link]] = defaultdict(list)
        for some in _chunks(row[1] for row in rows):
            wanted = sa.select(*_LINK).where(identity_decision_links.c.decision_id.in_(some))
            for decision_id, kind, a, b in self._reading(wanted):
                links[decision_id].append(Link(kind, a, b))
        return [_decision(row, links[row[1]]) for row in rows]


def new_decision_id() -> str:
    """A random id, short enough to type."""
    return secrets.token_hex(8)


def unknown(decision_id: str) -> NotFoundError:
    """What to say of a decision that is not there."""
    return NotFoundError(f"There is no decision {decision_id}; `cdp identity decisions` lists them.")


def withdrawn_before(decision_id: str) -> ConflictError:
    """What to say of a second withdrawal."""
    return ConflictError(f"Decision {decision_id} was withdrawn before.")


def in_force(edits: Iterable[HubEdit]) -> tuple[HubEdit, ...]:
    """The last edit about each value, given oldest first, without those that leave it to the data."""
    last = {(edit.kind, edit.value): edit for edit in edits}
    return tuple(last[place] for place in sorted(last) if last[place].action != "learn")


_LINK = (
    identity_decision_links.c.decision_id,
    identity_decision_links.c.kind,
    identity_decision_links.c.record_a,
    identity_decision_links.c.record_b,
)
_STANDING = sa.select(*_LINK).where(
    identity_decision_links.c.decision_id.not_in(sa.select(identity_withdrawals.c.decision_id))
)
_DECISIONS = sa.select(
    identity_decisions.c.seq,
    identity_decisions.c.decision_id,
    identity_decisions.c.kind,
    identity_decisions.c.author,
    identity_decisions.c.at,
    identity_decisions.c.note,
    identity_withdrawals.c.author,
    identity_withdrawals.c.at,
    identity_withdrawals.c.note,
).select_from(
    identity_decisions.outerjoin(
        identity_withdrawals, identity_withdrawals.c.decision_id == identity_decisions.c.decision_id
    )
)
_EDITS = sa.select(
    identity_hub_edits.c.kind,
    identity_hub_edits.c.value,
    identity_hub_edits.c.action,
    identity_hub_edits.c.author,
    identity_hub_edits.c.at,
    identity_hub_edits.c.note,
).order_by(identity_hub_edits.c.seq)


def _links(rows: Sequence[Sequence[Any]]) -> tuple[StandingLink, ...]:
    return tuple(sorted(StandingLink(*row) for row in rows))


def _signed(author: Author) -> dict[str, Any]:
    return {"author": author.name, "at": author.at, "note": author.note}


def _author(name: str, at: Any, note: str | None) -> Author:
    return Author(name, cast(datetime, moment(at)), note)


def _decision(row: Sequence[Any], links: Sequence[Link]) -> Decision:
    seq, decision_id, kind, *signatures = row
    withdrawn = _author(*signatures[3:]) if signatures[3] is not None else None
    return Decision(
        int(seq), decision_id, cast(DecisionKind, kind), _author(*signatures[:3]), tuple(sorted(links)), withdrawn
    )


def _edit(row: Sequence[Any]) -> HubEdit:
    kind, value, action, *signature = row
    return HubEdit(kind, value, action, _author(*signature))


def _chunks(values: Iterable[str]) -> Iterable[Sequence[str]]:
    found = sorted(set(values))
    return (found[start : start + _LARGEST_IN] for start in range(0, len(found), _LARGEST_IN))
