"""The demo world and a home built from it once per test session, whichever worker comes first."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.contract.conftest import postgres_server, postgres_url  # noqa: F401  (the same server for both suites)
from tests.support.home import Home, WorldHome

PEOPLE = 400


def once(folder: Path, build: Callable[[], None]) -> None:
    """Build what `folder` will hold exactly once across worker processes."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        done = folder.with_suffix(".done")
        if not done.exists():
            build()
            done.touch()


@pytest.fixture(scope="session")
def shared_tmp(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A folder that all workers of this session share."""
    base = tmp_path_factory.getbasetemp()
    return (base if worker_id == "master" else base.parent) / "shared"


@pytest.fixture(scope="session")
def demo_world(shared_tmp: Path) -> Path:
    """A demo world of a few hundred people."""
    from demo.generate import generate

    folder = shared_tmp / "demo-world"
    once(folder, lambda: void(generate("small", seed=7, out=folder, people=PEOPLE)))
    return folder


@pytest.fixture(scope="session")
def demo_home(shared_tmp: Path, demo_world: Path) -> Home:
    """A home after one undisturbed run over the demo world; tests read it and leave it as it is."""
    home = Home(shared_tmp / "demo-home")
    once(home.path, lambda: void(home.cdp("run", "--from", str(demo_world))))
    return home


@pytest.fixture(scope="session")
def reference_home(shared_tmp: Path, world: Path) -> Home:
    """A home after one undisturbed run over the reference world (minutes): for slow tests, which leave it as it is."""
    home = Home(shared_tmp / "reference-home")
    once(home.path, lambda: void(home.cdp("run", "--from", str(world))))
    return home


@pytest.fixture(scope="session")
def small_home(shared_tmp: Path) -> Callable[[int], WorldHome]:
    """The demo world `small` by seed, run once for all tests of the session (most of a minute): for slow tests."""
    from demo.generate import generate

    def of(seed: int) -> WorldHome:
        world, home = shared_tmp / f"small-world-{seed}", Home(shared_tmp / f"small-home-{seed}")
        once(world, lambda: void(generate("small", seed=seed, out=world)))
        once(home.path, lambda: void(home.cdp("run", "--from", str(world))))
        return WorldHome(world, home)

    return of


def void(_: object) -> None:
    """Drop a result."""
