"""What is known of rules of retention from former runs: which are in force at the gate, and which may delete a lot.

A rule keeps deliveries out only after it was carried out on data once, so that one with a slip of the pen loses nothing
that was not seen before. The file lies in the privacy folder: a restored backup of the home changes nothing of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from cdp.errors import ConfigurationError
from privacy.folder import keep

FILE = "retention.json"


@dataclass(frozen=True)
class Standing:
    """Digests of rules: `in_force` were carried out on data before, `allowed` may delete a large share once."""

    in_force: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()


def read(folder: Path) -> Standing:
    """What stands there; nothing before the first run. ConfigurationError for a damaged file."""
    path = folder / FILE
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return Standing(frozenset(said["in_force"]), frozenset(said["allowed"]))
    except FileNotFoundError:
        return Standing()
    except (OSError, ValueError, KeyError, TypeError):
        raise ConfigurationError(f"{path} is damaged; restore the privacy folder from its own backup.") from None


def write(folder: Path, standing: Standing) -> None:
    """Keep it, whole or not at all; the caller holds the writer lock."""
    keep(folder / FILE, {"in_force": _listed(standing.in_force), "allowed": _listed(standing.allowed)})


def _listed(digests: Iterable[str]) -> list[str]:
    return sorted(digests)
