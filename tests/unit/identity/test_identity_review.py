"""The review queue asks what is open, most valuable first, and nothing twice."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdp.domain.decisions import Author
from identity import decisions, review

AUTHOR = Author("reviewer", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def doubtful(shop):
    """Three namesakes of whom two cannot be one person, several times, and people beyond doubt."""
    shop.populate(6)
    for family in ("Doppelmann", "Zwillinger", "Gleichauf", "Ebenso"):
        mail = f"vera@{family}.de".lower()
        shop.add("sales", f"a{family}", first_name="Vera", last_name=family, email=mail)
        shop.add("sales", f"b{family}", first_name="Vera", last_name=family, email=mail)
        shop.add("web", f"c{family}", first_name="Vera", last_name=family, email=mail)
    shop.resolve()
    return shop


def queue(shop, **more):
    return review.review_queue(shop.connection, shop.log.rulings().links, **more)


def answer(shop, question, same):
    return decisions.answer(shop.log, shop.connection, question.record_a, question.record_b, same=same, author=AUTHOR)


def pairs(questions):
    return [{question.profile_a, question.profile_b} for question in questions]


def test_the_most_valuable_come_first(doubtful):
    questions = queue(doubtful)
    assert questions[0].reason == "refused: one record per source"
    assert not questions[0].joined
    assert [q.value for q in questions] == sorted((q.value for q in questions), reverse=True)
    assert review.backlog(doubtful.connection, ()) == len(questions)


def test_pages_are_the_queue(doubtful):
    whole = queue(doubtful)
    paged, after = [], None
    while page := queue(doubtful, limit=2, after=after):
        paged += page
        after = page[-1].place
    assert paged == whole and len(whole) >= 4


def test_an_answer_is_not_asked_for_again_before_or_after_it_is_carried_out(doubtful):
    first = queue(doubtful)[0]
    answer(doubtful, first, same=False)
    assert {first.profile_a, first.profile_b} not in pairs(queue(doubtful))
    doubtful.resolve()
    asked = queue(doubtful)
    assert (first.record_a, first.record_b) not in [(q.record_a, q.record_b) for q in asked]
    assert {doubtful.profile(first.record_a), doubtful.profile(first.record_b)} not in pairs(asked)


def test_what_was_merged_is_not_asked_again(doubtful):
    first = queue(doubtful)[0]
    decision = decisions.merge(doubtful.log, doubtful.connection, first.profile_a, first.profile_b, AUTHOR)
    doubtful.resolve()
    merged = {doubtful.profile(first.record_a)}
    assert merged not in pairs(queue(doubtful))
    decisions.withdraw(doubtful.log, decision.decision_id, AUTHOR)
    doubtful.resolve()
    assert {first.profile_a, first.profile_b} in pairs(queue(doubtful))
