"""A rewritten database file without stray bytes: copied once more where memory of the erased got into it.

DuckDB does not clear all of the memory that it writes out: up to a fifth of a block that is nearly full holds what was
there before, and a process that leaves rows out has had them in memory. Then the bytes of the new file hold values that
none of its tables has. Seen with large files: four values after 10,000 people of a million. The copy is made by a
process that is told paths and settings only and reads what stays.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from pipelines.context import Progress
from pipelines.dbt_child import die_with_parent
from privacy.verify.decode import views
from privacy.verify.search import Searcher


def without_strays(path: Path, searcher: Searcher, config: dict[str, Any], progress: Progress) -> None:
    """Copy a closed database file anew, in its place, when its bytes hold a value that is searched for.

    Once: what is still there then is in a table, or something else is wrong. The search of the whole home tells it.
    """
    target = path.with_name(path.name + ".anew")
    try:
        if not any(sum(searcher.count(view).values()) for view in views(path)):
            return
        progress("erasure: copying a file with stray bytes …")
        asked = [sys.executable, "-m", "pipelines.erasing.anew", str(path), str(target), json.dumps(config)]
        done = subprocess.run(asked, check=False, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0:
            target.replace(path)
    finally:
        # Also of a copy that was killed, when the file is rewritten again.
        for left in (target, target.with_name(target.name + ".wal")):
            left.unlink(missing_ok=True)


def main() -> None:
    """In that process: the old file, the new one, and the settings of the engine as JSON."""
    die_with_parent()
    from privacy.erasure import database

    path, target, config = sys.argv[1:]
    with database.opened(Path(path), json.loads(config)) as connection:
        database.copy(connection, Path(target))


if __name__ == "__main__":
    main()
