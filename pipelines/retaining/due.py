"""Whether rules about records are due, what they would take out, and which take out more than anybody expects.

Rules are carried out once on each day of the data's now, and when they changed. One that would take out a large share
waits until somebody allows it, once: more likely it was written wrongly.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import duckdb

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from pipelines.erasing.freezing import FEW, MOST_SHARE
from pipelines.erasing.holding import Spared, spared
from pipelines.ingest import tables
from pipelines.ingest.limits import load_rules
from pipelines.retaining.outlived import Counted, select
from privacy.retention import standing
from privacy.retention.rules import FilesRule, PeopleRule, Rule, Rules
from privacy.retention.standing import Standing

if TYPE_CHECKING:
    from pipelines.retaining.copies import Counted as Copies


@dataclass(frozen=True)
class Due:
    """What rules about records would take out now; `blocked` ones wait to be allowed."""

    counted: list[Counted]
    blocked: list[Counted]


def is_too_much(gone: int, there: int) -> bool:
    """Whether a rule takes out more than it may without being allowed to."""
    return gone > max(FEW, MOST_SHARE * there)


def look(settings: Settings, connection: duckdb.DuckDBPyConnection, rules: Rules, now: datetime, held: Spared) -> Due:
    """Count. Leaves the table `outlived` of all rules on the connection."""
    allowed = standing.read(settings.privacy).allowed
    counted = select(connection, rules.records, now, held)
    blocked = [one for one in counted if is_too_much(one.raw, one.there) and one.rule.digest not in allowed]
    return Due([one for one in counted if one not in blocked], blocked)


def was_done(settings: Settings, connection: duckdb.DuckDBPyConnection, rules: Rules, now: datetime) -> bool:
    """Whether these rules were carried out on this day of the data's now, and none was allowed more since."""
    if standing.read(settings.privacy).allowed & {rule.digest for rule in rules}:
        return False
    found = connection.execute("select digest from ops.retention_runs where day = ?", [now.date()]).fetchall()
    return (rules.digest,) in found


def mark_done(connection: duckdb.DuckDBPyConnection, digest: str, now: datetime) -> None:
    """Remember the day; only the last one of each digest is kept."""
    connection.execute("delete from ops.retention_runs where digest = ? or day <> ?", [digest, now.date()])
    connection.execute("insert into ops.retention_runs values (?, ?)", [now.date(), digest])


def put_in_force(settings: Settings, rules: Sequence[Rule], *, seen: Iterable[str]) -> None:
    """From now on these rules keep deliveries out, if there was data they were carried out on (`seen`, digests).

    What they were allowed to do once is used up; what belongs to no rule any more is forgotten.
    """
    known = standing.read(settings.privacy)
    current = {rule.digest for rule in load_rules(settings)}
    done = {rule.digest for rule in rules}
    after = Standing(
        in_force=(known.in_force | frozenset(seen)) & current, allowed=(known.allowed - done) & frozenset(current)
    )
    if after != known:
        standing.write(settings.privacy, after)


def show(settings: Settings) -> list[dict[str, Any]]:
    """What every rule would take out if a run began now; nothing is changed. BusyError while a run is going."""
    from pipelines.retaining import copies

    return [*_of_data(settings), *(_of_copies(one) for one in copies.look(settings, wall_now()))]


def _of_data(settings: Settings) -> list[dict[str, Any]]:
    from pipelines.lock import writer_lock

    rules = load_rules(settings)
    now = settings.clock.now()
    if not (rules.records or rules.people) or not settings.warehouse.exists():
        return []
    known = standing.read(settings.privacy)
    with writer_lock(settings.writer_lock):
        # It reads the warehouse, which cannot be read beside a connection that writes.
        held = spared(settings)
        with open_engine(settings).writer() as connection:
            tables.ensure(connection)
            due = look(settings, connection, rules, now, held)
            people = [_of_people(connection, rule, now, known) for rule in rules.people]
    rows = [
        {
            "rule": one.rule.name,
            "of": one.rule.of,
            "older_than": str(one.rule.period),
            "before": one.rule.period.before(now).isoformat(),
            "there": one.there,
            "goes": one.raw,
            "quarantined": one.quarantined,
            "held": one.held,
            "waits_to_be_allowed": one in due.blocked,
            "in_force": one.rule.digest in known.in_force,
        }
        for one in (*due.counted, *due.blocked)
    ]
    return sorted(rows + people, key=lambda row: [rule.name for rule in rules].index(str(row["rule"])))


def _of_people(
    connection: duckdb.DuckDBPyConnection, rule: PeopleRule, now: datetime, known: Standing
) -> dict[str, Any]:
    from pipelines.retaining.people import lapsed

    profiles, there = lapsed(connection, rule, now)
    waits = is_too_much(len(profiles), there) and rule.digest not in known.allowed
    return {
        "rule": rule.name,
        "of": "people",
        "older_than": str(rule.period),
        "before": rule.period.before(now).isoformat(),
        "there": there,
        "goes": len(profiles),
        "quarantined": 0,
        "held": 0,
        "waits_to_be_allowed": waits,
        "in_force": not waits,
    }


def _of_copies(one: Copies) -> dict[str, Any]:
    return {
        "rule": one.rule,
        "of": one.files,
        "older_than": one.period,
        "before": one.before.isoformat(),
        "there": one.there,
        "goes": one.goes,
        "quarantined": 0,
        "held": 0,
        "waits_to_be_allowed": False,
        "in_force": True,
    }


def allow(settings: Settings, names: Sequence[str], actor: str) -> list[str]:
    """Let rules take out a large share, once. NotFoundError for a name that no rule has."""
    import secrets

    from cdp.errors import NotFoundError
    from cdp.store import open_store
    from cdp.store.base import AuditEntry
    from pipelines.lock import writer_lock

    # What files rules take out is a copy of something, so they never wait.
    rules = {rule.name: rule for rule in load_rules(settings) if not isinstance(rule, FilesRule)}
    strange = next((name for name in names if name not in rules), None)
    if strange is not None:
        raise NotFoundError(f"No rule is called {strange[:40]!r}; there are: {', '.join(rules) or 'none'}.")
    chosen = [rules[name] for name in names or rules]
    with writer_lock(settings.writer_lock):
        known = standing.read(settings.privacy)
        allowed = known.allowed | {rule.digest for rule in chosen}
        with open_store(settings.database_url) as store:
            detail = {"rules": [rule.name for rule in chosen]}
            entry = AuditEntry(
                secrets.token_hex(16), wall_now(), actor, "privacy.retention.allowed", "retention", detail
            )
            store.append_audit([entry])
        standing.write(settings.privacy, Standing(known.in_force, frozenset(allowed)))
    return [rule.name for rule in chosen]
