"""Analytical questions, kept off the event loop and within bounds.

A few worker threads ask the published snapshot; a question has a time limit after which it is interrupted, and when too
many wait the next one is refused at once. Lookups in the store never wait behind them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Generic, TypeVar

import duckdb

from api.problems import NotPublished, TooSlow
from cdp.errors import NotFoundError
from cdp.store.aio import AsyncReader
from cdp.store.base import Publication, UnavailableError
from cdp.store.reader import SnapshotReader

T = TypeVar("T")
Question = Callable[[duckdb.DuckDBPyConnection], T]


class Analyst:
    """Asks the snapshot that the store's publication names."""

    def __init__(self, reader: AsyncReader, snapshots: SnapshotReader, *, workers: int = 2, waiting: int = 32) -> None:
        self._reader = reader
        self._snapshots = snapshots
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="analysis")
        self._most = workers + waiting
        self.running = 0

    async def publication(self) -> Publication:
        """What is served now; NotPublished before the first publication."""
        found = await self._reader.current_publication()
        if found is None:
            raise NotPublished("Nothing is published yet: run `cdp run --from DIR` first.")
        return found

    async def ask(self, publication: Publication, question: Question[T], *, seconds: float) -> T:
        """The answer of `question` on a cursor of its own.

        Raises TooSlow after `seconds` and UnavailableError when too many questions wait.
        """
        if self.running >= self._most:
            raise UnavailableError("Too many analytical questions are waiting; try again in a moment.")
        asked = _Asked(self._snapshots, publication.snapshot_file, question)
        self.running += 1
        future = asyncio.get_running_loop().run_in_executor(self._pool, asked.answer)
        future.add_done_callback(self._ended)
        try:
            return await asyncio.wait_for(asyncio.shield(future), seconds)
        except TimeoutError:
            raise TooSlow(f"This question took longer than {seconds:g} seconds; narrow it down.") from None
        finally:
            asked.stop()

    async def warm_up(self) -> None:
        """Let the engine load what it loads with its first bound value (pandas, seconds on a busy machine)."""
        await asyncio.get_running_loop().run_in_executor(self._pool, _first_question)

    async def follow(self) -> Publication | None:
        """Open the current publication's snapshot, so that the former file is let go."""
        found = await self._reader.current_publication()
        if found is not None:
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._pool, self._snapshots.follow, found.snapshot_file)
        return found

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _ended(self, future: asyncio.Future[T]) -> None:
        self.running -= 1
        if not future.cancelled():
            future.exception()


def _first_question() -> None:
    with duckdb.connect() as connection:
        connection.execute("select ?", ["a value"]).fetchall()


class _Asked(Generic[T]):
    """One question under way, which may be stopped from another thread."""

    def __init__(self, snapshots: SnapshotReader, file: str, question: Question[T]) -> None:
        self._snapshots = snapshots
        self._file = file
        self._question = question
        self._lock = threading.Lock()
        self._cursor: duckdb.DuckDBPyConnection | None = None
        self._stopped = False

    def answer(self) -> T:
        """Runs in a worker thread."""
        with ExitStack() as stack:
            try:
                cursor = stack.enter_context(self._snapshots.cursor(self._file))
            except NotFoundError as error:
                raise NotPublished(error.message) from None
            with self._lock:
                if self._stopped:
                    raise TooSlow("Nobody waits for this question any more.")
                self._cursor = cursor
            try:
                return self._question(cursor)
            except duckdb.InterruptException:
                raise TooSlow("This question was stopped.") from None
            except duckdb.OutOfMemoryException:
                raise UnavailableError("This question needs more memory than it may have; narrow it down.") from None
            finally:
                with self._lock:
                    self._cursor = None

    def stop(self) -> None:
        """Interrupt the question if it still runs; it ends shortly after."""
        with self._lock:
            self._stopped = True
            if self._cursor is not None:
                self._cursor.interrupt()
