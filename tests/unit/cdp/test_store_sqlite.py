"""SQLite as the store: pragmas, deleted bytes, rights of the file, errors as one sentence."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cdp.errors import BusyError, ConfigurationError, ResourceError
from cdp.settings import PROJECT_ROOT
from cdp.store import open_store, sqlite
from cdp.store.sql import SqlStore
from tests.support.publications import profile_id, publish


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "home" / "store.sqlite"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


def test_the_file_is_for_its_owner_only(path: Path, url: str) -> None:
    with open_store(url) as store:
        publish(store, [1])
        assert {oct(file.stat().st_mode & 0o777) for file in path.parent.iterdir()} == {"0o600"}


def test_opening_again_does_not_part_this_process_from_others(url: str) -> None:
    """A second engine must not touch the open file: closing it would end the locks that keep the log alive."""
    other = (
        "import sys; from cdp.store import open_store; s = open_store(sys.argv[1]); s.secret(sys.argv[2]); s.close()"
    )
    with SqlStore.open(url) as store:
        publish(store, [1])
        for name in ("first", "second"):
            open_store(url).close()
            subprocess.run([sys.executable, "-c", other, url, name], cwd=PROJECT_ROOT, check=True)
            with store._engine.connect() as connection:
                names = connection.exec_driver_sql("select name from secrets order by name").fetchall()
            assert name in [row[0] for row in names], "what another process wrote is seen"
            publish(store, [1, 2], run=name)
    with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
        assert connection.execute("pragma integrity_check").fetchone() == ("ok",)
        assert connection.execute("select count(*) from publications").fetchone() == (3,)


def test_pragmas(url: str) -> None:
    with SqlStore.open(url) as store, store._engine.connect() as connection:
        found = {
            name: connection.exec_driver_sql(f"pragma {name}").scalar()
            for name in ("journal_mode", "secure_delete", "foreign_keys", "synchronous", "temp_store", "busy_timeout")
        }
    assert found == {
        "journal_mode": "wal", "secure_delete": 1, "foreign_keys": 1, "synchronous": 2, "temp_store": 2,
        "busy_timeout": 30000,
    }  # fmt: skip


def test_a_sqlite_that_cannot_delete_securely_is_refused() -> None:
    class Answer:
        def __init__(self, value: object) -> None:
            self.value = value

        def fetchone(self) -> tuple[object]:
            return (self.value,)

        def close(self) -> None: ...

    class WithoutSecureDelete:
        isolation_level: str | None = ""

        def execute(self, sql: str) -> Answer:
            return Answer({"pragma journal_mode": "wal", "pragma secure_delete": 0}.get(sql))

    with pytest.raises(ConfigurationError, match="secure_delete"):
        sqlite.prepare(WithoutSecureDelete())


def test_what_was_deleted_is_in_no_file(path: Path, url: str) -> None:
    def hits() -> dict[str, int]:
        return {
            file.name: sum(file.read_bytes().count(marker) for marker in (b"zqxcanary", b"zqxmail"))
            for file in sorted(path.parent.iterdir())
        }

    with open_store(url) as store:
        people = {n: {"name": f"person {n}", "pad": "x" * 500} for n in range(200)}
        publish(store, {**people, 77: {"name": "zqxcanary" * 30}}, identifiers=[("email", "zqxmail@b.example", 77)])
        assert sum(hits().values()) > 0, "positive control: the value is there before"
        publish(store, people)
        assert sum(hits().values()) == 0, hits()


def test_a_reader_keeps_the_old_state_and_the_log_is_emptied_later(path: Path, url: str) -> None:
    with open_store(url) as store:
        publish(store, [1])
        reader = sqlite3.connect(path, isolation_level=None)
        reader.execute("begin")
        assert reader.execute("select count(*) from profiles").fetchone() == (1,)
        publish(store, [1, 2])
        assert reader.execute("select count(*) from profiles").fetchone() == (1,)
        reader.execute("commit")
        assert reader.execute("select count(*) from profiles").fetchone() == (2,)
        reader.close()
        publish(store, [1, 2, 3])
        assert path.with_name("store.sqlite-wal").stat().st_size == 0


def test_deleting_a_profile_takes_its_identifiers_and_memberships_along(path: Path, url: str) -> None:
    with SqlStore.open(url) as store:
        publish(store, [1], identifiers=[("email", "a@b.example", 1)], members={"new": [1]})
        with store._writing() as connection:
            connection.exec_driver_sql("delete from profiles")
        assert store.identifiers(profile_id(1)) == [] and store.segment_members("new") == []


class TestErrors:
    def test_a_file_that_is_no_database(self, path: Path, url: str) -> None:
        path.parent.mkdir()
        path.write_text("this is no database, but long enough to be read as one " * 10)
        with pytest.raises(ConfigurationError, match="no SQLite database"):
            open_store(url)

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(ResourceError, match="cannot be written"):
            open_store(f"sqlite:///{tmp_path / 'file' / 'store.sqlite'}")

    def test_another_process_writes_too_long(self, path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
        with open_store(url) as store:
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("begin immediate")
            with pytest.raises(BusyError):
                publish(store, [1])
            other.execute("rollback")
            other.close()
            publish(store, [1])

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            ("", "cannot be read as a URL"),
            ("no url", "cannot be read as a URL"),
            ("sqlite://", "names no SQLite file"),
            ("mysql://u:secretpassword@h/d", "mysql is not a database we know"),
        ],
    )
    def test_urls_that_are_not_usable(self, url: str, told: str) -> None:
        with pytest.raises(ConfigurationError, match=told) as caught:
            open_store(url)
        assert "secretpassword" not in str(caught.value)

    def test_a_postgresql_that_is_not_there(self, tmp_path: Path) -> None:
        for url in (
            "postgresql://u:secretpassword@127.0.0.1:1/d",
            f"postgresql://u:secretpassword@/d?host={tmp_path}",
        ):
            with pytest.raises(ResourceError, match="does not answer") as caught:
                open_store(url)
            assert caught.value.status == 503
            assert "secretpassword" not in str(caught.value)
