"""The fingerprint tells what is new: inputs, now, or what people decided."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from cdp.domain.decisions import Author, HubEdit, Rulings, StandingLink
from cdp.settings import Settings, load_settings
from identity import rulings, state
from identity.config import PIPELINE
from pipelines.fingerprint import fingerprint, same_inputs, with_inputs_of
from pipelines.ingest import tables

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DECIDED = Rulings(
    (StandingLink("d1", "always", "sales:1", "web:1"), StandingLink("d2", "never", "sales:1", "sales:2")),
    (HubEdit("phone", "+1206", "block", Author("x", NOW)),),
)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path, as_of=NOW)


@pytest.fixture
def warehouse() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        tables.ensure(connection)
        yield connection


def test_now_and_decisions_are_no_new_inputs(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    before = fingerprint(settings, warehouse, NOW, Rulings())
    assert before == fingerprint(settings, warehouse, NOW, Rulings())
    later = fingerprint(settings, warehouse, NOW + timedelta(days=1), Rulings())
    decided = fingerprint(settings, warehouse, NOW, DECIDED)
    assert len({before, later, decided}) == 3
    assert same_inputs(before, later) and same_inputs(before, decided)
    assert with_inputs_of(before, decided) == decided


def test_a_new_batch_is(settings: Settings, warehouse: duckdb.DuckDBPyConnection) -> None:
    before = fingerprint(settings, warehouse, NOW, Rulings())
    warehouse.execute(
        "insert into ops.batches by name select 1 as batch_seq, 'sales' as source, 'contacts' as entity, 'x' as file, "
        "'' as sha256, '' as landed_path, 1 as received, 1 as raw, 0 as duplicates, 0 as quarantined, "
        "timestamp '2026-01-01' as loaded_at, 'file' as kind, '' as landing_id, '' as mapping"
    )
    after = fingerprint(settings, warehouse, NOW, Rulings())
    assert not same_inputs(before, after)
    assert with_inputs_of(before, after) == before


def test_what_was_carried_out_counts_and_not_what_was_decided_meanwhile(
    settings: Settings, warehouse: duckdb.DuckDBPyConnection
) -> None:
    assert fingerprint(settings, warehouse, NOW) == fingerprint(settings, warehouse, NOW, Rulings())
    state.prepare(warehouse, PIPELINE)
    assert rulings.receive(warehouse, DECIDED)
    assert fingerprint(settings, warehouse, NOW) == fingerprint(settings, warehouse, NOW, DECIDED)
    assert not rulings.receive(warehouse, DECIDED)
    assert rulings.receive(warehouse, Rulings(DECIDED.links[:1], DECIDED.hub_edits))
    assert warehouse.execute("select record_key from wf_decided order by 1").fetchall() == [("sales:1",), ("sales:2",)]
