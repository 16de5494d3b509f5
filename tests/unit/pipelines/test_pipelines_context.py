"""Opening a run: now is written once, an orphan that holds the warehouse is waited for."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.engine.duckdb import open_engine
from cdp.errors import BusyError, ResourceError
from cdp.settings import Settings, load_settings
from pipelines import steps
from pipelines.context import RESERVE_BYTES, open_run, require_room, wait_until_free
from pipelines.resources import filled_inbox

HOLD = """
import sys, duckdb, time
connection = duckdb.connect(sys.argv[1])
print("open", flush=True)
time.sleep(float(sys.argv[2]))
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return load_settings(home=tmp_path / "home", as_of=datetime(2026, 1, 1, tzinfo=UTC))


def orphan(path: Path, seconds: float) -> subprocess.Popen[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path), str(seconds)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "open"
    return process


def test_now_is_one_row_and_scratch_is_empty(settings: Settings) -> None:
    settings.tmp.mkdir(parents=True)
    (settings.tmp / "left-over").write_text("spill of a killed run")
    for run_id in ("first", "second"):
        with open_run(settings, run_id) as run:
            assert run.as_of == datetime(2026, 1, 1, tzinfo=UTC)
            assert [path.name for path in settings.tmp.iterdir()] == ["reserve"]
    rows = list(open_engine(settings).rows("select run_id, as_of from ops.run_context"))
    assert rows == [("second", datetime(2026, 1, 1))]


def test_an_orphan_that_ends_is_waited_for(settings: Settings) -> None:
    other = orphan(settings.warehouse, 1.5)
    told: list[str] = []
    wait_until_free(open_engine(settings), told.append, seconds=30)
    assert told == ["waiting for the model build of an interrupted run to end"]
    other.wait()


def test_a_stuck_orphan_is_named(settings: Settings) -> None:
    other = orphan(settings.warehouse, 60)
    try:
        with pytest.raises(BusyError, match=r"warehouse\.duckdb"):
            wait_until_free(open_engine(settings), lambda _: None, seconds=0.2)
    finally:
        other.kill()
        other.wait()


def test_steps_add_up_to_an_account(settings: Settings) -> None:
    with open_run(settings, "run") as run, run.step("count") as step:
        step.rows, step.detail = 3, "(things)"
    assert [(s.step, s.rows, s.detail) for s in run.steps] == [("count", 3, "(things)")]


def test_a_run_that_cannot_fit_is_not_begun(settings: Settings) -> None:
    require_room(settings)
    with settings.warehouse.open("wb") as sparse:
        sparse.truncate(1 << 43)
    with pytest.raises(
        ResourceError, match=r"Only [\d,]+ MiB are free under .* and a run needs 16,777,280; free space"
    ):
        require_room(settings)


def test_a_run_gives_back_what_it_reserved(settings: Settings) -> None:
    reserve = settings.tmp / "reserve"
    with pytest.raises(KeyError), open_run(settings, "run"):
        assert reserve.stat().st_size == RESERVE_BYTES
        raise KeyError
    assert not reserve.exists()


def test_a_night_without_a_delivery_is_no_error(settings: Settings) -> None:
    assert filled_inbox(settings) is None
    settings.inbox.mkdir(parents=True)
    assert filled_inbox(settings) is None
    with open_run(settings, "run", delivered=filled_inbox(settings)) as run:
        assert steps.land(run) == []
    (settings.inbox / "sales").mkdir()
    (settings.inbox / "sales" / "contacts.csv").write_text("Record ID\n1\n")
    assert filled_inbox(settings) == settings.inbox
    with open_run(settings, "run", delivered=filled_inbox(settings)) as run:
        assert [landed.file for landed in steps.land(run)] == ["sales/contacts.csv"]
    with open_run(settings, "run") as run:
        assert [landed.file for landed in steps.land(run)] == ["sales/contacts.csv"], "it still waits to be loaded"
