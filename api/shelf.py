"""A shelf of answers that are worked out once, however many ask for them meanwhile."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class AnswerShelf:
    """The answers asked for last, and those being worked out. A publication never changes, nor do its answers."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._answers: OrderedDict[Hashable, asyncio.Task[Any]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._answers)

    async def get(self, key: Hashable, build: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer under `key`, worked out once however many ask meanwhile; a failed one is tried again next time."""
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(build())
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        try:
            found: T = await asyncio.shield(task)
        except Exception:
            if self._answers.get(key) is task:
                del self._answers[key]
            raise
        return found
