"""Shared fixtures and the rule that keeps unit tests quick."""

from __future__ import annotations

from pathlib import Path
from time import monotonic

import pytest

ROOT = Path(__file__).resolve().parent.parent
WORLD = ROOT.parent / "shared" / "data" / "world"

# Fixtures that start the pipeline, a database server or a child process; a unit test must not need one.
HEAVY_FIXTURES = {"postgres_url", "demo_home", "small_home", "reference_home"}
BEGUN = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--begin-within", type=float, metavar="MINUTES", default=None,
        help="Begin no slow test later than this; what is left is skipped and says so.",
    )  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    config.stash[BEGUN] = monotonic()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A check that has to end by a certain time says on a slow machine what it left out; it is not cut off."""
    minutes = item.config.getoption("--begin-within")
    if minutes is None or item.get_closest_marker("slow") is None:
        return
    if monotonic() - item.config.stash[BEGUN] > minutes * 60:
        pytest.skip(f"not begun within {minutes:g} minutes; `make test-long` runs it")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        heavy = HEAVY_FIXTURES & set(getattr(item, "fixturenames", ()))
        if heavy and "unit" in item.path.relative_to(ROOT).parts:
            raise pytest.UsageError(
                f"{item.nodeid} is a unit test but uses {', '.join(sorted(heavy))}: move it to tests/integration."
            )


@pytest.fixture(scope="session")
def world() -> Path:
    """The reference world, where it is present beside the checkout."""
    if not WORLD.is_dir():
        pytest.skip("the reference world (shared/data/world beside the checkout) is not here")
    return WORLD
