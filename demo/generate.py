"""Generate a demo world: chunks of people side by side, put together into files, swapped into place at the end.

The world is written into a hidden folder beside `out` and takes its place by renaming; a killed run leaves the old
world, or nothing, and its hidden folder is cleared by the next run. An existing folder is only ever replaced when it
holds an earlier demo world and nothing else.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from cdp.clock import stopwatch
from cdp.errors import ConflictError, InputError, ResourceError
from demo.archive import MONTHS, file_name
from demo.chunk import FILES, PEOPLE_PER_CHUNK, ChunkReport, Task, make_chunk
from demo.scenario import Scenario, load_scenario
from demo.spoilt import BadRows
from demo.tickets import SLOW_HOURS
from demo.truth import Tally

FOLDERS = frozenset({"sales", "support", "web", "pos", "marketing", "truth"})
# More processes than this gain little and each takes up to a gigabyte.
MOST_PROCESSES = 4


@dataclass(frozen=True)
class DemoReport:
    """What was generated: the scenario, rows by entity (as in `truth/facts.json`), bytes by file, and the time it took."""

    scenario: str
    seed: int
    out: Path
    counts: dict[str, int]
    files: dict[str, int]
    seconds: float


def generate(
    scenario: str | Path, *, seed: int, out: Path, people: int | None = None, progress: Callable[[str], None] | None = None
) -> DemoReport:
    """Write the world of a scenario (name or YAML file) and seed into the folder `out`; equal input gives equal bytes.

    `people` overrides the scenario's number. Raises ConfigurationError for the scenario, InputError for arguments,
    ConflictError when `out` holds anything but an earlier demo world, ResourceError when disk or memory end.
    """
    start = stopwatch()
    rules = load_scenario(scenario)
    total = rules.people if people is None else people
    if total < 1:
        raise InputError("A demo world needs at least one person; give --people a number above 0.")
    if seed < 0:
        raise InputError("The seed of a demo world must not be negative.")
    out = Path(out).absolute()
    _refuse_foreign(out)
    partial = out.parent / f".{out.name}.partial"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _clear(partial)
        counts = _write(rules, seed, total, partial, progress or (lambda _: None))
        files = {str(path.relative_to(partial)): path.stat().st_size for path in sorted(partial.rglob("*")) if path.is_file()}
        _swap(partial, out)
    except (MemoryError, BrokenProcessPool):
        raise ResourceError("The demo world did not fit into memory; close other programs or ask for fewer people.") from None
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
    for name in sorted(FOLDERS):
        (folder / name).mkdir(parents=True)
    for name, header in FILES.items():
        (folder / name).write_bytes(f"{header}\r\n".encode() if header else b"")
    chunks = -(-total // PEOPLE_PER_CHUNK)
    tasks = [Task(rules, seed, chunk, total, folder / f"part-{chunk}") for chunk in range(chunks)]
    counts: Counter[str] = Counter()
    planted, observed = Tally(), Tally()
    bad: BadRows = []
    duplicates = 0
    for task, report in zip(tasks, _run(tasks), strict=True):
        _append(task.folder, folder)
        counts.update(report.counts)
        bad += report.bad
        duplicates += report.duplicates
        planted.add(*report.planted)
        observed.add(*report.observed)
        done = min(total, (task.chunk + 1) * PEOPLE_PER_CHUNK)
        progress(f"{done:,} of {total:,} people, {counts['web_events']:,} web events")
    counts["bad_rows"] = len(bad)
    bad.sort(key=lambda row: row[0])
    lines = ["problem,record_id", *(f"{problem},{key}" for problem, key in bad)]
    (folder / "truth/bad_rows.csv").write_bytes("".join(f"{line}\r\n" for line in lines).encode())
    facts = {
        "seed": seed,
        "scenario": rules.name,
        "slow_hours": SLOW_HOURS,
        "planted": planted.facts(),
        "observable": observed.facts(),
        "duplicates_web": duplicates,
        "counts": dict(counts),
    }
    (folder / "truth/facts.json").write_text(json.dumps(facts, indent=1), encoding="utf-8")
    return dict(counts)


def _run(tasks: list[Task]) -> Iterator[ChunkReport]:
    """Reports in the order of the chunks. A few chunks run ahead, never all: their parts take disk."""
    processes = min(len(tasks), os.cpu_count() or 1, MOST_PROCESSES)
    if processes == 1:
        yield from map(make_chunk, tasks)
        return
    with ProcessPoolExecutor(processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        ahead = processes + 1
        waiting = [pool.submit(make_chunk, task) for task in tasks[:ahead]]
        for index in range(len(tasks)):
            yield waiting[index].result()
            if index + ahead < len(tasks):
                waiting.append(pool.submit(make_chunk, tasks[index + ahead]))


def _append(part: Path, folder: Path) -> None:
    """Append a chunk's parts to the files of the world and remove them."""
    web = {file_name(month): file_name(month).removeprefix("web/") for month in MONTHS}
    for name, source in {**{name: name.replace("/", "-") for name in FILES}, **web}.items():
        with (part / source).open("rb") as piece, (folder / name).open("ab") as whole:
            shutil.copyfileobj(piece, whole, 1 << 20)
    shutil.rmtree(part)


def _swap(partial: Path, out: Path) -> None:
    """Put the new world in the place of the old one."""
    former = out.parent / f".{out.name}.former"
    _clear(former)
    if out.exists():
        out.rename(former)
    partial.rename(out)
    shutil.rmtree(former, ignore_errors=True)


def _clear(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
