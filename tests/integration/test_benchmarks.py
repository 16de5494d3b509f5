"""The benchmarks run on today's code, at a size at which their figures say nothing."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cdp.settings import PROJECT_ROOT
from tests.support.home import Home

pytestmark = pytest.mark.slow


def measured(name: str, *options: str) -> dict[str, Any]:
    """What a benchmark prints. Its exit code tells whether its promise holds, which small sizes cannot show."""
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options], cwd=PROJECT_ROOT, capture_output=True, text=True
    )
    assert "Traceback" not in done.stderr, done.stderr[-2000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_identity() -> None:
    found = measured("identity", "--records", "5000", "--add", "200")
    ours, theirs = found["rounds"][0]["ours"], found["rounds"][0]["splink"]
    assert ours["pairs"] > 5000 and found["rounds"][0]["add"]["arrived"] == 200
    # A household without birth dates is one cluster to plain connected components.
    assert theirs["clusters"] <= ours["profiles"] < 5000
    assert found["ratio_processor"] > 0 and found["peak_mb"] > 0


def test_journeys() -> None:
    found = measured("journeys", "--events", "100000", "--rounds", "1")
    assert found["moves_equal_touchpoints"] and found["funnel"]["steps"][0] > 0


def test_segments() -> None:
    found = measured("segments", "--profiles", "20000", "--events", "200000", "--rounds", "1")
    assert found["same_answer"] and found["members"] > 0


def test_segment_pages() -> None:
    found = measured("segment_pages", "--members", "5000", "--limit", "500")
    assert found["every_member_once"] and found["pages"] == 10


def test_erasure(demo_home: Home, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(demo_home.path, home)
    found = measured("erasure", "--home", str(home), "--subjects", "1", "20")
    assert [one["status"] for one in found["erasures"]] == ["completed", "completed"]
    assert [one["residual_hits"] for one in found["erasures"]] == [0, 0]
