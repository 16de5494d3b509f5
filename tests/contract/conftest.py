"""The stores that the contract suite runs on: in memory, SQLite, a real PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cdp.store import open_store
from cdp.store.base import Store
from cdp.store.memory import InMemoryStore
from tests.support.postgres import CannotStart, PostgresServer, running_postgres

KINDS = ("memory", "sqlite", "postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """One server per test process."""
    try:
        with running_postgres() as server:
            yield server
    except CannotStart as reason:
        pytest.skip(f"PostgreSQL does not start here: {reason}")


@pytest.fixture(scope="session")
def shared_url(postgres_server: PostgresServer) -> str:
    """A migrated database whose rows are removed between tests: quicker than a new one for each."""
    url = postgres_server.new_database()
    open_store(url).close()
    return url


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file to copy, for the same reason."""
    path = tmp_path_factory.mktemp("template") / "store.sqlite"
    open_store(f"sqlite:///{path}").close()
    return path


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """An empty database."""
    return postgres_server.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "memory":
        yield InMemoryStore()
        return
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(request.getfixturevalue('template'), tmp_path / 'store.sqlite')}"
    else:
        url = request.getfixturevalue("shared_url")
        request.getfixturevalue("postgres_server").empty(url)
    with open_store(url) as opened:
        yield opened
