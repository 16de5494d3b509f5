"""The writer lock: one writer, freed by death, shared within a process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cdp.errors import BusyError
from cdp.settings import PROJECT_ROOT
from pipelines.lock import is_held, writer_lock

HOLD = """
import sys, pathlib
from cdp.settings import PROJECT_ROOT
from pipelines.lock import is_held, writer_lock
with writer_lock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "held"
    return process


def test_a_second_process_is_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    other = hold(path)
    try:
        with pytest.raises(BusyError, match=str(other.pid)), writer_lock(path):
            pass
    finally:
        other.kill()
        other.wait()


def test_a_killed_holder_frees_it(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    other = hold(path)
    other.kill()
    other.wait()
    with writer_lock(path):
        pass


def test_the_same_process_may_take_it_again(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    with writer_lock(path):
        with writer_lock(path):
            pass
        other = subprocess.run(
            [sys.executable, "-c", HOLD, str(path)],
            capture_output=True,
            text=True,
            cwd=Path(__file__).resolve().parents[3],
            stdin=subprocess.DEVNULL,
        )
        assert "BusyError" in other.stderr, "the inner block must not free the outer one's lock"


def test_asking_whether_it_is_held_hinders_nobody(tmp_path: Path) -> None:
    path = tmp_path / "writer.lock"
    assert not is_held(path)
    with writer_lock(path):
        assert is_held(path)
        asked = subprocess.run(
            [sys.executable, "-c", "import sys; from pathlib import Path; from pipelines.lock import is_held;"
             "sys.exit(7 if is_held(Path(sys.argv[1])) else 0)", str(path)], cwd=PROJECT_ROOT, check=False,
        )  # fmt: skip
        assert asked.returncode == 7
    assert not is_held(path)
