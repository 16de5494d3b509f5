"""Corrections reach the warehouse as they count, with a digest of what the source said when they were made."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.domain.corrections import Correction, Place
from cdp.domain.decisions import Rulings
from cdp.settings import load_settings
from cdp.store import open_store
from pipelines import corrections
from pipelines.context import RunContext, open_run
from pipelines.fingerprint import fingerprint, same_inputs
from tests.support.publications import profile_id, publish

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROWS = "select source_record_id, field, value, replaced from ops.corrections order by all"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[RunContext]:
    with open_run(load_settings(home=tmp_path, as_of=NOW), "run") as opened:
        with open_store(opened.settings.database_url) as store:
            publish(store, [1])
        yield opened


def say(run: RunContext, *places: Place) -> str:
    with open_store(run.settings.database_url) as store:
        return store.corrections.write(Correction(profile_id(1), places, "tester")).correction_id


def build(run: RunContext, mail: str) -> None:
    """What a build of the models leaves behind."""
    with run.engine.writer() as connection:
        connection.execute("create schema if not exists intermediate")
        connection.execute(
            "create or replace view intermediate.int_stated_records as"
            f" select 'pos' as source, 'L1' as source_record_id, '{mail}' as email, cast(null as varchar) as phone"
        )


def test_what_counts_is_copied_and_what_was_said_is_noted_once(run: RunContext) -> None:
    mail, phone = Place("pos", "L1", "email", "right@marked.org"), Place("pos", "L1", "phone", None)
    name = say(run, mail, phone, Place("pos", "L9", "email", None))
    assert corrections.receive(run) == 3
    assert [row[3] for row in run.engine.rows(ROWS)] == [None, None, None], "no model was built yet"
    build(run, "wrong@marked.org")
    corrections.receive(run)
    first = list(run.engine.rows(ROWS))
    with run.engine.writer() as connection:
        digest = connection.execute("select md5('=wrong@marked.org' || chr(31)), md5('0' || chr(31))").fetchall()[0]
    assert first == [
        ("L1", "email", "right@marked.org", digest[0]), ("L1", "phone", None, digest[1]), ("L9", "email", None, None),
    ]  # fmt: skip
    build(run, "third@marked.org")
    corrections.receive(run)
    assert list(run.engine.rows(ROWS)) == first
    with open_store(run.settings.database_url) as store:
        store.corrections.withdraw(name, "tester")
    assert corrections.receive(run) == 0


def test_a_correction_is_a_new_input_until_a_run_received_it(run: RunContext) -> None:
    def mark(*, served: bool = False) -> str:
        with open_store(run.settings.database_url) as store, run.engine.writer() as connection:
            found = None if served else store.corrections.in_force()
            return fingerprint(run.settings, connection, NOW, Rulings(), corrections=found)

    assert mark() == mark(served=True)
    say(run, Place("pos", "L1", "email", "right@marked.org"))
    assert not same_inputs(mark(), mark(served=True))
    corrections.receive(run)
    assert mark() == mark(served=True)
