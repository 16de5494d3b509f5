"""What people decide about identity: merge, split, withdraw.

A decision is a set of always- or never-links under one id, with author, time and note. It holds until it is withdrawn,
whatever records arrive later; the next run carries it out and a withdrawal restores the former state. Contradictions
are refused when a decision is written, naming the links that stand against it. Functions take the open read-write
warehouse connection and are one transaction each.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import product

import duckdb

from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.ids import digest

ALWAYS = "always"
NEVER = "never"
# Freezing a partition writes a link per pair of records; a person looks at smaller groups than this.
_MOST_LINKS = 2_000


@dataclass(frozen=True)
class Author:
    """Who decides, when, and why."""

    name: str
    at: datetime
    note: str | None = None


@dataclass(frozen=True)
class Decision:
    """A decision with its links (pairs of record keys)."""

    decision_id: str
    kind: str
    author: str
    at: datetime
    note: str | None
    active: bool
    links: tuple[tuple[str, str, str], ...]


def merge(connection: duckdb.DuckDBPyConnection, a: str, b: str, author: Author) -> Decision:
    """Declare two profiles, or the profiles of two records, one person; every record of both is tied to the first.

    NotFoundError for an unknown profile or record, InputError when both are the same profile already, ConflictError
    when an earlier decision keeps records of the two apart.
    """
    one, other = _records_of(connection, a), _records_of(connection, b)
    if set(one) & set(other):
        raise InputError("Both are one profile already; there is nothing to merge.")
    everything = sorted({*one, *other})
    return _write(connection, "merge", [(ALWAYS, everything[0], record) for record in everything[1:]], author)


def split(connection: duckdb.DuckDBPyConnection, profile: str, records: Iterable[str], author: Author) -> Decision:
    """Declare that `records` of a profile are another person than its remaining records.

    Both sides are kept together and every pair across is kept apart. NotFoundError for an unknown profile, InputError
    when the records are not of this profile or are all of it, ConflictError when an earlier decision ties both sides.
    """
    members = set(_records_of(connection, profile))
    taken = sorted(set(records))
    strange = [record for record in taken if record not in members]
    if strange:
        raise InputError(f"{len(strange)} of the records named are not of this profile; the first is {strange[0]}.")
    left = sorted(members - set(taken))
    if not taken or not left:
        raise InputError("A split needs some, but not all, of the profile's records.")
    links = [(NEVER, *sorted(pair)) for pair in product(taken, left)]
    links += [(ALWAYS, side[0], record) for side in (taken, left) for record in side[1:]]
    return _write(connection, "split", [(kind, a, b) for kind, a, b in links], author)


def link(connection: duckdb.DuckDBPyConnection, kind: str, record_a: str, record_b: str, author: Author) -> Decision:
    """Decide about two records alone: `always` or `never` one person. The answer to a question of the review queue."""
    if kind not in (ALWAYS, NEVER):
        raise InputError(f"A decision is {ALWAYS} or {NEVER}, not {kind}.")
    if record_a == record_b:
        raise InputError("A decision needs two different records.")
    _require_records(connection, [record_a, record_b])
    first, second = sorted((record_a, record_b))
    return _write(connection, kind, [(kind, first, second)], author)


def withdraw(connection: duckdb.DuckDBPyConnection, decision_id: str) -> Decision:
    """Take a decision back; the next run restores what was before.

    NotFoundError for an unknown decision, ConflictError for one that was withdrawn before.
    """
    known = [decision for decision in list_decisions(connection) if decision.decision_id == decision_id]
    if not known:
        raise NotFoundError(f"There is no decision {decision_id}.")
    if not known[0].active:
        raise ConflictError(f"Decision {decision_id} was withdrawn before.")
    with _transaction(connection):
        connection.execute("update identity.decisions set active = false where decision_id = ?", [decision_id])
    return next(decision for decision in list_decisions(connection) if decision.decision_id == decision_id)


def list_decisions(connection: duckdb.DuckDBPyConnection, *, active_only: bool = False) -> list[Decision]:
    """All decisions, newest first."""
    rows = connection.execute(
        f"""
        select decision_id, kind, record_a, record_b, author, "at", note, active from identity.decisions
        {"where active" if active_only else ""} order by "at" desc, decision_id, kind desc, record_a, record_b
        """
    ).fetchall()
    grouped: dict[str, list[tuple[str, str, str]]] = defaultdict(list)
    heads = {}
    for decision_id, kind, a, b, author, at, note, active in rows:
        grouped[decision_id].append((kind, a, b))
        heads[decision_id] = (author, at, note, active)
    return [
        Decision(decision_id, _named(grouped[decision_id]), author, at, note, active, tuple(grouped[decision_id]))
        for decision_id, (author, at, note, active) in heads.items()
    ]


def _named(links: list[tuple[str, str, str]]) -> str:
    kinds = {kind for kind, _, _ in links}
    if NEVER in kinds:
        return "split" if len(links) > 1 else NEVER
    return "merge" if len(links) > 1 else ALWAYS


def _write(
    connection: duckdb.DuckDBPyConnection, kind: str, links: list[tuple[str, str, str]], author: Author
) -> Decision:
    if len(links) > _MOST_LINKS:
        raise InputError(f"This decision would need {len(links):,} links; decide about smaller groups of records.")
    _check(connection, links)
    at = author.at.replace(tzinfo=None)
    decision_id = digest(kind, at.isoformat(), author.name, repr(sorted(links)))[:16]
    taken = connection.execute(
        "select 1 from identity.decisions where decision_id = ? limit 1", [decision_id]
    ).fetchall()
    if taken:
        raise ConflictError(f"Decision {decision_id} was written before.")
    with _transaction(connection):
        connection.executemany(
            "insert into identity.decisions values (?, ?, ?, ?, ?, ?, ?, true)",
            [[decision_id, link_kind, a, b, author.name, at, author.note] for link_kind, a, b in links],
        )
    return next(decision for decision in list_decisions(connection) if decision.decision_id == decision_id)


def _check(connection: duckdb.DuckDBPyConnection, links: list[tuple[str, str, str]]) -> None:
    """ConflictError when always-links, old and new, lead from one record of a never-link to the other."""
    stored = connection.execute(
        "select kind, record_a, record_b, decision_id from identity.decisions where active"
    ).fetchall()
    everything = [*stored, *((kind, a, b, "this decision") for kind, a, b in links)]
    neighbours: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for kind, a, b, decision in everything:
        if kind == ALWAYS:
            neighbours[a].append((b, decision))
            neighbours[b].append((a, decision))
    for kind, a, b, decision in everything:
        if kind != NEVER:
            continue
        path = _path(neighbours, a, b)
        if path:
            told = " - ".join([a, *(f"{record} (always, {by})" for record, by in path)])
            raise ConflictError(
                f"This contradicts what was decided: {a} and {b} are never one person ({decision}), "
                f"but always-links lead from one to the other: {told}. Withdraw one of them first."
            )


def _path(neighbours: dict[str, list[tuple[str, str]]], start: str, end: str) -> list[tuple[str, str]] | None:
    """The shortest way along always-links: the records after `start`, each with the decision that led to it."""
    came: dict[str, tuple[str, str] | None] = {start: None}
    waiting = deque([start])
    while waiting and end not in came:
        here = waiting.popleft()
        for record, decision in sorted(neighbours.get(here, [])):
            if record not in came:
                came[record] = (here, decision)
                waiting.append(record)
    if end not in came:
        return None
    path: list[tuple[str, str]] = []
    record = end
    while (step := came[record]) is not None:
        path.append((record, step[1]))
        record = step[0]
    return path[::-1]


def _records_of(connection: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    """The record keys of a profile, named by its id (also a merged one's) or by one of its records."""
    profile = name
    if ":" in name:
        _require_records(connection, [name])
        profile = connection.execute(
            "select profile_id from identity.identity_map where source || ':' || source_record_id = ?", [name]
        ).fetchall()[0][0]
    profile = _living(connection, profile)
    rows = connection.execute(
        "select source || ':' || source_record_id from identity.identity_map "
        "where profile_id = ? and source <> 'marketing' order by 1",
        [profile],
    ).fetchall()
    if not rows:
        raise NotFoundError(f"Profile {profile} holds no source record to decide about.")
    return [record for (record,) in rows]


def _living(connection: duckdb.DuckDBPyConnection, profile: str) -> str:
    """The profile that an id leads to, following merges."""
    seen = {profile}
    while True:
        rows = connection.execute(
            "select status, merged_into from identity.profiles where profile_id = ?", [profile]
        ).fetchall()
        if not rows:
            raise NotFoundError(f"There is no profile {profile}.")
        status, into = rows[0]
        if status != "merged" or into is None or into in seen:
            return profile
        profile = into
        seen.add(profile)


def _require_records(connection: duckdb.DuckDBPyConnection, records: list[str]) -> None:
    marks = ", ".join("?" * len(records))
    known = connection.execute(
        f"select record_key from identity.state_features where record_key in ({marks})", records
    ).fetchall()
    missing = sorted(set(records) - {record for (record,) in known})
    if missing:
        raise NotFoundError(f"There is no source record {missing[0]}; records are named SOURCE:ID.")


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin transaction")
    try:
        yield
    except BaseException:
        connection.execute("rollback")
        raise
    connection.execute("commit")
