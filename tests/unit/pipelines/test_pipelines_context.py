"""Opening a run: now is written once, an orphan that holds the warehouse is waited for."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.engine.duckdb import open_engine
from cdp.errors import BusyError
from cdp.settings import Settings, load_settings
from pipelines.context import open_run, wait_until_free

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
            assert list(settings.tmp.iterdir()) == []
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
