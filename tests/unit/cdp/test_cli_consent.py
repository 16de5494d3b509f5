"""Consent on the command line, over a small published home: what is written counts, what is wrong is told."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cdp.cli.app import run
from cdp.settings import load_settings
from cdp.store import open_store
from cdp.store.base import Redirect
from tests.contract.test_consent_gate import MARTS
from tests.support.publications import profile_id, publish

ANN, FORMER = profile_id(1), profile_id(2)
Command = Callable[..., Any]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    settings = load_settings()
    settings.serving.mkdir(parents=True)
    with duckdb.connect(str(settings.serving / "snapshot-run-1.duckdb")) as connection:
        connection.execute(MARTS)
        connection.execute("insert into marts.profiles (profile_id, country) values (?, 'DE')", [ANN])
        connection.execute(
            "insert into identity.profiles values (?, 'living', null), (?, 'merged', ?)", [ANN, FORMER, ANN]
        )
        connection.execute(
            "insert into identity.identity_map values ('sales', 'c1', ?), ('marketing', 'a@x', ?)", [ANN, ANN]
        )
        insert = "insert into marts.consent_statements values (?, 'sales', 'c1', true, false, timestamp '2025-01-01')"
        connection.execute(insert, [ANN])
    with open_store(settings.database_url) as store:
        publish(store, [1], members={"vip": [1]}, redirects=[Redirect(FORMER, "merged", ANN)])
    return settings.home


@pytest.fixture
def command(home: Path, capsys: pytest.CaptureFixture[str]) -> Command:
    def call(*arguments: str) -> Any:
        code = run([*arguments, "--json"])
        told = capsys.readouterr()
        return json.loads(told.out) if code == 0 else told.err

    return call


def state(facts: Any, purpose: str = "marketing") -> tuple[str, str]:
    (found,) = [one for one in facts["purposes"] if one["purpose"] == purpose]
    return found["state"], found["decided_by"]


def test_withdrawing_is_as_easy_as_giving(home: Path, command: Command) -> None:
    assert state(command("consent", "show", ANN)) == ("given", "sources")
    assert state(command("consent", "withdraw", FORMER, "--channel", "phone")) == ("refused", "objection")
    with open_store(load_settings().database_url) as store:
        assert store.memberships("vip", exportable=True) == []
        (entry,) = store.consents.entries()
        assert (entry.profile_id, entry.records) == (ANN, (("sales", "c1"),)), "no mail address is copied"
        audited = [(row.entry.action, row.entry.object) for row in store.audit_rows()]
        assert audited == [("consent.read", ANN), ("consent.withdrawn", ANN), ("consent.read", ANN)]
    assert state(command("consent", "give", ANN, "--import")) == ("refused", "objection")
    given = command("consent", "give", ANN, "--text-version", "3", "--proof", "form 1", "--author", "desk")
    assert state(given) == ("given", "ledger")
    last = given["entries"][-1]
    assert (last["text_version"], last["proof"], last["recorded_by"]) == ("3", "form 1", "desk")
    assert state(command("consent", "show", ANN, "--as-of", "2025-06-01")) == ("given", "sources")


def test_objecting_and_restricting(command: Command) -> None:
    objected = command("consent", "withdraw", ANN, "--purpose", "sharing", "--object")
    assert state(objected, "sharing") == ("refused", "objection")
    assert "There is no request rs-1" in command("privacy", "restrict", ANN, "--request", "rs-1")
    restricted = command("privacy", "restrict", ANN, "--channel", "letter")
    assert restricted["restricted"] and state(restricted, "service") == ("refused", "restriction")
    lifted = command("privacy", "lift", ANN)
    assert not lifted["restricted"] and state(lifted) == ("given", "sources")


def test_a_restriction_names_the_request_of_this_person(home: Path, command: Command) -> None:
    def asked(identifier: str, kind: str = "restriction") -> str:
        return str(command("privacy", "request", "--type", kind, "--identifier", identifier)["request"])

    other = asked(f"profile:{profile_id(8)}")
    assert "is not about this profile" in command("privacy", "restrict", ANN, "--request", other)
    objection = asked(f"profile:{ANN}", "objection")
    assert "not for a restriction" in command("privacy", "restrict", ANN, "--request", objection)
    name = asked(f"profile:{ANN}")
    assert command("privacy", "restrict", FORMER, "--request", name)["restricted"]
    assert command("privacy", "show", name)["status"] == "executing"
    command("privacy", "complete", name)
    assert "nothing can be changed any more" in command("privacy", "restrict", ANN, "--request", name)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["show", profile_id(9)], "There is no living profile with this id"),
        (["show", ANN, "--as-of", "soon"], "--as-of: a moment is"),
        (["give", ANN, "--purpose", "fun"], "There is no purpose fun"),
        (["give", ANN, "--at", "2999-01-01"], "at: what was said lies in the past"),
        (["give", ANN, "--proof", "x" * 1001], "proof: at most 1000 characters"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(command: Command, arguments: list[str], problem: str) -> None:
    assert problem in command("consent", *arguments)


def test_people_read_it_as_a_table(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["privacy", "restrict", ANN]) == 0
    told = capsys.readouterr().out
    assert "is restricted" in told and "restricted  command line" in told
