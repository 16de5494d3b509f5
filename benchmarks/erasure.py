"""What an erasure costs: seconds and bytes written, as a ratio to copying the warehouse once.

A demo world goes through the whole pipeline; then 1, 100 and 10,000 people (as many as there are) are erased, each from
a copy of the same home: landing files, warehouse, snapshot, store, two searches of every file and the receipt. The
yardstick is `COPY FROM DATABASE` of the warehouse, measured in the same run: by the clock, and in seconds of the
processor, which other work on the same machine hardly lengthens. Prints one JSON document.

    python -m benchmarks.erasure [--people N] [--subjects N ...] [--home DIR]
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from time import process_time
from typing import Any

import duckdb
import yaml

from cdp.clock import stopwatch
from cdp.settings import Settings, load_settings
from demo.generate import generate
from identity.quality_limits import SHIPPED
from pipelines.erasing import requests
from pipelines.run import run_pipeline

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECTS = """
select any_value(value) from identity.identifiers where type = 'email' and source <> 'marketing' and value in (
    select value from identity.identifiers where type = 'email' group by value having count(distinct profile_id) = 1)
group by profile_id order by md5(profile_id) limit ?
"""


def prepare(home: Path, people: int) -> Settings:
    """A home after one run over a world of that many people; one that is there is used as it is."""
    settings = load_settings(home=home, as_of=AS_OF)
    if not settings.warehouse.exists():
        with tempfile.TemporaryDirectory() as folder:
            generate("medium", seed=3, out=Path(folder) / "world", people=people)
            limits = _limits(Path(folder) / "limits.yaml")
            run_pipeline(load_settings(home=home, as_of=AS_OF, identity_limits=limits), Path(folder) / "world")
    return settings


def _limits(file: Path) -> Path:
    """Demo people have names out of a short list, so with their number grows how many strangers look alike."""
    content = yaml.safe_load(SHIPPED.read_text())
    content["limits"]["refused_per_record"]["at_most"] = 1.0
    file.write_text(yaml.safe_dump(content))
    return file


def copy_seconds(warehouse: Path) -> tuple[float, float]:
    """The warehouse copied once, the best of three: by the clock, and of the processor."""
    best = worked = float("inf")
    # Beside the home and not in it: what a killed measurement leaves would be searched with the home ever after.
    with tempfile.TemporaryDirectory(dir=warehouse.parent.parent) as folder:
        for number in range(3):
            started, before = stopwatch(), process_time()
            with duckdb.connect(":memory:", config={"threads": 2}) as connection:
                connection.execute(f"attach '{warehouse}' as old (read_only)")
                connection.execute(f"attach '{folder}/copy-{number}.duckdb' as new")
                connection.execute("copy from database old to new")
                connection.execute("checkpoint new")
            best, worked = min(best, stopwatch() - started), min(worked, process_time() - before)
    return best, worked


def erase(settings: Settings, subjects: int, folder: Path) -> dict[str, Any]:
    """One request on a copy of the home: seconds by step, and what was written anew."""
    home = folder / f"home-{subjects}"
    shutil.copytree(settings.home, home)
    copied = load_settings(home=home, as_of=AS_OF)
    with duckdb.connect(str(copied.warehouse), read_only=True) as connection:
        mails = [row[0] for row in connection.execute(SUBJECTS, [subjects]).fetchall()]
    steps: list[tuple[str, float]] = []
    started, before = stopwatch(), process_time()
    made, _ = requests.submit(
        copied, [[f"email:{mail}"] for mail in mails], allow_many=True,
        progress=lambda text: steps.append((text, stopwatch())),
    )  # fmt: skip
    signed = requests.execute(copied, made.request, progress=lambda text: steps.append((text, stopwatch())))
    ended, worked = stopwatch(), process_time() - before
    body = signed["receipt"]
    moments = [moment for _, moment in steps[1:]] + [ended]
    result = {
        "subjects": len(mails),
        "seconds": round(ended - started, 2),
        "processor_seconds": round(worked, 2),
        "status": body["status"],
        "notes": body["notes"],
        "steps": {
            text.removeprefix("erasure: ").removesuffix(" …"): round(after - before, 2)
            for (text, before), after in zip(steps, moments, strict=True)
        },
        "rows_erased": sum(line["erased"] for line in body["stores"]),
        "residual_hits": sum(line["residual_hits"] for line in body["stores"]),
        "bytes_rewritten": _rewritten(settings.home, home),
    }
    shutil.rmtree(home)
    return result


def _rewritten(before: Path, after: Path) -> int:
    """Bytes of files that are new or not what they were: databases by their size, landed files one by one."""
    total = 0
    for path in after.rglob("*"):
        if path.is_file():
            former = before / path.relative_to(after)
            same = former.exists() and former.stat().st_size == path.stat().st_size
            total += 0 if same and path.suffix != ".duckdb" else path.stat().st_size
    return total


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=50_000)
    parser.add_argument("--subjects", type=int, nargs="+", default=[1, 100, 10_000])
    parser.add_argument("--home", type=Path, help="Keep the home here, and use it when it is there.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        settings = prepare(arguments.home or Path(scratch) / "home", arguments.people)
        size = settings.warehouse.stat().st_size
        once, worked = copy_seconds(settings.warehouse)
        with duckdb.connect(str(settings.warehouse), read_only=True) as connection:
            counts = connection.execute(
                "select (select count(*) from marts.profiles), (select count(*) from raw.web_events)"
            ).fetchall()[0]
        found = [erase(settings, subjects, Path(scratch)) for subjects in arguments.subjects]
    for one in found:
        one["ratio_seconds"] = round(one["seconds"] / once, 2)
        one["ratio_processor"] = round(one["processor_seconds"] / worked, 2)
        one["ratio_bytes"] = round(one["bytes_rewritten"] / size, 2)
    print(
        json.dumps(
            {
                "profiles": counts[0],
                "web_events": counts[1],
                "warehouse_bytes": size,
                "copy_seconds": round(once, 2),
                "copy_processor_seconds": round(worked, 2),
                "erasures": found,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
