"""Rules about people: of whom nothing was heard for long is erased, as if they had asked for it.

After a run has published, so that what just came in counts. It is an erasure with all its steps and its proof; legal
holds keep what they keep. What is kept to recognise their records counts for the time before only: the same records
do not come in again, and whoever comes back is a new customer.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import duckdb

from cdp.clock import wall_now
from cdp.engine.duckdb import open_engine
from cdp.settings import Settings
from pipelines.context import Progress, wait_until_free
from pipelines.erasing import freezing
from pipelines.erasing.execution import Execution
from pipelines.erasing.keys import bounded_tokens_of
from pipelines.ingest import tables
from pipelines.ingest.limits import load_rules
from pipelines.retaining import due
from privacy.closure import Closure, Named
from privacy.journal import Journal
from privacy.keys import token_keys
from privacy.naming import PROFILE
from privacy.retention import standing
from privacy.retention.rules import PeopleRule, Rules
from privacy.suppression import together
from privacy.work import Work

PREFIX = "lp-"


def run(settings: Settings, progress: Progress) -> dict[str, Any] | None:
    """Erase whom nothing was heard of, when that is due, or go on where a kill came between; the signed receipt.

    None when nothing is due or nobody goes. The caller holds the writer lock.
    """
    names = [name for name in Work.open_ones(settings.privacy) if name.startswith(PREFIX)]
    work = Work.resume(settings.privacy, names[0]) if names else _plan(settings, progress)
    return _Lapse(settings, work, progress).run() if work is not None else None


def lapsed(connection: duckdb.DuckDBPyConnection, rule: PeopleRule, now: datetime) -> tuple[list[str], int]:
    """Profiles that have outlived a rule, and how many there are; none before marts were built."""
    there = "select count(*) from duckdb_tables() where schema_name = 'marts' and table_name = 'profiles'"
    if not connection.execute(there).fetchall()[0][0]:
        return [], 0
    rows = connection.execute(
        "select profile_id from marts.profiles where last_seen_at < ? order by 1", [rule.period.before(now)]
    ).fetchall()
    total = connection.execute("select count(*) from marts.profiles").fetchall()[0][0]
    return [row[0] for row in rows], int(total)


def _plan(settings: Settings, progress: Progress) -> Work | None:
    rules = Rules(people=load_rules(settings).people)
    if not rules or not settings.warehouse.exists():
        return None
    now = settings.clock.now()
    engine = open_engine(settings)
    wait_until_free(engine, progress)
    with engine.writer() as connection:
        tables.ensure(connection)
        if due.was_done(settings, connection, rules, now):
            return None
        found, done = _chosen(settings, connection, rules.people, now, progress)
        due.mark_done(connection, rules.digest, now)
    due.put_in_force(settings, done, seen=())
    closures = _closures(settings, found, progress)
    if not closures:
        return None
    progress(f"retention: {len(closures):,} people of whom nothing was heard for long are erased …")
    return Work.begin(
        settings.privacy,
        f"{PREFIX}{wall_now():%Y%m%d}-{secrets.token_hex(6)}",
        {
            "requested_at": wall_now().isoformat(),
            "as_of": now.isoformat(),
            "closures": [closure.to_json() for closure in closures],
            "done": {},
        },
    )


def _chosen(
    settings: Settings, connection: duckdb.DuckDBPyConnection, rules: Sequence[PeopleRule], now: datetime,
    progress: Progress,
) -> tuple[list[str], list[PeopleRule]]:  # fmt: skip
    """Profiles of the rules that may be carried out, and these rules."""
    allowed = standing.read(settings.privacy).allowed
    found: set[str] = set()
    done = []
    for rule in rules:
        profiles, total = lapsed(connection, rule, now)
        if due.is_too_much(len(profiles), total) and rule.digest not in allowed:
            progress(
                f"retention: the rule {rule.name} would erase {len(profiles):,} of {total:,} people and waits: look"
                f" with `cdp privacy retention`, then allow it with --allow-many {rule.name}"
            )
            continue
        found.update(profiles)
        done.append(rule)
    return sorted(found), done


def _closures(settings: Settings, profiles: Sequence[str], progress: Progress) -> list[Closure]:
    """Their records; a profile with more than a person can have is left to somebody's eyes."""
    named = [[Named(PROFILE, profile)] for profile in profiles]
    found = freezing.closures_of(settings, named) if named else []
    sound = [one for one in found if len(one.records) <= freezing.MOST_RECORDS]
    if len(sound) < len(found):
        progress(f"retention: {len(found) - len(sound)} profile(s) have more records than a person can have and stay")
    return sound


class _Lapse(Execution):
    """The steps of an erasure for people who did not ask for it."""

    kind = "retention"

    def _suppress(self) -> int:
        keys = token_keys(self.settings.privacy)
        until = datetime.fromisoformat(self.work.content["as_of"]).astimezone(UTC).replace(tzinfo=None)
        held = together(bounded_tokens_of(one, keys, until) for one in self.closures)
        self.done["seq"] = Journal(self.settings.privacy).append("erased", [(self.work.request, held)], wall_now())
        return len({token for person in held for token in person})
