"""Subject requests on the command line: asked for, extended, approved by two, answered, refused; nobody is told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdp.cli import privacy_requests
from cdp.cli.app import app

MAIL = "email:ann.lee@example.org"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CDP_HOME", str(tmp_path))
    return tmp_path


def run(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["privacy", *arguments])
    assert done.exit_code == code, (done.output, done.exception)
    assert "ann.lee" not in done.output
    return done


def facts(*arguments: str) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


def asked(kind: str = "access", *more: str) -> dict[str, Any]:
    found: dict[str, Any] = facts("request", "--type", kind, "--identifier", MAIL, *more)
    return found


def test_a_request_from_asking_to_the_answer() -> None:
    name = asked()["request"]
    assert name.startswith("ac-") and asked()["request"] == name, "the same again is the one that is open"
    (kept,) = facts("list", "--open")
    assert (kept["status"], kept["standing"], kept["rules"]) == ("approved", "open", "gdpr")
    first = kept["due_on"]
    assert facts("extend", name, "--why", "complexity")["due_on"] > first
    assert facts("confirm", name)["confirmed_at"]
    assert facts("complete", name)["status"] == "completed"
    assert facts("list", "--open") == [] and len(facts("list")) == 1
    shown = facts("show", name)
    assert (shown["status"], shown["recipients"]) == ("completed", [])
    assert "status: completed" in run("show", name).stdout
    assert "There is no request" in str(run("show", "er-unknown", code=1).exception)
    actors = {step["actor"] for step in facts("list")[0]["history"]}
    assert actors == {privacy_requests.operator()} and actors.pop().startswith("command line:")


def test_an_erasure_takes_four_eyes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDP_PRIVACY_FOUR_EYES", "true")
    run("request", "--type", "erasure", "--identifier", MAIL, "--yes", code=1)
    name = asked("erasure")["request"]
    assert facts("list")[0]["status"] == "verified"
    run("approve", name, code=1)
    monkeypatch.setattr(privacy_requests, "operator", lambda: "command line:somebody")
    assert facts("approve", name)["status"] == "approved"
    run("complete", name, code=1)


def test_what_is_over_stays_so() -> None:
    refused, cancelled = asked()["request"], asked("portability")["request"]
    assert facts("refuse", refused, "--why", "unfounded")["reason"] == "unfounded"
    assert facts("cancel", cancelled)["status"] == "cancelled"
    for name in (refused, cancelled):
        run("extend", name, "--why", "complexity", code=1)
        run("confirm", name, code=1)
    assert asked()["request"] != refused
    run("cancel", "er-20260101-nothing", code=1)


def test_laws_differ() -> None:
    assert asked("access", "--rules", "pipl")["request"]
    (kept,) = facts("list")
    assert kept["rules"] == "pipl"
    run("extend", kept["request"], "--why", "complexity", code=1)
    run("request", "--type", "access", "--identifier", "shoe:44", code=1)
    run("request", "--type", "objection", "--identifier", MAIL, "--yes", code=1)
