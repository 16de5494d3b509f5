"""Each shipped segment on people made for it: who is in, and who only just is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from segments import library
from segments.evaluate import evaluate_all
from segments.text_parser import parse_text
from segments.text_printer import print_text
from tests.unit.segments.conftest import Fill
from tests.unit.segments.segment_reference import World

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
SHIPPED = {definition.key: definition for definition in library.load()}


def ago(days: float) -> datetime:
    return AS_OF.replace(tzinfo=None) - timedelta(days=days)


def person(*events: tuple[str, float], moves: tuple[tuple[str, float], ...] = (), **traits: Any) -> dict[str, Any]:
    """A person by what differs from someone who is identified, unknown in most respects and never bought."""
    known = {"is_anonymous": False, "purchases": 0, "revenue": 0.0, "slow_tickets": 0, "satisfaction_good": 0,
             "satisfaction_bad": 0, "touchpoints": 1, "channels": ["web"], "current_stage": "awareness"}  # fmt: skip
    predicted = {name: traits.pop(name) for name in ("lapse_risk",) if name in traits}
    return {"traits": {**known, **traits}, "events": events, "moves": moves, "predicted": predicted}


BUYER = {"purchases": 1, "revenue": 10.0}
MAILABLE = {"email": "x@example.org", "marketing_consent": True, "unsubscribed": False}
STAR = {"purchases": 9, "revenue": 900.0}
CROWD = [person(**BUYER) for _ in range(10)]

# Members, people who are not, and further people who only have to be there.
CASES: dict[str, tuple[list[Any], list[Any], list[Any]]] = {
    "new_this_week": (
        [person(first_seen_at=ago(7))],
        [
            person(first_seen_at=ago(7.01)),
            person(first_seen_at=ago(1), is_anonymous=True),
            person(first_seen_at=ago(1), touchpoints=0),
        ],
        [],
    ),
    "first_purchase": (
        [person(**BUYER, first_purchase_at=ago(90))],
        [person(**BUYER, first_purchase_at=ago(91)), person(purchases=2, first_purchase_at=ago(9))],
        [],
    ),
    "repeat_buyers": ([person(purchases=2)], [person(purchases=1), person()], []),
    "vip": ([person(**STAR)], [person(**BUYER), person(revenue=5000.0)], CROWD[:8]),
    "lapsed_vip": (
        [person(**STAR, current_stage="lapsed")],
        [person(**STAR, current_stage="use"), person(**BUYER, current_stage="lapsed")],
        CROWD + CROWD[:7],
    ),
    "vip_at_risk": (
        [person(**STAR, last_purchase_at=ago(91))],
        [person(**STAR, last_purchase_at=ago(90)), person(**STAR, last_purchase_at=ago(91), current_stage="lapsed")],
        CROWD * 3,
    ),
    "win_back": (
        [person(**BUYER, **MAILABLE, current_stage="lapsed")],
        [
            person(**BUYER, **{**MAILABLE, "unsubscribed": True}, current_stage="lapsed"),
            person(**BUYER, **{**MAILABLE, "email": None}, current_stage="lapsed"),
            person(**MAILABLE, current_stage="lapsed"),
        ],
        [],
    ),
    "cooling_down": (
        [person(last_purchase_at=ago(60), last_seen_at=ago(61))],
        [
            person(last_purchase_at=ago(366), last_seen_at=ago(366)),
            person(last_purchase_at=ago(61), last_seen_at=ago(59)),
            person(last_purchase_at=ago(61), last_seen_at=ago(61), current_stage="lapsed"),
        ],
        [],
    ),
    "cart_abandoners": (
        [person(("Order Completed", 9), ("Product Added", 8)), person(("Product Added", 30))],
        [
            person(("Product Added", 8), ("Order Completed", 7)),
            person(("Product Added", 31)),
            person(("Cart Viewed", 1)),
        ],
        [],
    ),
    "payment_failed": (
        [person(("Payment Failed", 3)), person(("Payment Failed", 3), ("Order Completed", 1.9))],
        [
            person(("Payment Failed", 3), ("Order Completed", 2)),
            person(("Payment Failed", 0.5)),
            person(("Payment Failed", 91)),
        ],
        [],
    ),
    "wishlist_waiting": (
        [person(("Product Added to Wishlist", 60))],
        [person(("Product Added to Wishlist", 60), ("Order Completed", 1)), person(("Product Added to Wishlist", 61))],
        [],
    ),
    "window_shoppers": (
        [person(("Product Viewed", 1), ("Product Viewed", 2), ("Product Viewed", 3))],
        [
            person(("Product Viewed", 1.1), ("Product Viewed", 1.2), ("Product Viewed", 3)),
            person(("Product Viewed", 1), ("Product Viewed", 2), ("Product Viewed", 3), purchases=1),
        ],
        [],
    ),
    "stuck_in_consideration": (
        [person(current_stage="consideration", stage_since=ago(14))],
        [
            person(current_stage="consideration", stage_since=ago(13.9)),
            person(current_stage="decision", stage_since=ago(20)),
        ],
        [],
    ),
    "stepped_back": (
        [person(moves=(("back", 90),))],
        [person(moves=(("back", 91),)), person(moves=(("forward", 1), ("restart", 1)))],
        [],
    ),
    "came_back": ([person(moves=(("restart", 30),))], [person(moves=(("restart", 31), ("start", 1)))], []),
    "detractors": (
        [person(satisfaction_bad=1), person(satisfaction_bad=1, satisfaction_good=2, slow_tickets=1)],
        [person(slow_tickets=1), person(satisfaction_bad=1, satisfaction_good=1)],
        [],
    ),
    "waited_too_long": (
        [person(slow_tickets=1, purchases=1, last_purchase_at=ago(91))],
        [
            person(slow_tickets=1, purchases=1, last_purchase_at=ago(89)),
            person(slow_tickets=1),
            person(purchases=1, last_purchase_at=ago(91)),
        ],
        [],
    ),
    "promoters": (
        [person(current_stage="loyalty", satisfaction_good=1)],
        [
            person(current_stage="loyalty", satisfaction_good=3, satisfaction_bad=1),
            person(current_stage="use", satisfaction_good=1),
        ],
        [],
    ),
    "email_readers": (
        [person(("click", 365), **MAILABLE)],
        [
            person(("click", 366), **MAILABLE),
            person(("click", 1), email="x@example.org"),
            person(("open", 1), **MAILABLE),
        ],
        [],
    ),
    "store_only": (
        [person(channels=["store", "email"])],
        [person(channels=["store", "web"]), person(channels=["email"]), person(channels=None)],
        [],
    ),
    "unconsented": (
        [person()],
        [person(marketing_consent=False), person(unsubscribed=True), person(is_anonymous=True), person(**MAILABLE)],
        [],
    ),
    "likely_to_lapse": (
        [person(**BUYER, lapse_risk=0.5)],
        [person(**BUYER, lapse_risk=0.49), person(lapse_risk=0.9), person(**BUYER)],
        [],
    ),
    "holdout": ([], [], []),
}
TYPES = {"click": "mail_click", "open": "mail_open"}


def world(people: list[dict[str, Any]]) -> World:
    ids = [f"p{number:03}" for number in range(len(people))]
    return World(
        AS_OF,
        [{"profile_id": one, **each["traits"]} for one, each in zip(ids, people, strict=True)],
        [
            {"profile_id": one, "touchpoint_id": f"{one}-{number}", "occurred_at": ago(days), "event_name": name,
             "touchpoint_type": TYPES.get(name, "other")}
            for one, each in zip(ids, people, strict=True) for number, (name, days) in enumerate(each["events"])
        ],
        [
            {"profile_id": one, "occurred_at": ago(days), "move": move}
            for one, each in zip(ids, people, strict=True) for move, days in each["moves"]
        ],
        predictions=[{"profile_id": one, **each["predicted"]} for one, each in zip(ids, people, strict=True)],
    )  # fmt: skip


def test_at_least_fifteen_are_shipped_and_each_has_its_case() -> None:
    assert len(SHIPPED) >= 15
    assert set(CASES) == set(SHIPPED)


@pytest.mark.parametrize("key", CASES)
def test_who_is_in_and_who_is_not(fill: Fill, key: str) -> None:
    inside, outside, others = CASES[key]
    connection, _ = fill(world([*inside, *outside, *others]))

    evaluation = evaluate_all(connection, SHIPPED.values(), as_of=AS_OF)
    found = evaluation.members(key).read_all().column("profile_id").to_pylist()

    assert evaluation.segment(key).problem is None
    decided = [one for one in found if int(one[1:]) < len(inside) + len(outside)]
    assert decided == [f"p{number:03}" for number in range(len(inside))]


def test_the_holdout_is_a_stable_twentieth(fill: Fill) -> None:
    connection, _ = fill(world([person() for _ in range(400)]))
    found = [
        evaluate_all(connection, [SHIPPED["holdout"]], as_of=AS_OF).members("holdout").read_all().to_pylist()
        for _ in range(2)
    ]
    assert found[0] == found[1]
    assert 5 <= len(found[0]) <= 40


@pytest.mark.parametrize("key", SHIPPED)
def test_shipped_definitions_speak(key: str) -> None:
    definition = SHIPPED[key]
    assert definition.description.endswith(".")
    assert definition.tags
    assert parse_text(print_text(definition.where))
