"""Bytes of a rewritten database that hold what no table of it has: copied anew by a process that never held it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.store import open_store, snapshots
from cdp.store.base import Publication
from pipelines.erasing import anew, files, requests
from privacy.erasure import database
from privacy.verify.needles import Needle, patterns
from privacy.verify.search import Searcher
from tests.unit.pipelines.erasing_world import ANN, World, make_world
from tests.unit.pipelines.ingest_delivery import CONTACTS, NOW, contact

SEARCHER = Searcher(patterns([Needle(0, "mailbox", ANN)]))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def publish(world: World) -> None:
    """A snapshot of profiles, as a run leaves it."""
    with world.delivery.engine.writer() as connection:
        connection.execute("create schema marts")
        connection.execute(
            "create table marts.profiles as select profile_id, 'use' as current_stage, false as is_anonymous"
            " from identity.profiles"
        )
        connection.execute("create table marts.journey_stages as select 'use' as stage, 1 as position")
        connection.execute("create table marts.source_records as select source, profile_id from identity.identity_map")
    settings = world.settings
    file = snapshots.write_snapshot(settings.warehouse, settings.serving, "first")
    with open_store(settings.database_url) as store:
        store.publish(
            Publication("first", file.name, NOW, {}, "made"),
            profiles=[], identifiers=[], redirects=[], segments=[], memberships=[],
        )  # fmt: skip
    snapshots.point_to(settings.serving, file)


def stray(path: Path) -> None:
    """A mail address beyond what any table holds, as unused memory in a block would be."""
    with path.open("ab") as handle:
        handle.write(b"\0" * 4_000 + ANN.encode() + b"\0" * 4_000)


def erase(world: World, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The receipt of an erasure in whose rewriting stray bytes got into both files."""
    without_strays = anew.without_strays

    def strayed(path: Path, *rest: Any) -> None:
        stray(path)
        without_strays(path, *rest)

    monkeypatch.setattr(anew, "without_strays", strayed)
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"]])
    receipt: dict[str, Any] = requests.execute(world.settings, made.request)["receipt"]
    return receipt


def residual(receipt: dict[str, Any]) -> dict[str, int]:
    return {line["store"]: line["residual_hits"] for line in receipt["stores"] if line["residual_hits"]}


def test_stray_bytes_end_with_a_copy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(world)
    receipt = erase(world, monkeypatch)
    assert (receipt["status"], receipt["notes"], residual(receipt)) == ("completed", [], {})
    settings = world.settings
    assert world.found(ANN) == []
    assert world.delivery.rows("select record_key from raw.sales_contacts") == [("700002",)]
    world.delivery.load()
    with open_store(settings.database_url) as store:
        current = store.current_publication()
    assert current is not None and current.snapshot_file != "snapshot-first.duckdb"
    assert snapshots.current(settings.serving) == settings.serving / current.snapshot_file
    assert [path.name for path in settings.serving.glob("snapshot-*")] == [current.snapshot_file]
    assert (settings.serving / current.snapshot_file).stat().st_mode & 0o777 == 0o600
    with snapshots.open_snapshot(settings.serving / current.snapshot_file) as connection:
        assert connection.execute("select profile_id from marts.profiles").fetchall() == [("bob",)]
    assert list(settings.home.glob("*.erasing*")) == []


def test_nothing_is_copied_without_need(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with duckdb.connect(str(tmp_path / "one.duckdb")) as connection:
        connection.execute("create table t as select 'bob@marked.org' as mail")
    (tmp_path / "one.duckdb.anew").write_bytes(b"of a copy that was killed")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("no bytes have strayed"))
    anew.without_strays(tmp_path / "one.duckdb", SEARCHER, {}, print)
    assert [path.name for path in tmp_path.iterdir()] == ["one.duckdb"]


def test_a_copy_that_fails_is_told_and_leaves_the_file(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anew.sys, "executable", "/bin/false")
    receipt = erase(world, monkeypatch)
    assert receipt["status"] == "partial" and list(residual(receipt)) == ["warehouse"]
    assert world.delivery.rows("select record_key from raw.sales_contacts") == [("700002",)]
    assert list(world.settings.home.glob("*.erasing*")) == []


def test_a_copy_has_all_of_the_database(tmp_path: Path) -> None:
    with duckdb.connect(str(tmp_path / "old.duckdb")) as connection:
        connection.execute("create schema s; create sequence s.numbers; create type s.mood as enum ('good', 'bad')")
        connection.execute("create table s.t (id integer primary key, m s.mood not null, n integer default 7)")
        connection.execute("insert into s.t values (1, 'good', 2), (2, 'bad', null)")
        connection.execute("create view s.v as select id from s.t")
    stray(tmp_path / "old.duckdb")
    said: list[str] = []
    anew.without_strays(tmp_path / "old.duckdb", SEARCHER, {"threads": 1}, said.append)
    assert said and ANN.encode() not in (tmp_path / "old.duckdb").read_bytes()
    with duckdb.connect(str(tmp_path / "old.duckdb")) as connection:
        assert connection.execute("select * from s.t order by 1").fetchall() == [(1, "good", 2), (2, "bad", None)]
        assert connection.execute("select count(*) from s.v").fetchall() == [(2,)]
        connection.execute("insert into s.t (id, m) values (3, 'good')")
        assert connection.execute("select n from s.t where id = 3").fetchall() == [(7,)]
        with pytest.raises(duckdb.ConstraintException):
            connection.execute("insert into s.t values (1, 'bad', 1)")


def test_what_is_half_written_is_readable_by_its_owner_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot and a delivery that only the owner may read, as a kill in between would leave them."""
    publish(world)
    settings = world.settings
    (settings.inbox / "sales").mkdir(parents=True)
    delivered = settings.inbox / "sales" / "contacts.csv"
    people = contact(700001, mail=ANN), contact(700002, "Bob", "bob@marked.org")
    delivered.write_text("\n".join([CONTACTS, *people, ""]))
    delivered.chmod(0o600)
    seen: dict[str, int] = {}

    def note(folder: Path, pattern: str) -> None:
        seen.update({path.name: path.stat().st_mode & 0o777 for path in folder.glob(pattern)})

    rewritten, written = database.rewrite, files.rewrite

    def file_rewritten(source: Path, target: Path, *rest: Any) -> None:
        written(source, target, *rest)
        if source == delivered:
            note(target.parent, ".*")

    def database_rewritten(connection: Any, inventory: Any, target: Path) -> None:
        rewritten(connection, inventory, target)
        note(target.parent, f"{target.name}*") if target.parent == settings.serving else None

    monkeypatch.setattr(files, "rewrite", file_rewritten)
    monkeypatch.setattr(database, "rewrite", database_rewritten)
    made, _ = requests.submit(settings, [[f"email:{ANN}"]])
    assert requests.execute(settings, made.request)["receipt"]["status"] == "completed"
    assert len(seen) == 2 and set(seen.values()) == {0o600}, seen
    assert ANN not in delivered.read_text() and "bob@marked.org" in delivered.read_text()
    assert delivered.stat().st_mode & 0o777 == 0o600
