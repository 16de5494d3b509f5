"""What may happen to a request, when, and by whom: single cases, and any sequence of actions."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from cdp.errors import ConflictError
from privacy.requests import request as acts
from privacy.requests.deadlines import RULES, Calendar
from privacy.requests.request import Request
from privacy.requests.words import Delay, Kind, Refusal, State, Verification

DAYS = Calendar()
START = datetime(2025, 1, 31, 10, tzinfo=UTC)
DUE = datetime(2025, 3, 1, tzinfo=UTC)


def made(rules: str = "gdpr", kind: Kind = Kind.ERASURE) -> Request:
    return acts.receive("er-1", kind, subjects=1, requester="ann", now=START, rules=rules, days=DAYS)


def verified(**more: Any) -> Request:
    return acts.verify(made(**more), Verification.LOGIN, actor="ann", now=START)


def approved(**more: Any) -> Request:
    return acts.approve(verified(**more), actor="bob", now=START, four_eyes=True)


def test_the_way_of_a_request() -> None:
    one = acts.begin(approved(), actor="pipeline", now=START)
    done = acts.complete(one, actor="pipeline", now=START)
    assert done.state is State.COMPLETED
    assert [(step.action, step.actor, step.note) for step in done.history] == [
        ("receive", "ann", ""),
        ("verify", "ann", "login"),
        ("approve", "bob", ""),
        ("begin", "pipeline", ""),
        ("complete", "pipeline", ""),
    ]
    assert acts.complete(one, actor="pipeline", now=START, partial=True).state is State.PARTIAL


def test_nothing_is_carried_out_for_somebody_unverified_or_without_approval() -> None:
    with pytest.raises(ConflictError, match="identity of the person has to be verified first"):
        acts.begin(made(), actor="pipeline", now=START)
    with pytest.raises(ConflictError, match="identity of the person has to be verified first"):
        acts.approve(made(), actor="bob", now=START, four_eyes=False)
    with pytest.raises(ConflictError, match="has to be approved first"):
        acts.begin(verified(), actor="pipeline", now=START)


def test_four_eyes_are_two_people_for_an_erasure() -> None:
    with pytest.raises(ConflictError, match="by somebody else"):
        acts.approve(verified(), actor="ann", now=START, four_eyes=True)
    by_other = acts.verify(made(), Verification.DOCUMENT, actor="bob", now=START)
    with pytest.raises(ConflictError, match="by somebody else"):
        acts.approve(by_other, actor="bob", now=START, four_eyes=True)
    assert acts.approve(by_other, actor="carol", now=START, four_eyes=True).state is State.APPROVED
    assert acts.approve(verified(), actor="ann", now=START, four_eyes=False).state is State.APPROVED
    assert acts.approve(verified(kind=Kind.ACCESS), actor="ann", now=START, four_eyes=True).state is State.APPROVED


def test_cancelled_late_is_refused() -> None:
    for early in (made(), verified(), approved()):
        assert acts.cancel(early, actor="ann", now=START).state is State.CANCELLED
    executing = acts.begin(approved(), actor="pipeline", now=START)
    with pytest.raises(ConflictError, match="is executing and can no longer be cancelled"):
        acts.cancel(executing, actor="ann", now=START)
    with pytest.raises(ConflictError, match="is completed and can no longer be cancelled"):
        acts.cancel(acts.complete(executing, actor="pipeline", now=START), actor="ann", now=START)
    refused = acts.refuse(made(), Refusal.NOT_IDENTIFIED, actor="bob", now=START)
    assert refused.reason == "not_identified"
    with pytest.raises(ConflictError, match="nothing can be changed any more"):
        acts.cancel(refused, actor="ann", now=START)


def test_again_changes_nothing() -> None:
    later = START + timedelta(days=1)
    one = verified()
    assert acts.verify(one, Verification.DOCUMENT, actor="bob", now=later) is one
    two = approved()
    assert acts.approve(two, actor="ann", now=later, four_eyes=True) == two
    gone = acts.cancel(made(), actor="ann", now=START)
    assert acts.cancel(gone, actor="bob", now=later) is gone
    no = acts.refuse(made(), Refusal.EXCESSIVE, actor="bob", now=START)
    assert acts.refuse(no, Refusal.UNFOUNDED, actor="ann", now=later) == no


def test_an_extension_is_told_before_the_first_month_ends() -> None:
    one = made()
    assert one.due_at == DUE.isoformat() and acts.last_day(one, DAYS) == "2025-02-28"
    in_time = acts.extend(one, Delay.COMPLEXITY, actor="bob", now=DUE - timedelta(microseconds=1), days=DAYS)
    assert in_time.extended and acts.last_day(in_time, DAYS) == "2025-04-30"
    with pytest.raises(ConflictError, match="was due on 2025-02-28; an extension had to be told before"):
        acts.extend(one, Delay.COMPLEXITY, actor="bob", now=DUE, days=DAYS)
    with pytest.raises(ConflictError, match="allow it once"):
        acts.extend(in_time, Delay.COMPLEXITY, actor="bob", now=START, days=DAYS)
    with pytest.raises(ConflictError, match="rules pipl know no extension"):
        acts.extend(made(rules="pipl"), Delay.COMPLEXITY, actor="bob", now=START, days=DAYS)
    with pytest.raises(ConflictError, match="nothing to extend"):
        acts.extend(acts.cancel(one, actor="a", now=START), Delay.COMPLEXITY, actor="b", now=START, days=DAYS)


def test_the_clock_starts_at_receipt_not_at_approval() -> None:
    late = START + timedelta(days=20)
    one = acts.approve(
        acts.verify(made(), Verification.DOCUMENT, actor="bob", now=late), actor="carol", now=late, four_eyes=True
    )
    assert one.due_at == DUE.isoformat()


def test_overdue_and_reminded() -> None:
    one = made()
    assert acts.standing(one, START) == "open" and acts.reminders(one, START) == ()
    week = DUE - timedelta(days=7)
    assert acts.standing(one, week - timedelta(seconds=1)) == "open"
    assert acts.standing(one, week) == "due_soon" and acts.reminders(one, week) == ("7_days",)
    told = acts.remind(one, "7_days", actor="pipeline", now=week)
    assert acts.reminders(told, week) == ()
    assert acts.reminders(told, DUE - timedelta(hours=1)) == ("1_day",)
    assert acts.standing(told, DUE - timedelta(microseconds=1)) == "due_soon"
    assert acts.standing(told, DUE) == "overdue" and acts.reminders(told, DUE) == ("overdue",)
    longer = acts.extend(told, Delay.COMPLEXITY, actor="bob", now=week, days=DAYS)
    assert acts.standing(longer, DUE) == "open"
    assert acts.reminders(longer, datetime(2025, 4, 29, tzinfo=UTC)) == ("7_days_extended",)
    assert acts.standing(acts.cancel(one, actor="ann", now=START), DUE) == "closed"


def test_a_missed_confirmation_is_overdue() -> None:
    one = made(rules="ccpa")
    too_late = datetime(2025, 2, 15, tzinfo=UTC)
    assert one.confirm_by == too_late.isoformat(), "ten business days from Friday, 31 January"
    assert acts.reminders(one, too_late - timedelta(days=3)) == ("confirm",)
    assert acts.standing(one, too_late - timedelta(seconds=1)) == "open"
    assert acts.standing(one, too_late) == "overdue"
    assert acts.standing(acts.confirm(one, actor="bob", now=START), too_late) == "open"


def test_a_record_of_a_former_version_is_read() -> None:
    former = {"request": "er-2", "kind": "erasure", "status": "approved", "requested_at": "2026-01-01T00:00:00+00:00",
              "subjects": 1, "doubtful": 2}  # fmt: skip
    one = Request.from_json(former)
    assert acts.standing(one, START) == "open" and acts.reminders(one, DUE) == () and acts.last_day(one, DAYS) == ""
    assert acts.begin(one, actor="pipeline", now=START).state is State.EXECUTING


@given(st.sampled_from(sorted(RULES)), st.sampled_from(list(Kind)))
def test_a_record_is_read_as_it_was_kept(rules: str, kind: Kind) -> None:
    one = acts.remind(verified(rules=rules, kind=kind), "7_days", actor="pipeline", now=START)
    assert Request.from_json({**json.loads(json.dumps(asdict(one))), "unknown": 1}) == one


class AnyActions(RuleBasedStateMachine):
    """Any actions by anybody at any time, in any order."""

    actors = st.sampled_from(["ann", "bob", "carol"])

    @initialize(rules=st.sampled_from(sorted(RULES)), kind=st.sampled_from(list(Kind)), four=st.booleans())
    def start(self, rules: str, kind: Kind, four: bool) -> None:
        self.now = START
        self.four = four
        self.one = made(rules=rules, kind=kind)

    def attempt(self, act: Any) -> None:
        before = self.one
        try:
            self.one = act()
        except ConflictError as error:
            assert before.request in error.message or before.rules in error.message
            return
        if before.state.is_final:
            assert self.one == before, "what is over stays as it is"

    @rule(days=st.integers(0, 20))
    def wait(self, days: int) -> None:
        self.now += timedelta(days=days)

    @rule(actor=actors)
    def verify(self, actor: str) -> None:
        self.attempt(lambda: acts.verify(self.one, Verification.LOGIN, actor=actor, now=self.now))

    @rule(actor=actors)
    def approve(self, actor: str) -> None:
        self.attempt(lambda: acts.approve(self.one, actor=actor, now=self.now, four_eyes=self.four))

    @rule()
    def begin(self) -> None:
        self.attempt(lambda: acts.begin(self.one, actor="pipeline", now=self.now))

    @rule(partial=st.booleans())
    def complete(self, partial: bool) -> None:
        self.attempt(lambda: acts.complete(self.one, actor="pipeline", now=self.now, partial=partial))

    @rule(actor=actors)
    def refuse(self, actor: str) -> None:
        self.attempt(lambda: acts.refuse(self.one, Refusal.UNFOUNDED, actor=actor, now=self.now))

    @rule(actor=actors)
    def cancel(self, actor: str) -> None:
        self.attempt(lambda: acts.cancel(self.one, actor=actor, now=self.now))

    @rule(actor=actors)
    def extend(self, actor: str) -> None:
        self.attempt(lambda: acts.extend(self.one, Delay.COMPLEXITY, actor=actor, now=self.now, days=DAYS))

    @rule(actor=actors)
    def confirm(self, actor: str) -> None:
        self.attempt(lambda: acts.confirm(self.one, actor=actor, now=self.now))

    @invariant()
    def history_tells_how_it_came_here(self) -> None:
        if not hasattr(self, "one"):
            return
        done = [step.action for step in self.one.history]
        assert done[0] == "receive" and [step.at for step in self.one.history] == sorted(s.at for s in self.one.history)
        for action in ("verify", "approve", "begin", "complete", "extend", "confirm"):
            assert done.count(action) <= 1
        if "begin" in done:
            assert done.index("verify") < done.index("approve") < done.index("begin")
            assert "cancel" not in done and "refuse" not in done
        if self.four and self.one.kind == "erasure" and "approve" in done:
            by = {step.action: step.actor for step in self.one.history}
            assert by["approve"] not in (by["receive"], by["verify"])
        extended = [step for step in self.one.history if step.action == "extend"]
        assert self.one.extended is bool(extended)
        first = acts.deadlines(RULES[self.one.rules], START, DAYS)
        assert all(datetime.fromisoformat(step.at) < first.due for step in extended)


TestAnyActions = AnyActions.TestCase
TestAnyActions.settings = settings(max_examples=60, stateful_step_count=25, deadline=None)
