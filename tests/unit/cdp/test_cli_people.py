"""The commands with which people decide who is who: one JSON document, one sentence for each mistake."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cdp.cli.app import run
from cdp.settings import load_settings
from cdp.store import open_store
from tests.support.identity_world import IdentityWorld

Facts = Callable[..., Any]
Told = Callable[..., str]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[IdentityWorld]:
    """A published shop with its store in SQLite, as the command line finds it."""
    home = tmp_path_factory.mktemp("people") / "home"
    home.mkdir()
    with open_store(load_settings(home=home).database_url) as store:
        made = IdentityWorld.make(home, store)
        made.shop.connection.close()
        yield made


@pytest.fixture(autouse=True)
def undecided(world: IdentityWorld, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test leaves no decision behind."""
    monkeypatch.setenv("CDP_HOME", str(world.warehouse.parent))
    yield
    log = world.store.decisions
    log.forget({record for d in log.listed() for link in d.links for record in (link.record_a, link.record_b)})


@pytest.fixture
def facts(capsys: pytest.CaptureFixture[str]) -> Facts:
    """Run a command about identity with --json."""

    def call(*arguments: str) -> Any:
        capsys.readouterr()
        assert run(["identity", *arguments, "--json"]) == 0, capsys.readouterr().err
        return json.loads(capsys.readouterr().out)

    return call


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command about identity for a person; what it says on stdout, or on stderr when it fails."""

    def call(*arguments: str, fails: bool = False) -> str:
        capsys.readouterr()
        code = run(["identity", *arguments])
        said = capsys.readouterr()
        assert code == (1 if fails else 0), said.err
        return said.err if fails else said.out

    return call


def test_a_decision_is_written_listed_and_withdrawn(facts: Facts, told: Told, world: IdentityWorld) -> None:
    written = facts("merge", "sales:c000", "sales:c003", "--note", "papers", "--author", "anna", "--later")
    assert (written["carried_out"], written["reason"], written["run"]) == (False, None, None)
    assert sorted(written["profiles"]) == sorted({world.shop_ids["sales:c000"], world.shop_ids["sales:c003"]})
    decision = written["decision"]
    assert (decision["kind"], decision["effective"]) == ("merge", "next run")
    assert (decision["author"]["name"], decision["author"]["note"]) == ("anna", "papers")
    assert [d["decision_id"] for d in facts("decisions")] == [decision["decision_id"]]
    assert "anna" in told("decisions") and "next run" in told("decisions")
    withdrawn = facts("withdraw", decision["decision_id"], "--later")
    assert withdrawn["decision"]["effective"] == "no more"
    assert facts("decisions", "--active") == []
    actions = [row.entry.action for row in world.store.audit_rows(object=decision["decision_id"])]
    assert actions == ["identity.merge", "identity.withdraw"]


def test_a_split_names_records(facts: Facts) -> None:
    kinds = [
        (link["kind"], link["record_a"], link["record_b"])
        for link in facts("split", "sales:c001", "--records", "web:u001, support:r001", "--later")["decision"]["links"]
    ]
    assert kinds == [
        ("always", "support:r001", "web:u001"),
        ("never", "sales:c001", "support:r001"),
        ("never", "sales:c001", "web:u001"),
    ]


def test_questions_are_shown_and_answered(facts: Facts, told: Told) -> None:
    first = facts("review", "--limit", "5")[0]
    assert first["record_a"] in told("review")
    answered = facts("review", first["record_a"], first["record_b"], "--answer", "different")
    assert answered["decision"]["kind"] == "different" and not answered["carried_out"]
    assert first not in facts("review")
    assert "decided already" in told(
        "review", first["record_a"], first["record_b"], "--answer", "different", fails=True
    )


def test_an_explanation_in_words_as_facts_and_as_a_picture(facts: Facts, told: Told, tmp_path: Path) -> None:
    picture = tmp_path / "why.svg"
    found = facts("explain", "sales:c003", "web:u003", "--svg", str(picture))
    assert found["probability"] > 0.9 and {"field": "given", "a": "dora", "b": "dora"} in found["fields"]
    assert picture.read_text().startswith("<svg")
    said = told("explain", "sales:c003", "web:u003")
    for words in ("Same mail address", "together", "Joined over", "dora"):
        assert words in said


def test_the_history_of_an_id(facts: Facts, told: Told, world: IdentityWorld) -> None:
    profile = world.shop_ids["sales:c003"]
    found = facts("history", profile)
    assert found["status"] == "living" and [event["kind"] for event in found["events"]] == ["created"]
    assert "sales:c003" in told("history", profile)


def test_hubs_are_edited_in_words_people_use(facts: Facts, told: Told) -> None:
    assert facts("hubs", "list") == []
    edited = facts("hubs", "block", "phone", "(206) 555-1000", "--note", "the shop's own")
    assert edited["value"] == "+12065551000"
    assert [(hub["value"], hub["is_hub"], hub["edit"]) for hub in facts("hubs", "list")] == [
        ("+12065551000", False, "block")
    ]
    assert "block" in told("hubs", "list")
    assert facts("hubs", "block", "address", "10 Drosselmeyer Street")["value"] == "10 drosselmeyer st"
    for kind, value in (("phone", "+12065551000"), ("address", "10 drosselmeyer st")):
        facts("hubs", "learn", kind, value)
    assert facts("hubs", "list") == []


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("merge", "sales:c000", "sales:none"), "sales:none"),
        (("merge", "sales:c000", "web:u000"), "one profile already"),
        (("split", "sales:c001", "--records", "sales:c000"), "sales:c000"),
        (("split", "sales:c001", "--records", " , "), "not all"),
        (("review", "sales:c000", "--answer", "same"), "RECORD_A RECORD_B"),
        (("review", "sales:c000", "sales:c001", "--answer", "maybe"), "different"),
        (("review", "sales:c000", "sales:c001"), "--answer"),
        (("withdraw", "none"), "none"),
        (("explain", "sales:c000", "none"), "SOURCE:ID"),
        (("history", "none"), "no profile"),
        (("hubs", "block", "name", "Ada"), "email, phone, address"),
        (("hubs", "block", "phone", "twelve"), "phone"),
        (("hubs", "allow", "email", "x" * 501), "500"),
    ],
)
def test_mistakes_are_one_sentence(told: Told, world: IdentityWorld, arguments: tuple[str, ...], named: str) -> None:
    said = told(*arguments, fails=True)
    assert named in said and len(said.strip().splitlines()) == 1
    assert world.store.decisions.listed() == []


def test_while_a_run_is_going_a_decision_waits_for_the_next(facts: Facts, world: IdentityWorld) -> None:
    with (world.warehouse.parent / "writer.lock").open("a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        written = facts("merge", "sales:c000", "sales:c003")
    assert not written["carried_out"] and "Another run is going" in written["reason"]
    assert len(world.store.decisions.listed(active_only=True)) == 1


def test_a_decision_stands_when_carrying_it_out_fails(told: Told, world: IdentityWorld) -> None:
    """Nothing was ever delivered to this warehouse, so the run says so."""
    said = told("merge", "sales:c000", "sales:c003", fails=True)
    decision = world.store.decisions.listed()[0]
    assert decision.decision_id in said and "takes effect at the next run" in said and "--from DIR" in said
