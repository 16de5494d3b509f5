"""Reads the lists that the package ships in `data/`: names, places, pages, phrases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

DATA = Path(__file__).resolve().parent / "data"


def sheet(name: str) -> Any:
    """The content of `data/<name>.yaml`, read with the fast loader where PyYAML has one."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    # Both loaders are the safe one; only the parser below them differs.
    return yaml.load((DATA / f"{name}.yaml").read_text(encoding="utf-8"), Loader=loader)  # noqa: S506
