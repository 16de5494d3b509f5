"""Files that are deleted but still open: their bytes are reachable until whoever holds them lets go.

Linux tells it under /proc; where that is missing, or holds processes of other users, the answer is "not known".
"""

from __future__ import annotations

from pathlib import Path

_PROC = Path("/proc")


def held_open(folder: Path) -> tuple[int, bool]:
    """How many deleted files under `folder` are still open in some process, and whether every process could be seen."""
    if not (_PROC / "self" / "fd").exists():
        return 0, False
    held, complete = 0, True
    prefix = str(folder.resolve()) + "/"
    for process in _PROC.iterdir():
        if not process.name.isdigit():
            continue
        try:
            links = list((process / "fd").iterdir())
        except PermissionError:
            complete = False
            continue
        except OSError:
            continue
        for link in links:
            try:
                target = str(link.readlink())
            except OSError:
                continue
            held += target.startswith(prefix) and target.endswith(" (deleted)")
    return held, complete
