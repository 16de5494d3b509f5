"""Generate a demo world: chunks of people side by side, put together into files, swapped into place at the end.

The world is written into a hidden folder beside `out` and takes its place by renaming; a killed run leaves the old
world, or nothing, and its hidden folder is cleared by the next run. An existing folder is only ever replaced when it
holds an earlier demo world and nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from cdp.clock import stopwatch
from cdp.errors import ConflictError, InputError, ResourceError
from demo.assembly import FOLDERS, Assembly, Part, PartReport, make_part
from demo.plan import Plan
from demo.scenario import Scenario, load_scenario

# More processes than this gain little, and each takes up to a gigabyte.
MOST_PROCESSES = 4


@dataclass(frozen=True)
class DemoReport:
    """What was generated: rows by entity (as in `truth/facts.json`), bytes by file, and the seconds it took."""

    scenario: str
    seed: int
    out: Path
    counts: dict[str, int]
    files: dict[str, int]
    seconds: float


def generate(
    scenario: str | Path,
    *,
    seed: int,
    out: Path,
    people: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> DemoReport:
    """Write the world of a scenario (name or YAML file) and seed into the folder `out`; equal input gives equal bytes.

    `people` overrides the scenario's number. Raises ConfigurationError for the scenario, InputError for arguments,
    ConflictError when `out` holds anything but an earlier demo world, ResourceError when disk or memory end.
    """
    start = stopwatch()
    rules = load_scenario(scenario)
    total = rules.people if people is None else people
    if total < 1:
        raise InputError("A demo world needs at least one person; ask for 1 or more people.")
    if seed < 0:
        raise InputError("The seed of a demo world must be 0 or more.")
    out = Path(out).absolute()
    _refuse_foreign(out)
    # A killed run may leave a process that still writes; its folder must not be ours.
    partial = out.parent / f".{out.name}.partial-{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear_leftovers(out)
        counts = _write(rules, seed, total, partial, progress or (lambda _: None))
        files = {str(path.relative_to(partial)): path.stat().st_size for path in _files(partial)}
        _swap(partial, out)
    except (MemoryError, BrokenProcessPool):
        raise ResourceError(
            "The demo world did not fit into memory; close other programs or ask for fewer people."
        ) from None
    except OSError as error:
        raise ResourceError(f"The demo world could not be written to {out}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return DemoReport(rules.name, seed, out, counts, files, stopwatch() - start)


def _refuse_foreign(out: Path) -> None:
    if not out.exists():
        return
    if not out.is_dir():
        raise ConflictError(f"{out} is a file; name a folder for the demo world.")
    names = {path.name for path in out.iterdir()}
    if names and (not names <= FOLDERS or not (out / "truth" / "facts.json").is_file()):
        raise ConflictError(f"{out} is not empty and holds no earlier demo world; name another folder or empty it.")


def _write(rules: Scenario, seed: int, total: int, folder: Path, progress: Callable[[str], None]) -> dict[str, int]:
    assembly = Assembly(folder)
    chunks = Plan(rules, seed, 0, total).chunks
    parts = [Part(Plan(rules, seed, chunk, total), folder / f"part-{chunk}") for chunk in range(chunks)]
    for part, report in zip(parts, _run(parts), strict=True):
        assembly.add(part, report)
        done = part.plan.first + part.plan.size
        progress(f"{done:,} of {total:,} people, {assembly.counts['web_events']:,} web events")
    assembly.finish(rules.name, seed)
    return dict(assembly.counts)


def _run(parts: list[Part]) -> Iterator[PartReport]:
    """Reports in the order of the chunks. A few chunks run ahead, never all: their parts take disk."""
    processes = min(len(parts), os.cpu_count() or 1, MOST_PROCESSES)
    if processes == 1:
        yield from map(make_part, parts)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        ahead = processes + 1
        waiting = [pool.submit(make_part, part) for part in parts[:ahead]]
        for index in range(len(parts)):
            yield waiting[index].result()
            if index + ahead < len(parts):
                waiting.append(pool.submit(make_part, parts[index + ahead]))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _swap(partial: Path, out: Path) -> None:
    """Put the new world in the place of the old one."""
    former = out.parent / f".{out.name}.former-{os.getpid()}"
    if out.exists():
        out.rename(former)
    partial.rename(out)
    shutil.rmtree(former, ignore_errors=True)


def _clear_leftovers(out: Path) -> None:
    """Remove what killed runs left beside `out`."""
    for path in out.parent.iterdir():
        if path.name.startswith((f".{out.name}.partial-", f".{out.name}.former-")):
            shutil.rmtree(path, ignore_errors=True)
