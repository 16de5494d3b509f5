"""A demo world through the steps of a run up to the marts, and what findings say there: nothing is published.

For tests that need many worlds: the steps are the pipeline's own, one after another in this process, and dbt parses the
project once per process instead of once per world.
"""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from cdp.settings import calm_matrices

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEPT = "dbt"


def findings_of(worlds: list[tuple[str, int]], people: int, folder: Path) -> list[dict[str, Any]]:
    """What findings say of each (scenario, seed), as `cdp journey findings --json` writes it, two worlds at a time."""
    with ProcessPoolExecutor(2, mp_context=get_context("spawn"), initializer=calm_matrices) as pool:
        return list(pool.map(_findings, *zip(*worlds, strict=True), [people] * len(worlds), [folder] * len(worlds)))


def _findings(scenario: str, seed: int, people: int, folder: Path) -> dict[str, Any]:
    from cdp.settings import load_settings
    from demo.generate import generate
    from journeys.findings.inflection import search
    from journeys.scope import Scope
    from pipelines import steps, transform
    from pipelines.context import open_run

    world, home = folder / f"{scenario}-{seed}", folder / f"home-{os.getpid()}"
    generate(scenario, seed=seed, out=world, people=people)
    _empty(home)
    settings = load_settings(home=home, as_of=NOW, threads=1, memory_limit="2GB")
    with open_run(settings, f"{scenario}-{seed}", delivered=world) as run:
        steps.land(run)
        steps.load(run)
        transform.run_dbt(settings, "staging")
        steps.resolve_identity(run)
        transform.run_dbt(settings, "marts")
        with run.engine.writer() as connection:
            found = search(connection, Scope(until=run.as_of)).to_json()
    shutil.rmtree(world)
    return found


def _empty(home: Path) -> None:
    """A new home, but for what dbt knows of the project."""
    for part in home.iterdir() if home.is_dir() else ():
        if part.is_dir() and part.name != KEPT:
            shutil.rmtree(part)
        elif part.is_file():
            part.unlink()
