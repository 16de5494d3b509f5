"""What SQLite and PostgreSQL promise beyond the contract: schema, migrations, kills, asynchronous reads, errors."""

from __future__ import annotations

import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.errors import CheckFailed, ConfigurationError
from cdp.store import aio, open_store
from cdp.store.base import AuditEntry, IdentifierRow, ProfileDocument, Publication, Redirect
from cdp.store.membership_writing import MembershipWriter
from cdp.store.migrate import MIGRATIONS
from cdp.store.schema import REVISION, metadata
from cdp.store.sql import SqlStore
from tests.support.publications import NOW, profile_id, publish

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def store(database_url: str) -> Iterator[SqlStore]:
    """An empty store in a database of its own."""
    with SqlStore.open(database_url) as opened:
        yield opened


class TestMigrations:
    def test_they_lead_to_the_schema(self, store: SqlStore) -> None:
        from alembic.autogenerate import compare_metadata
        from alembic.migration import MigrationContext

        with store._engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []

    def test_constraints_are_those_of_the_schema(self, store: SqlStore) -> None:
        inspector = sa.inspect(store._engine)
        for table in metadata.sorted_tables:
            declared = {str(c.name) for c in table.constraints if isinstance(c, sa.CheckConstraint)}
            assert {str(found["name"]) for found in inspector.get_check_constraints(table.name)} == declared, table.name
            if store.url.startswith("postgresql"):
                assert inspector.get_pk_constraint(table.name)["name"] == table.primary_key.name

    def test_the_newest_one_is_the_one_we_know(self) -> None:
        from alembic.script import ScriptDirectory

        assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [REVISION]

    def test_a_newer_store_is_refused(self, store: SqlStore) -> None:
        with store._writing() as connection:
            connection.execute(sa.text("update alembic_version set version_num = '9999'"))
        with pytest.raises(ConfigurationError, match="newer Wayfinder"):
            open_store(store.url)

    def test_many_processes_may_open_a_new_store_at_once(self, database_url: str) -> None:
        code = "import sys; from cdp.store import open_store; s = open_store(sys.argv[1]); print(s.secret('x').hex())"
        running = [
            subprocess.Popen(
                [sys.executable, "-c", code, database_url],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        ended = [process.communicate() for process in running]
        assert [process.returncode for process in running] == [0] * 4, ended
        assert len({out for out, _ in ended}) == 1


KILLED = """
import os, signal, sys
from cdp.store import open_store
from cdp.store.running import Running
from tests.support.publications import publish

statement = int(sys.argv[2])
run = Running.run

def counted(self, sql):
    global statement
    statement -= 1
    if statement < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return run(self, sql)

Running.run = counted
with open_store(sys.argv[1]) as store:
    publish(store, [2, 3], run="run-2", identifiers=[("email", "b@b.example", 2)], members={"new": [2], "vip": [3]})
print("published")
"""


def test_a_kill_inside_publishing_leaves_the_old_publication(database_url: str) -> None:
    with open_store(database_url) as store:
        publish(store, [1, 2], identifiers=[("email", "a@b.example", 1)], members={"new": [1]})
        for statement in (0, 3, 8, 13, 19, 25, 31):
            killed = subprocess.run(
                [sys.executable, "-c", KILLED, database_url, str(statement)], cwd=ROOT, capture_output=True, text=True
            )
            assert killed.returncode == -9, killed.stdout + killed.stderr
            current = store.current_publication()
            assert current is not None and current.run_id == "run-1"
            assert store.segment_members("new") == [profile_id(1)]
            assert store.lookup("email", "a@b.example") == [profile_id(1)]
        ended = subprocess.run(
            [sys.executable, "-c", KILLED, database_url, "1000"], cwd=ROOT, capture_output=True, text=True
        )
        assert ended.stdout == "published\n", ended.stderr
        assert store.segment_members("vip") == [profile_id(3)]
        assert store.get_profile(profile_id(1)) is None


class TestFollowers:
    """What belongs to a change is written with it, or neither is."""

    def _enter(self, store: SqlStore, *numbers: int, follower: Any) -> None:
        with store._writing() as connection:
            store._backend.lock(connection, "publish")
            writer = MembershipWriter(
                connection, store._backend, at=NOW, run_id="run-1", reason="definition", followers=[follower]
            )
            writer.evaluated(["new"])
            writer.give([("new", profile_id(number), True) for number in numbers])
            writer.settle()

    def test_both_are_committed(self, store: SqlStore) -> None:
        publish(store, [1, 2], members={"new": [1]})

        def follow(connection: sa.Connection, *, after: int, upto: int) -> None:
            statement = "insert into secrets (name, value) select profile_id, change from membership_changes "
            between = sa.text(statement + "where seq > :after and seq <= :upto")
            connection.execute(between, {"after": after, "upto": upto})

        self._enter(store, 2, follower=follow)
        with store._engine.connect() as connection:
            found = connection.execute(sa.text("select name, value from secrets order by name")).fetchall()
        assert [tuple(row) for row in found] == [(profile_id(1), "exited"), (profile_id(2), "entered")]

    def test_or_neither(self, store: SqlStore) -> None:
        publish(store, [1, 2], members={"new": [1]})

        def fail(connection: sa.Connection, *, after: int, upto: int) -> None:
            raise RuntimeError("the outbox is full")

        with pytest.raises(RuntimeError, match="full"):
            self._enter(store, 1, 2, follower=fail)
        assert store.segment_members("new") == [profile_id(1)] and len(store.membership_changes()) == 1

    def test_without_changes_nobody_is_called(self, store: SqlStore) -> None:
        publish(store, [1, 2], members={"new": [1]})
        called = []
        self._enter(store, 1, follower=lambda *_, **__: called.append(1))
        assert called == []


def test_batches_meet(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The difference is right across batch borders."""
    monkeypatch.setattr("cdp.store.running.BATCH", 7)
    with open_store(database_url) as store:
        rows = [("email", f"{n}@b.example", n) for n in range(50)]
        first = publish(store, range(50), identifiers=rows, members={"new": range(50), "odd": range(1, 50, 2)})
        assert (first.profiles_written, first.identifiers_added, first.entered) == (50, 50, 75)
        merged = [Redirect(profile_id(n), "merged", profile_id(n + 20)) for n in range(20)]
        second = publish(
            store, range(20, 60), redirects=merged, identifiers=[("email", f"{n}@b.example", n) for n in range(20, 60)],
            members={"new": range(20, 60), "odd": range(21, 60, 2)},
        )  # fmt: skip
        assert (second.profiles_written, second.profiles_unchanged, second.redirects_written) == (10, 30, 20)
        assert (second.identifiers_added, second.identifiers_removed) == (10, 20)
        assert (second.entered, second.exited) == (15, 0)
        assert store.segment_members("odd") == [profile_id(n) for n in range(21, 60, 2)]


class TestAsynchronousReads:
    async def _compare(self, store: SqlStore) -> None:
        reader = await aio.open_reader(store)
        try:
            assert await reader.current_publication() == store.current_publication()
            for number in range(4):
                assert await reader.get_profile(profile_id(number)) == store.get_profile(profile_id(number))
                expected = store.identifiers(profile_id(number), limit=2)
                assert await reader.identifiers(profile_id(number), limit=2) == expected
            assert await reader.lookup("email", "a@b.example") == store.lookup("email", "a@b.example")
            assert await reader.list_segments() == store.list_segments()
            assert await reader.get_segment("vip") == (store.list_segments() or [None, None])[-1]
            assert await reader.get_segment("no-such") is None
            assert await reader.memberships("new", after=profile_id(0)) == store.memberships("new", after=profile_id(0))
            assert await reader.find_key("no-such") is None
        finally:
            await reader.close()

    def test_they_equal_the_synchronous_ones(self, store: SqlStore) -> None:
        import asyncio

        asyncio.run(self._compare(store))
        publish(
            store, [0, 1, 2], members={"new": [0, 1, 2], "vip": []}, redirects=[Redirect(profile_id(3), "retired")],
            identifiers=[("email", "a@b.example", 0), ("phone", "+41", 0), ("user_id", "u", 0)],
        )  # fmt: skip
        asyncio.run(self._compare(store))

    def test_a_reader_sees_the_next_publication_at_one_moment(self, store: SqlStore) -> None:
        import asyncio

        async def check() -> None:
            reader = await aio.open_reader(store)
            publish(store, [1], run="run-1")

            def halfway() -> Iterator[ProfileDocument]:
                yield ProfileDocument(profile_id(2), "{}")
                looked.append(asyncio.run_coroutine_threadsafe(look(), loop).result(10))

            async def look() -> tuple[str | None, bool]:
                current = await reader.current_publication()
                return current.run_id if current else None, await reader.get_profile(profile_id(2)) is not None

            loop = asyncio.get_running_loop()
            looked: list[tuple[str | None, bool]] = []
            await asyncio.to_thread(
                lambda: store.publish(
                    Publication("run-2", "s", NOW, {}, "f"),
                    profiles=halfway(),
                    identifiers=[],
                    redirects=[],
                    segments=[],
                    memberships=[],
                )
            )
            assert looked == [("run-1", False)]
            assert await look() == ("run-2", True)
            await reader.close()

        asyncio.run(check())


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("update audit set object = 'p9' where seq = 2", 2),
        ("delete from audit where seq = 2", 3),
        ("update audit set detail = '{\"n\":7}' where seq = 3", 3),
        ("update audit set at = (select at from audit where seq = 1) where seq = 2", 2),
    ],
    ids=["edited", "removed", "detail", "time"],
)
def test_tampering_with_the_audit_log_is_found(store: SqlStore, change: str, broken: int) -> None:
    store.append_audit([AuditEntry(f"e{n}", NOW.replace(minute=n), "key", "read", f"p{n}", {"n": n}) for n in range(4)])
    assert store.verify_audit() is None
    with store._writing() as connection:
        connection.execute(sa.text(change.replace(":", "\\:")))
    assert store.verify_audit() == broken


def test_errors_hold_no_values(store: SqlStore) -> None:
    """A row that the database refuses is quoted neither in what we raise nor in its chain of causes."""
    secret = "canary@secret.example"
    with pytest.raises(CheckFailed) as caught:
        store.publish(
            Publication("run-1", "s", NOW, {}, "f"),
            profiles=[ProfileDocument(profile_id(1), f'{{"email": "{secret}"}}')],
            identifiers=[IdentifierRow(None, secret, profile_id(1))],  # type: ignore[arg-type]
            redirects=[],
            segments=[],
            memberships=[],
        )
    assert secret not in "".join(traceback.format_exception(caught.value))
    assert store.current_publication() is None
