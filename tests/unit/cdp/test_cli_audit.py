"""The audit log on the command line: what was seen is told, what was changed is found."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdp.cli.app import run
from cdp.settings import load_settings
from cdp.store import open_store
from pipelines.auditing import sign
from tests.support.publications import profile_id, publish

Command = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    settings = load_settings()
    settings.home.mkdir()
    with open_store(settings.database_url) as store:
        publish(store, [1, 2], members={"vip": [1]})
    return settings.home


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> Any:
        code = run([*arguments, "--json"])
        told = capsys.readouterr()
        return json.loads(told.out) if code == 0 else told.err

    return call


def test_who_saw_a_profile(command: Command) -> None:
    command("profile", profile_id(1))
    command("segment", "members", "vip")
    found = command("audit", "seen", profile_id(1))
    assert [(one["action"], one["how"]) for one in found] == [("profile.read", "itself"), ("segment.members", "listed")]
    assert command("audit", "seen", profile_id(2)) == []
    assert command("audit", "seen", profile_id(1), "--until", "2026-01-01") == []
    assert command("audit", "list", "--action", "profile.read")[0]["object"] == profile_id(1)


def test_bad_questions(command: Command) -> None:
    assert "never a profile" in command("audit", "seen", "nobody")
    assert command("audit", "seen", profile_id(1), "--since", "soon").startswith("cdp: --since: ")


def test_a_run_tells_when_it_cannot_sign(home: Path, command: Command) -> None:
    command("profile", profile_id(1))
    (home / "privacy").write_text("not a folder")
    told: list[str] = []
    sign(load_settings(), told.append)
    (sentence,) = told
    assert "could not be signed" in sentence and "CDP_PRIVACY_DIR" in sentence


def test_a_log_that_was_cut_off_does_not_hold(home: Path, command: Command) -> None:
    command("profile", profile_id(1))
    command("profile", profile_id(1))
    assert command("audit", "checkpoint") == {"written": True}
    assert command("audit", "checkpoint") == {"written": False}
    assert command("audit", "verify") == {"holds": True, "problems": []}
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute("delete from audit where seq = (select max(seq) from audit)")
    connection.close()
    assert "its newest entries were cut off" in command("audit", "verify")
