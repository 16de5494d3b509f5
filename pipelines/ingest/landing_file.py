"""A copy in landing, as its marker tells of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LandedFile:
    """A copy in landing that waits to be loaded.

    `file` is the path inside the delivered folder, `landed_path` the one inside landing; `turn` orders several waiting
    versions of one file; `mapping` is the fingerprint of the mapping it was landed under. `sha256` is that of the file
    as delivered, `suppressed` counts the records that were left out of the copy: those of erased people and, counted by
    `expired` too, those that have outlived a rule of retention.
    """

    source: str
    entity: str
    file: str
    sha256: str
    landed_path: str
    mapping: str
    turn: int
    landing_id: str
    suppressed: int = 0
    expired: int = 0

    @property
    def name(self) -> str:
        """`source.entity`."""
        return f"{self.source}.{self.entity}"
