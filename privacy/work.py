"""The plan of an erasure under way: what it needs to know until it is done, sealed, and then gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cdp.errors import NotFoundError
from privacy.sealed import Sealed

FOLDER = "work"
_SUFFIX = ".plan"


class Work:
    """The plan of one request; `content` is what was saved last."""

    def __init__(self, folder: Path, request: str, content: dict[str, Any]) -> None:
        self._sealed = Sealed(folder / FOLDER, request, _SUFFIX)
        self.request = request
        self.content = content

    @classmethod
    def begin(cls, folder: Path, request: str, content: dict[str, Any]) -> Work:
        """Make the key and keep the first plan."""
        work = cls(folder, request, content)
        work._sealed.create(content)
        return work

    @classmethod
    def resume(cls, folder: Path, request: str) -> Work:
        """The plan as it was saved last. NotFoundError when there is none."""
        work = cls(folder, request, {})
        if not work._sealed.exists:
            raise NotFoundError(f"There is no erasure {request[:60]} under way.")
        work.content = work._sealed.load()
        return work

    @staticmethod
    def open_ones(folder: Path) -> list[str]:
        """Requests whose plan is there: waiting, or half done."""
        return sorted(path.stem for path in (folder / FOLDER).glob(f"*{_SUFFIX}"))

    def save(self) -> None:
        """Keep the content, whole or not at all."""
        self._sealed.save(self.content)

    def wipe(self) -> None:
        """Destroy the key, then remove what it locked."""
        self._sealed.destroy()
