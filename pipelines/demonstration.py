"""`make demo`: generate a world, run the pipeline, tell what it found and where to look.

A state home belongs either to one demo world or to real data: the demo refuses a home that holds anything else, so that
invented people never mix with customers.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from cdp.errors import ConflictError
from cdp.settings import Settings
from pipelines.context import Progress
from pipelines.run import RunReport, run_pipeline

MARKER = "demo-world.txt"
# The demo worlds end here, so this is their "now".
NOW = "2026-01-01T00:00:00Z"


def demonstrate(settings: Settings, *, scenario: str, seed: int, progress: Progress) -> Iterator[str]:
    """Yield the lines of the account; ConflictError when the state home holds other data than this demo world."""
    from cdp.settings import load_settings
    from demo.generate import generate

    world = settings.home / "demo" / f"{scenario}-{seed}"
    _claim(settings.home, f"{scenario}-{seed}")
    demo_settings = load_settings(home=settings.home, as_of=NOW)
    if not world.exists():
        progress(f"generating the demo world ({scenario}, seed {seed}) …")
        generate(scenario, seed=seed, out=world, progress=progress)
    report = run_pipeline(demo_settings, world, progress=progress)
    yield from _account(demo_settings, report)


def _claim(home: Path, name: str) -> None:
    marker = home / MARKER
    if marker.exists():
        if marker.read_text().strip() != name:
            raise ConflictError(
                f"{home} holds the demo world {marker.read_text().strip()}; set CDP_HOME to another folder for {name}."
            )
        return
    if (home / "warehouse.duckdb").exists():
        raise ConflictError(f"{home} holds real data; set CDP_HOME to another folder for the demo world.")
    home.mkdir(parents=True, exist_ok=True)
    marker.write_text(f"{name}\n")


def _account(settings: Settings, report: RunReport) -> Iterator[str]:
    from cdp.store import open_store, snapshots
    from journeys.map.finding import sharpest
    from pipelines.journeys import write_map
    from pipelines.status import read_status

    facts = read_status(settings)
    taken_in = (facts["raw"] or {}).values()
    received = sum(counts["received"] for counts in taken_in)
    quarantined = sum(counts["quarantined"] for counts in taken_in)
    yield ""
    yield f"{facts['people']:,} people found in {facts['source_records']:,} records of five sources"
    yield f"{facts['profiles'] - facts['people']:,} more visitors have not said who they are"
    yield f"{received:,} rows received, {quarantined:,} in quarantine (`cdp quarantine list` says why)"
    yield "where they are now:"
    widest = max(facts["stages"].values(), default=0) or 1
    for stage, people in facts["stages"].items():
        yield f"  {stage:<14} {people:>7,}  {'█' * round(32 * people / widest)}"
    with open_store(settings.database_url) as store:
        current = store.current_publication()
    if current is not None:
        with snapshots.open_snapshot(settings.serving / current.snapshot_file) as connection:
            yield f"the sharpest finding: {sharpest(connection, current.as_of).sentence}"
    written = write_map(settings, settings.exports / "journey-map.svg")
    if report.changed:
        yield f"pipeline: {report.seconds:.0f} s"
    yield ""
    yield "look next:"
    yield f"  the journey map   {written.path}"
    yield f"  the API           make serve      http://{settings.api_host}:{settings.api_port}/docs"
    yield f"  the asset graph   make dagster    http://127.0.0.1:{settings.dagster_port}"
