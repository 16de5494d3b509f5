"""A restored backup does not bring anybody back: the journal is replayed before anything is served."""

from __future__ import annotations

import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from cdp.errors import ConflictError
from cdp.settings import load_settings
from cdp.store import open_store
from privacy import receipts
from privacy.restored import require_replayed
from tests.support.home import Home

Restore = Callable[[], None]


def rows(home: Home, sql: str) -> list[tuple[str, ...]]:
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        return connection.execute(sql).fetchall()


@pytest.fixture(scope="module")
def erased(demo_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Home, list[str], Restore]:
    """A home after an erasure of two people, their mail addresses, and the restoring of a backup made before."""
    home = Home(tmp_path_factory.mktemp("replay") / "home")
    shutil.copytree(demo_home.path, home.path)
    mails = [
        str(row[0])
        for row in rows(
            home,
            "select any_value(value) from identity.identifiers where type = 'email' and source = 'sales' and value in"
            " (select value from identity.identifiers where type = 'email' group by value"
            " having count(distinct profile_id) = 1) group by profile_id"
            " having bool_and(length(value) > 12) order by 1 limit 2",
        )
    ]

    def restore() -> None:
        for path in home.path.iterdir():
            if path.name != "privacy":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        shutil.copytree(demo_home.path, home.path, dirs_exist_ok=True, ignore=lambda _, names: {"privacy"} & {*names})

    for mail in mails:
        home.facts("privacy", "request", "--type", "erasure", "--identifier", f"email:{mail}", "--yes")
    return home, mails, restore


def there(home: Home, mails: list[str]) -> list[str]:
    """Tables of warehouse, snapshot and store that hold one of the mail addresses, and landed files."""
    settings = load_settings(home=home.path)
    found: list[str] = []
    snapshots = sorted((home.path / "serving").glob("snapshot-*.duckdb"))
    for file in (home.path / "warehouse.duckdb", *snapshots):
        with duckdb.connect(str(file), read_only=True) as connection:
            for schema, table in connection.execute("select schema_name, table_name from duckdb_tables()").fetchall():
                text = f'select 1 from "{schema}"."{table}" as t where regexp_matches(lower(cast(t as varchar)), ?)'
                if connection.execute(f"{text} limit 1", ["|".join(mails)]).fetchall():
                    found.append(f"{file.name}:{schema}.{table}")
    with open_store(settings.database_url) as store:
        found += [f"store:{mail}" for mail in mails if store.lookup("email", mail)]
    return found


def others(home: Home) -> Counter[str]:
    return Counter(map(repr, rows(home, "select * from raw.sales_contacts union all select * from raw.pos_customers")))


def test_nothing_is_served_before_and_nobody_is_left_after(erased: tuple[Home, list[str], Restore]) -> None:
    home, mails, restore = erased
    assert there(home, mails) == []
    kept = others(home)
    settings = load_settings(home=home.path)
    with open_store(settings.database_url) as store:
        require_replayed(settings.privacy, store)
    restore()
    assert len(there(home, mails)) > 10, "the backup brought them back"
    refused = home.cdp("serve", "--port", "8477", check=False)
    assert refused.returncode == 1
    assert "older than 2 erasure(s)" in refused.stderr and "cdp privacy replay" in refused.stderr
    with open_store(settings.database_url) as store, pytest.raises(ConflictError, match="restored backup"):
        require_replayed(settings.privacy, store)

    signed = home.facts("privacy", "replay")["receipt"]
    assert (signed["kind"], signed["status"], signed["notes"]) == ("replay", "completed", [])
    assert there(home, mails) == []
    assert others(home) == kept
    assert home.facts("privacy", "replay") is None, "nothing waits any more"
    with open_store(settings.database_url) as store:
        require_replayed(settings.privacy, store)
        assert [row.entry.action for row in store.audit_rows()][-2:] == ["privacy.replayed"] * 2
        assert store.verify_audit() is None
    assert receipts.verify(settings.privacy) == []


@pytest.mark.slow
def test_a_run_replays_before_it_does_anything(erased: tuple[Home, list[str], Restore]) -> None:
    home, mails, restore = erased
    restore()
    ran = home.cdp("run")
    assert ran.stderr.startswith("replaying 2 erasure(s)")
    assert there(home, mails) == []


@pytest.mark.slow
def test_a_killed_replay_goes_on(erased: tuple[Home, list[str], Restore]) -> None:
    home, mails, restore = erased
    for step in ("landing", "warehouse", "publication", "verify"):
        restore()
        before = len(list((home.path / "privacy/receipts").iterdir()))
        process = home.start("privacy", "replay")
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith(f"erasure: {step}"):
                threading.Event().wait(0.05)
                process.send_signal(signal.SIGKILL)
                break
        process.communicate()
        assert home.facts("privacy", "replay")["receipt"]["status"] == "completed"
        assert there(home, mails) == []
        assert len(list((home.path / "privacy/receipts").iterdir())) == before + 1


def test_a_lifted_suppression_is_audited_and_not_replayed(erased: tuple[Home, list[str], Restore]) -> None:
    home, _, restore = erased
    restore()
    for request in home.facts("privacy", "list"):
        home.cdp("privacy", "unsuppress", request["request"])
    settings = load_settings(home=home.path)
    with open_store(settings.database_url) as store:
        lifted = store.audit_rows(action="privacy.unsuppressed")
        assert len(lifted) == 2 and store.verify_audit() is None
        require_replayed(settings.privacy, store)
    assert home.facts("privacy", "replay") is None


def test_a_new_home_beside_a_journal_has_nothing_to_replay(
    erased: tuple[Home, list[str], Restore], tmp_path: Path
) -> None:
    from pipelines.erasing.replay import replay, waiting
    from privacy.journal import Journal
    from privacy.keys import token_keys
    from privacy.tokens import make
    from tests.support.publications import NOW

    settings = load_settings(home=tmp_path / "home")
    token = make(token_keys(settings.privacy), "record", "sales:1")
    Journal(settings.privacy).append("erased", [("er-1", [[token]])], NOW)
    assert replay(settings) is None
    assert settings.warehouse.exists() and waiting(settings) == []
