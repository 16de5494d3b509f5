"""The register: kept whole, changed under one lock, repeated requests recognised, nothing personal in its files."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdp.errors import ConfigurationError, ConflictError, NotFoundError
from cdp.settings import load_settings
from privacy import keys, policy
from privacy.policy import Policy
from privacy.register import Asked, Register
from privacy.requests import request as acts
from privacy.requests.deadlines import Calendar
from privacy.requests.words import Kind, Verification
from privacy.work import Work

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
POLICY = Policy("gdpr", Calendar(), four_eyes=False)
MAIL = ("email", "zqx@marked.org")
PHONE = ("phone", "+15035550123")


def asked(*people: list[tuple[str, str]], kind: Kind = Kind.ERASURE, **more: Any) -> Asked:
    return Asked(kind, [[f"{k}:{v}" for k, v in person] for person in people], people, **more)


@pytest.fixture
def register(tmp_path: Path) -> Register:
    return Register(tmp_path / "privacy")


def receive(register: Register, wanted: Asked, now: datetime = NOW) -> tuple[acts.Request, bool]:
    return register.receive(wanted, actor="key:1", now=now, policy=POLICY)


def test_it_is_kept_without_personal_data(register: Register, tmp_path: Path) -> None:
    one, is_new = receive(register, asked([MAIL, PHONE]))
    assert is_new and one.request.startswith("er-20260131-") and one.due_at == "2026-03-03T00:00:00+00:00"
    assert Register(tmp_path / "privacy").read(one.request) == one
    for path in (tmp_path / "privacy").rglob("*"):
        if path.is_file():
            assert b"zqx" not in path.read_bytes() and b"5550123" not in path.read_bytes()
            assert path.stat().st_mode & 0o077 == 0, f"{path.name} is for its owner only"
    sealed = Work.resume(tmp_path / "privacy", one.request).content
    assert sealed["subjects"] == [["email:zqx@marked.org", "phone:+15035550123"]] and sealed["closures"] is None


def test_a_repeated_request_is_the_one_that_is_open(register: Register, tmp_path: Path) -> None:
    one, _ = receive(register, asked([MAIL, PHONE]))
    assert receive(register, asked([PHONE, MAIL])) == (one, False)
    keys.rotate_token_keys(tmp_path / "privacy")
    assert receive(register, asked([MAIL, PHONE])) == (one, False), "also after a change of keys"
    for other in ([MAIL], [MAIL, PHONE, ("user_id", "7")]):
        more, is_new = receive(register, asked(other))
        assert is_new and more.request != one.request, "the two may be two people's"
    assert receive(register, asked([MAIL, PHONE], kind=Kind.ACCESS))[1], "another kind is another wish"
    register.change(one.request, partial(acts.cancel, actor="a", now=NOW))
    assert receive(register, asked([MAIL, PHONE]))[1], "what is over is asked anew"


def test_a_list_of_people_is_repeated_only_as_a_whole(register: Register) -> None:
    one, _ = receive(register, asked([MAIL], [PHONE]))
    assert len(one.tokens) == 1
    assert receive(register, asked([PHONE], [MAIL])) == (one, False)
    assert receive(register, asked([MAIL]))[1] and receive(register, asked([MAIL], [PHONE], [("user_id", "1")]))[1]


def test_the_plan_goes_with_the_request(register: Register, tmp_path: Path) -> None:
    one, _ = receive(register, asked([MAIL]))
    register.change(one.request, partial(acts.cancel, actor="a", now=NOW))
    assert Work.open_ones(tmp_path / "privacy") == []
    with pytest.raises(NotFoundError):
        Work.resume(tmp_path / "privacy", one.request)


def test_what_is_not_allowed_changes_nothing(register: Register) -> None:
    one, _ = receive(register, asked([MAIL]))
    with pytest.raises(ConflictError):
        register.change(one.request, partial(acts.begin, actor="p", now=NOW))
    assert register.read(one.request) == one
    with pytest.raises(NotFoundError, match="There is no request er-x"):
        register.change("er-x", partial(acts.begin, actor="p", now=NOW))
    with pytest.raises(NotFoundError):
        register.read("../signing-key")


def test_cancelling_and_carrying_out_at_once_end_one_way(register: Register) -> None:
    """Forty times at the same moment: either it is cancelled and never begins, or it begins and stays."""
    for number in range(40):
        one, _ = receive(register, asked([("user_id", str(number))]))
        register.change(one.request, partial(acts.verify, how=Verification.LOGIN, actor="a", now=NOW))
        register.change(one.request, partial(acts.approve, actor="a", now=NOW, four_eyes=False))

        def attempt(act: Any, name: str = one.request) -> bool:
            try:
                register.change(name, partial(act, actor="a", now=NOW))
            except ConflictError:
                return False
            return True

        with ThreadPoolExecutor(2) as pool:
            begun, cancelled = pool.map(attempt, (acts.begin, acts.cancel))
        assert begun is not cancelled
        assert register.read(one.request).status == ("executing" if begun else "cancelled")


def test_a_damaged_record_is_named(register: Register, tmp_path: Path) -> None:
    one, _ = receive(register, asked([MAIL]))
    path = tmp_path / "privacy" / "requests" / f"{one.request}.json"
    path.write_text("{")
    with pytest.raises(ConfigurationError, match="is damaged; restore the privacy folder"):
        register.all()


def test_the_order_is_that_of_receipt_and_changes_by_others_are_seen(register: Register, tmp_path: Path) -> None:
    names = [receive(register, asked([("user_id", str(n))]), NOW + timedelta(seconds=-n))[0].request for n in range(5)]
    assert [one.request for one in register.all()] == names[::-1]
    Register(tmp_path / "privacy").change(names[2], partial(acts.cancel, actor="a", now=NOW))
    assert register.read(names[2]).status == "cancelled"
    assert [one.request for one in register.open_ones()] == [names[4], names[3], names[1], names[0]]


def test_plans_that_nobody_needs_are_destroyed(register: Register, tmp_path: Path) -> None:
    """A kill between plan and record, or between the record's end and its plan's; a replay's plan is not ours."""
    one, _ = receive(register, asked([MAIL]))
    for name in ("er-20260131-abcdef", "replay-20260131-abcdef"):
        Work.begin(tmp_path / "privacy", name, {})
    register.sweep()
    assert Work.open_ones(tmp_path / "privacy") == [one.request, "replay-20260131-abcdef"]
    register.change(one.request, partial(acts.cancel, actor="a", now=NOW))
    Work.begin(tmp_path / "privacy", one.request, {})
    register.sweep()
    assert Work.open_ones(tmp_path / "privacy") == ["replay-20260131-abcdef"]


def test_open_requests_are_counted_by_how_they_stand(register: Register) -> None:
    receive(register, asked([MAIL]))
    receive(register, asked([PHONE], rules="ccpa"))
    closed, _ = receive(register, asked([MAIL, PHONE]))
    register.change(closed.request, partial(acts.cancel, actor="a", now=NOW))
    assert register.standings(NOW) == {"open": 2, "due_soon": 0, "overdue": 0}
    later = datetime(2026, 3, 3, tzinfo=UTC)
    assert register.standings(later) == {"open": 0, "due_soon": 0, "overdue": 2}, "one unanswered, one unconfirmed"


def test_a_request_by_its_origin(register: Register) -> None:
    named = {"way": "opendsr", "controller": "acme", "id": "7"}
    one, _ = receive(register, asked([MAIL], origin=named))
    assert register.by_origin(way="opendsr", id="7") == one
    assert register.by_origin(way="opendsr", id="8") is None
    assert receive(register, asked([PHONE], origin=named)) == (one, False), "the name counts, not what is asked"
    other, is_new = receive(register, asked([MAIL], origin={**named, "id": "8"}))
    assert is_new and other.request != one.request


def test_the_policy_comes_from_the_settings(tmp_path: Path) -> None:
    days = tmp_path / "holidays.txt"
    days.write_text("2026-03-02\n")
    found = policy.load(load_settings(home=tmp_path, privacy_zone="Europe/Zurich", privacy_holidays=days))
    assert found.rules == "gdpr" and not found.four_eyes and not found.days.is_working(datetime(2026, 3, 2).date())
    with pytest.raises(ConfigurationError, match="CDP_PRIVACY_ZONE is no time zone"):
        policy.load(load_settings(home=tmp_path, privacy_zone="Europe/Nowhere"))
    with pytest.raises(ConfigurationError, match=r"missing.txt cannot be read"):
        policy.load(load_settings(home=tmp_path, privacy_holidays=tmp_path / "missing.txt"))
    days.write_text("soon\n")
    with pytest.raises(ConfigurationError, match=r"holidays.txt, line 1"):
        policy.load(load_settings(home=tmp_path, privacy_holidays=days))


def test_many_requests_are_listed_from_memory(register: Register, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        receive(register, asked([("user_id", str(number))]))
    register.all()
    monkeypatch.setattr(Path, "read_text", lambda *_: pytest.fail("read again"))
    assert len(register.all()) == 50 and os.getpid()
