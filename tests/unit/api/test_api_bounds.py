"""Bounds of analytical questions, cursors and the audit trail, without HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import masking
from api.analysis import Analyst
from api.auditing import AuditTrail
from api.cursors import Cursors, Position
from api.problems import TooSlow
from cdp.clock import stopwatch
from cdp.errors import BusyError, InputError, ResourceError
from cdp.store.aio import StoreReader
from cdp.store.base import AuditEntry, UnavailableError
from cdp.store.memory import InMemoryStore
from cdp.store.reader import SnapshotReader

ROOT = Path(__file__).resolve().parents[3]
FOREVER = "select count(*) from range(100000000) a, range(100000) b where a.range % 7 = b.range % 3"


def analysing(world: tuple[InMemoryStore, Path], check: Callable[[Analyst], Any], **bounds: int) -> Any:
    async def run() -> Any:
        snapshots = SnapshotReader(world[1] / "serving", memory_limit="1GB")
        analyst = Analyst(StoreReader(world[0]), snapshots, **bounds)
        try:
            return await check(analyst)
        finally:
            analyst.close()
            snapshots.close()

    return asyncio.run(run())


class TestAnalyst:
    def test_a_slow_question_is_interrupted(self, world: tuple[InMemoryStore, Path]) -> None:
        async def check(analyst: Analyst) -> None:
            publication = await analyst.publication()
            started = stopwatch()
            with pytest.raises(TooSlow, match=r"0\.2 seconds"):
                await analyst.ask(publication, lambda c: c.execute(FOREVER).fetchall(), seconds=0.2)
            # The only worker is free again, so it really stopped.
            assert await analyst.ask(publication, lambda c: c.execute("select 1").fetchall(), seconds=30) == [(1,)]
            assert stopwatch() - started < 25
            assert analyst.running == 0

        analysing(world, check, workers=1)

    def test_too_many_are_refused_at_once(self, world: tuple[InMemoryStore, Path]) -> None:
        async def check(analyst: Analyst) -> None:
            publication = await analyst.publication()
            gate = threading.Event()
            asked = [
                asyncio.create_task(analyst.ask(publication, lambda _: gate.wait(20), seconds=30)) for _ in range(3)
            ]
            await asyncio.sleep(0.05)
            with pytest.raises(UnavailableError, match="Too many"):
                await analyst.ask(publication, lambda _: None, seconds=30)
            gate.set()
            assert await asyncio.gather(*asked) == [True] * 3

        analysing(world, check, workers=1, waiting=2)

    def test_the_event_loop_goes_on_meanwhile(self, world: tuple[InMemoryStore, Path]) -> None:
        async def check(analyst: Analyst) -> None:
            publication = await analyst.publication()
            task = asyncio.create_task(analyst.ask(publication, lambda c: c.execute(FOREVER), seconds=1))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            assert turns > 10
            with pytest.raises(TooSlow):
                await task

        analysing(world, check)

    def test_a_question_nobody_waits_for_does_not_start(self, world: tuple[InMemoryStore, Path]) -> None:
        async def check(analyst: Analyst) -> None:
            publication = await analyst.publication()
            gate, started = threading.Event(), []
            first = asyncio.create_task(analyst.ask(publication, lambda _: gate.wait(20), seconds=30))
            await asyncio.sleep(0.02)
            with pytest.raises(TooSlow):
                await analyst.ask(publication, started.append, seconds=0.05)
            gate.set()
            await first
            assert started == []

        analysing(world, check, workers=1)

    def test_errors_of_the_engine_pass_as_they_are(self, world: tuple[InMemoryStore, Path]) -> None:
        async def check(analyst: Analyst) -> None:
            publication = await analyst.publication()
            with pytest.raises(duckdb.CatalogException):
                await analyst.ask(publication, lambda c: c.execute("select * from nothing"), seconds=5)

        analysing(world, check)


keys_of_sorting = st.lists(st.one_of(st.integers(0, 2**60), st.text(max_size=40)), min_size=1, max_size=3)


class TestCursors:
    cursors = Cursors(b"k" * 32)

    @given(st.integers(0, 2**40), keys_of_sorting, st.text(max_size=50))
    def test_they_round_trip(self, publication: int, after: list[Any], listing: str) -> None:
        position = Position(publication, after)
        assert self.cursors.decode(listing, self.cursors.encode(listing, position)) == position

    @given(st.text(max_size=100))
    def test_invented_ones_are_refused(self, text: str) -> None:
        with pytest.raises(InputError):
            self.cursors.decode("list", text)

    @given(st.binary(max_size=100))
    def test_other_keys_and_lists_are_refused(self, key: bytes) -> None:
        cursor = self.cursors.encode("list", Position(1, ["x"]))
        with pytest.raises(InputError):
            Cursors(key).decode("list", cursor)
        with pytest.raises(InputError):
            self.cursors.decode("lis", cursor)


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=20)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner, max_size=3)),
    max_leaves=10,
)


@given(
    st.dictionaries(st.text(max_size=10), json_values, max_size=5), st.dictionaries(st.text(max_size=10), json_values)
)
def test_masking_lets_through_only_what_is_declared_public(sections: dict[str, Any], traits: dict[str, Any]) -> None:
    shown = masking.masked_profile({**sections, "traits": traits})
    for name, value in shown.items():
        if name != "traits" and name not in masking.PUBLIC_SECTIONS:
            assert value in (None, masking.MASK)
    for name, value in shown["traits"].items():
        if name not in masking.PUBLIC_TRAITS:
            assert value == (None if traits[name] is None else masking.MASK)


class BusyStore(InMemoryStore):
    """A store that refuses audit entries as often as told."""

    refusals = 0

    def append_audit(self, entries: Any) -> int:
        if self.refusals:
            self.refusals -= 1
            raise BusyError("The store is being written by another process; try again.")
        return super().append_audit(entries)


class TestAuditTrail:
    def objects(self, store: InMemoryStore) -> list[str]:
        return [row.entry.object for row in store.audit_rows(limit=10_000)]

    def test_entries_arrive_in_order(self, tmp_path: Path) -> None:
        store = InMemoryStore()
        trail = AuditTrail(store, tmp_path)
        for number in range(1200):
            trail.record("key:a", "profile.read", f"p{number}")
        assert trail.flush() == 1200 and trail.flush() == 0
        assert self.objects(store) == [f"p{n}" for n in range(1200)]
        trail.close()
        assert list(tmp_path.iterdir()) == []

    def test_a_busy_store_loses_nothing(self, tmp_path: Path) -> None:
        store = BusyStore()
        trail = AuditTrail(store, tmp_path)
        trail.record("key:a", "profile.read", "p1")
        store.refusals = 1
        with pytest.raises(BusyError):
            trail.flush()
        trail.record("key:a", "profile.read", "p2")
        assert trail.flush() == 2 and self.objects(store) == ["p1", "p2"]
        store.refusals = 1
        trail.record("key:a", "profile.read", "p3")
        trail.close()
        AuditTrail(store, tmp_path).flush()
        assert self.objects(store) == ["p1", "p2", "p3"]

    def test_a_killed_process_loses_and_doubles_nothing(self, tmp_path: Path) -> None:
        code = (
            "import os, signal, sys; from pathlib import Path; from api.auditing import AuditTrail\n"
            "from cdp.store.memory import InMemoryStore\n"
            "trail = AuditTrail(InMemoryStore(), Path(sys.argv[1]))\n"
            "for n in range(50): trail.record('key:a', 'profile.read', f'p{n}')\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        killed = subprocess.run([sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, capture_output=True)
        assert killed.returncode == -9, killed.stderr
        (spool,) = tmp_path.iterdir()
        with spool.open("ab") as handle:
            handle.write(b'["cut off')
        store = InMemoryStore()
        # Half of it had already reached the store when the process died.
        lines = spool.read_bytes().split(b"\n")[:25]
        store.append_audit([_parsed(line) for line in lines])
        trail = AuditTrail(store, tmp_path)
        assert trail.flush() == 25
        trail.close()
        assert self.objects(store) == [f"p{n}" for n in range(50)] and store.verify_audit() is None

    def test_a_living_process_keeps_its_file(self, tmp_path: Path) -> None:
        first_store, second_store = InMemoryStore(), InMemoryStore()
        first = AuditTrail(first_store, tmp_path)
        first.record("key:a", "profile.read", "p1")
        second = AuditTrail(second_store, tmp_path)
        second.flush()
        assert self.objects(second_store) == []
        first.close()
        second.close()
        assert self.objects(first_store) == ["p1"]

    def test_threads(self, tmp_path: Path) -> None:
        store = InMemoryStore()
        trail = AuditTrail(store, tmp_path)

        def work(name: str) -> None:
            for number in range(100):
                trail.record("key:a", "profile.read", f"{name}{number}")
                if number % 10 == 0:
                    trail.flush()

        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        trail.close()
        assert sorted(self.objects(store)) == sorted(f"{name}{n}" for name in "abcd" for n in range(100))
        assert store.verify_audit() is None

    def test_a_full_disk_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        trail = AuditTrail(InMemoryStore(), tmp_path)

        def full(*_: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(ResourceError, match="audit"):
            trail.record("key:a", "profile.read", "p1")

    def test_the_folder_is_for_its_owner_only(self, tmp_path: Path) -> None:
        trail = AuditTrail(InMemoryStore(), tmp_path / "audit")
        trail.record("key:a", "profile.read", "p1")
        assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o700
        assert [path.stat().st_mode & 0o777 for path in (tmp_path / "audit").iterdir()] == [0o600]
        trail.close()


def _parsed(line: bytes) -> AuditEntry:
    from datetime import datetime

    entry_id, at, actor, action, object_, detail = json.loads(line)
    return AuditEntry(entry_id, datetime.fromisoformat(at), actor, action, object_, detail)
