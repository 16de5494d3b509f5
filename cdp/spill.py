"""A spill folder for every open database.

DuckDB numbers the files it spills to per database: two databases that spill into one folder, of one process or of
several, overwrite each other's files, which ends in failing reads or a crash. So each names a folder of its own.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from pathlib import Path

_PREFIX = "spill"


def spill_folder(parent: Path, database: Path | None = None) -> Path:
    """Where a database spills, under `parent`; DuckDB makes the folder when it spills and removes it when it closes.

    All connections of a process to one file share a database and must be given the same folder, so it is named after
    the file; a database in memory (None) gets another at every call.
    """
    if database is None:
        token = secrets.token_hex(6)
    else:
        token = hashlib.sha256(str(database.resolve()).encode()).hexdigest()[:12]
    return parent / f"{_PREFIX}-{os.getpid()}-{token}"


def in_use(folder: Path) -> bool:
    """Whether a folder is the spill folder of another process that is running."""
    prefix, _, rest = folder.name.partition("-")
    process = rest.partition("-")[0]
    return prefix == _PREFIX and process.isdigit() and int(process) != os.getpid() and _runs(int(process))


def left_over(parent: Path) -> list[Path]:
    """Spill folders of processes that were killed."""
    own = f"{_PREFIX}-{os.getpid()}-"
    return [path for path in parent.glob(f"{_PREFIX}-*") if not path.name.startswith(own) and not in_use(path)]


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
