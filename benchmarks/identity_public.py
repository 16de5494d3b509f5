"""How well `cdp identity resolve` does on public data sets with known truth: FEBRL 3 and 4, and pseudopeople's tables.

`public_sets.py` writes the sets in an environment of its own (`make public-data`); the command is called as a user
calls it. Neither thresholds nor priors were chosen on these labels. Prints one JSON document; exit code 1 when a
promise is missed.

    make public-data && python -m benchmarks.identity_public [--only febrl3,febrl4,pseudopeople]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from cdp.clock import stopwatch

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".venv" / "public-data" / "bin" / "python"
ABSENT = "the public data sets are not installed here (make public-data)"
# The least F1 promised per set.
PROMISED: dict[str, dict[str, float]] = {
    "febrl3": {"pairwise": 0.997},
    "febrl4": {"pairwise": 0.997},
    "pseudopeople": {"pairwise": 0.98, "b_cubed": 0.99},
}


def main() -> int:
    """Measure, print, and say by the exit code whether the promises hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(PROMISED))
    chosen = parser.parse_args().only.split(",")
    if not is_installed():
        print(json.dumps({"skipped": ABSENT}))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        results = {name: measure(name, Path(folder)) for name in chosen}
    print(json.dumps(results, indent=2))
    return int(not all(result["holds"] for result in results.values()))


def is_installed() -> bool:
    """Whether the environment of the data sets is there."""
    return PYTHON.exists()


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Write a set to `folder`, resolve it by the command and return its scores."""
    writer = [str(PYTHON), str(ROOT / "benchmarks" / "public_sets.py"), str(folder), name]
    subprocess.run(writer, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=folder)
    start = stopwatch()
    found = resolve(folder / f"{name}.csv", folder / f"{name}.yaml", folder / f"{name}-resolved.csv")
    seconds = round(stopwatch() - start, 1)
    scores = {kind: {k: round(v, 4) for k, v in found[kind].items()} for kind in ("pairwise", "b_cubed")}
    return {
        "scored": found["scored"],
        "people": found["persons"],
        "profiles": found["profiles"],
        "exact_clusters": found["exact_clusters"],
        **scores,
        "seconds": seconds,
        "promise": PROMISED[name],
        "holds": all(found[kind]["f1"] >= least for kind, least in PROMISED[name].items()),
    }


def resolve(records: Path, mapping: Path, out: Path) -> dict[str, Any]:
    """`cdp identity resolve --truth truth --json` in a process of its own; what it printed."""
    command = [sys.executable, "-m", "cdp", "identity", "resolve", "--truth", "truth", "--json"]
    files = ["--records", str(records), "--mapping", str(mapping), "--out", str(out)]
    completed = subprocess.run([*command, *files], cwd=ROOT, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise SystemExit(completed.stderr.strip().splitlines()[-1])
    result: dict[str, Any] = json.loads(completed.stdout)
    return result


if __name__ == "__main__":
    sys.exit(main())
