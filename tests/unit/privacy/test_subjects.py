"""A request that is the reason for an act is of the right kind, may begin, and is about the person it is done to."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from cdp.errors import ConflictError, NotFoundError
from cdp.store.base import Redirect
from cdp.store.memory import InMemoryStore
from privacy.policy import Policy
from privacy.register import Asked, Register
from privacy.requests import request as acts
from privacy.requests.deadlines import Calendar
from privacy.requests.request import Request
from privacy.requests.words import Kind, Refusal, Verification
from privacy.subjects import require_about
from privacy.work import Work
from tests.support.publications import profile_id, publish

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
ANN, FORMER, BOB = profile_id(1), profile_id(9), profile_id(2)
MAIL = "Zqx@Marked.org"


@pytest.fixture
def store() -> InMemoryStore:
    made = InMemoryStore()
    mails = [("email", MAIL.lower(), 1), ("email", "bob@marked.org", 2)]
    publish(made, [1, 2], identifiers=mails, redirects=[Redirect(FORMER, "merged", ANN)])
    return made


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "privacy")


def ask(register: Register, named: str, kind: Kind = Kind.RESTRICTION, *, approved: bool = True) -> Request:
    kind_of_value, _, value = named.lower().partition(":")
    asked = Asked(kind, [[named]], [[(kind_of_value, value)]])
    one, _ = register.receive(asked, actor="key:1", now=NOW, policy=Policy("gdpr", Calendar(), four_eyes=False))
    if not approved:
        return one
    register.change(one.request, partial(acts.verify, how=Verification.LOGIN, actor="key:1", now=NOW))
    return register.change(one.request, partial(acts.approve, actor="key:1", now=NOW, four_eyes=False))


def about(register: Register, store: InMemoryStore, request: str, profile: str, kind: Kind = Kind.RESTRICTION) -> str:
    begin = partial(acts.begin, actor="key:1", now=NOW)
    return require_about(
        register, store, request, kind, profile, begin=begin, normalise=lambda _, value: value.strip().lower()
    ).request


@pytest.mark.parametrize("named", [f"email:{MAIL}", f"email: {MAIL.lower()}", f"profile:{ANN}", f"profile: {FORMER}"])
def test_whoever_it_names_is_who_it_is_about(register: Register, store: InMemoryStore, named: str) -> None:
    one = ask(register, named)
    for profile in (ANN, FORMER):
        assert about(register, store, one.request, profile) == one.request
    assert register.read(one.request) == one, "asking changes nothing"
    with pytest.raises(ConflictError, match="is not about this profile") as told:
        about(register, store, one.request, BOB)
    assert "marked" not in told.value.message.lower()


def test_whom_it_meant_when_that_was_looked_up_counts_too(register: Register, store: InMemoryStore) -> None:
    one = ask(register, "email:gone@marked.org")
    with pytest.raises(ConflictError, match="or to nobody"):
        about(register, store, one.request, ANN)
    work = Work.resume(register.folder, one.request)
    work.content["closures"] = [{"profiles": [FORMER]}]
    work.save()
    assert about(register, store, one.request, ANN) == one.request
    work.wipe()
    with pytest.raises(ConflictError, match="or to nobody"):
        about(register, store, one.request, ANN)


def test_its_kind_and_state_are_told_before_whom_it_means(register: Register, store: InMemoryStore) -> None:
    waiting = ask(register, "email:bob@marked.org", approved=False)
    with pytest.raises(ConflictError, match="identity of the person has to be verified first"):
        about(register, store, waiting.request, ANN)
    with pytest.raises(ConflictError, match="asks for restriction, not for a rectification"):
        about(register, store, waiting.request, ANN, Kind.RECTIFICATION)
    refused = ask(register, f"profile:{ANN}")
    register.change(refused.request, partial(acts.refuse, why=Refusal.UNFOUNDED, actor="key:1", now=NOW))
    with pytest.raises(ConflictError, match="is refused: nothing can be changed any more"):
        about(register, store, refused.request, ANN)
    with pytest.raises(NotFoundError):
        about(register, store, "rs-20260101-000000000000", ANN)
