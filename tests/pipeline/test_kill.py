"""SIGKILL inside every step of a real run: running again ends in what an undisturbed run publishes."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import pytest

from tests.support.home import Home, assert_same

STEPS = (
    "land", "corrections", "raw", "staging", "identity", "identity quality", "trigger firings", "marts", "contracts",
    "rules", "feelings", "personas", "predictions", "derived contracts", "actions", "snapshot", "segments", "publish",
)  # fmt: skip

pytestmark = pytest.mark.slow


def kill_inside(home: Home, world: Path, step: str, delay: float) -> bool:
    """Start a run, kill it `delay` seconds after `step` began; False when it ended well before that."""
    process = home.start("run", "--from", str(world))
    assert process.stderr is not None
    told = []
    for line in process.stderr:
        told.append(line)
        if line.startswith(f"{step} …"):
            threading.Event().wait(delay)
            process.kill()
            process.communicate()
            return process.returncode == -signal.SIGKILL
    process.communicate()
    assert process.returncode == 0, f"a run after a kill failed: {told[-1]}"
    return False


@pytest.mark.parametrize("seed", [1])
def test_killed_anywhere_it_ends_the_same(seed: int, tmp_path: Path) -> None:
    from demo.generate import generate

    world = tmp_path / "world"
    generate("small", seed=seed, out=world, people=200)
    undisturbed = Home(tmp_path / "undisturbed")
    durations = {s["step"]: s["seconds"] for s in undisturbed.facts("run", "--from", str(world))["steps"]}
    assert set(STEPS) <= set(durations), "the kill points below must be real steps"
    expected = undisturbed.published()

    chance = random.Random(seed)
    home = Home(tmp_path / "killed")
    # The first half of each step: a run that ends before its kill has nothing left for the steps that follow.
    killed = [step for step in STEPS if kill_inside(home, world, step, chance.uniform(0, durations[step] / 2))]
    assert killed == list(STEPS), "every step was killed once"
    home.cdp("run", "--from", str(world))
    assert_same(expected, home.published())
    assert home.facts("status")["last_run"] is not None
