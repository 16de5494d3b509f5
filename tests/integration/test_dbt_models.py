"""The models on small hand-made data: journeys against an independent slow reading, increments, odd input, failures."""

from __future__ import annotations

import csv
import random
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cdp.errors import CheckFailed
from cdp.settings import Settings, load_settings
from pipelines import transform
from tests.support.dbt_world import NOW, DbtWorld, deal, mail, sale, stamp, ticket, web

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds" / "retail"
RANDOM_PEOPLE = range(1000, 1300)
DAY = timedelta(days=1)
START = datetime(2024, 1, 1, 12)


def day(number: float) -> datetime:
    return START + number * DAY


def random_journeys(seed: int) -> dict[int, list[tuple[datetime, str]]]:
    """People with bursts and silences of events that any stage, lane and source has."""
    names = [
        "home", "Product Viewed", "Product Added", "Order Completed", "Support Chat Started", "sent", "click", "sale",
    ]  # fmt: skip
    draw = random.Random(seed)
    journeys: dict[int, list[tuple[datetime, str]]] = {}
    for person in RANDOM_PEOPLE:
        at, steps = day(draw.uniform(0, 200)), []
        for _ in range(draw.randint(0, 12)):
            steps.append((at, draw.choice(names)))
            # equal moments and exact limits are where window functions go wrong
            at += draw.choice([0, 0.01, 1, 14, 30, 60, 90, 90.5, 180, 365]) * DAY
        journeys[person] = [(moment.replace(microsecond=0), name) for moment, name in steps]
    return journeys


def documents(journeys: dict[int, list[tuple[datetime, str]]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {"web_events": [], "pos_transactions": [], "marketing_email_events": []}
    for person, steps in journeys.items():
        for number, (at, name) in enumerate(steps):
            key = f"r{person}-{number:02}"
            if name in {"sent", "click"}:
                found["marketing_email_events"].append(mail(person, name, at, key))
            elif name == "sale":
                found["pos_transactions"].append(sale(person, at, key))
            elif name == "home":
                found["web_events"].append({**web(person, "", at, key), "type": "page", "name": "home"})
            else:
                found["web_events"].append(web(person, name, at, key))
    return found


FIRST = {
    "sales_contacts": [
        {"Record ID": "1", "First Name": "Ann", "Email": "ann@example.org", "Create Date": stamp(day(0)),
         "Marketing Consent": "true"},
        {"Record ID": "2", "First Name": "Bob", "Create Date": "2024-01-02T03:04:05+02:00", "Marketing Consent": ""},
        {"Record ID": "3", "First Name": " ", "Create Date": stamp(day(0))},
    ],
    "sales_deals": [deal("1;2; 1", day(10), day(20), 900), deal("", day(10), day(20), 901, "Closed Lost")],
    "support_users": [{"id": 1, "name": "Ann", "email": None, "phone": None, "created_at": stamp(day(1))}],
    "support_tickets": [
        ticket(1, day(30), 500, solved=day(30) + timedelta(hours=72)),
        ticket(1, day(31), 501, solved=day(31) + timedelta(hours=72, seconds=1), score="bad"),
        ticket(1, datetime(2025, 12, 30), 502, score="unoffered"),
        ticket(99, day(40), 503),
    ],
    "pos_customers": [
        {"Reference ID": "L4", "First Name": "Eve", "Email Subscribed": "no"},
        {"Reference ID": "L1", "First Name": "Ann", "Email Subscribed": "no"},
    ],
    "pos_transactions": [
        {**sale(4, day(5), "T1", 20), "Date": "2024-07-01", "Time": "12:00:00", "Time Zone": "America/Los_Angeles",
         "Discounts": "-2.50", "Gross Sales": "$1,020.00"},
        sale(None, day(6), "T2"),
        {**sale(4, day(7), "T3"), "Time Zone": "Nowhere/Land"},
        {**sale(4, datetime(2026, 3, 1), "T4")},
    ],
    "web_events": [
        web(5, "Product Viewed", day(1), "m1"),
        {"type": "identify", "messageId": "m2", "anonymousId": "d5", "userId": "u5", "timestamp": stamp(day(1)),
         "traits": {"email": "old@example.org", "firstName": "Old"}},
        web(None, "Product Viewed", day(2), "m3", context={"userAgent": "Mozilla/5.0 (iPad; CPU OS 17_0) Mobile"}),
        web(5, "Some Custom Event", day(3), "m4"),
    ],
    "marketing_experiments": [
        {"experiment": "welcome", "email": "p5@example.org", "arm": "treatment", "assigned_at": stamp(day(2))},
    ],
}  # fmt: skip
SECOND = {
    "sales_contacts": [
        {"Record ID": "2", "First Name": "Bobby", "Create Date": "2024-01-02T03:04:05+02:00", "Marketing Consent": "no"}
    ],
    "sales_deals": [deal("2", day(10), day(20), 900)],
    "web_events": [
        # late: older than what the first batch brought
        web(5, "home", day(0.5), "m5"),
        {"type": "identify", "messageId": "m6", "anonymousId": "d5", "userId": "u6", "timestamp": stamp(day(4)),
         "traits": {"email": "new@example.org", "firstName": ""}},
        {"type": "identify", "messageId": "m7", "anonymousId": "d5", "userId": "u5", "timestamp": stamp(day(5)),
         "traits": {"email": "newest@example.org", "firstName": ""}},
        {"foreign": "columns", "messageId": "m8"},
    ],
    "marketing_email_events": [mail(1, "unsubscribe", day(50), "e1")],
}  # fmt: skip
# Of trigger `cart`: one fired before anybody was held out, two arms, one after now.
FIRINGS = [
    (1, "cart", "p1", day(60), "fired", 0.0),
    (2, "cart", "p2", day(61), "held_out", 0.1),
    (3, "cart", "p4", day(61), "fired", 0.1),
    (4, "cart", "p2", day(70), "held_out", 0.25),
    (5, "cart", "p4", day(70), "held_out", 0.25),
    (6, "cart", "p3", datetime(2026, 3, 1), "fired", 0.25),
    (7, "news", "p1", day(61), "fired", 0.0),
    (8, "cart", "p1", day(71), "fired", 0.25),
]
# With what the source said then: contact 2 says something else now, contact 1 the right mail itself, 9 is gone.
CORRECTIONS = [
    ("c1", "sales", "2", "first_name", "Rob", "Bob", "for_good"),
    ("c2", "pos", "L4", "first_name", None, "Eve", "until_changed"),
    ("c3", "sales", "1", "email", "Ann@example.org", "a@example.org", "for_good"),
    ("c4", "sales", "9", "email", "x@example.org", "y@example.org", "for_good"),
    ("c5", "sales", "3", "first_name", "Cid", "Sid", "until_changed"),
]
MAPPED = {"m8": web(None, "Product Added", day(6), "m8")}


@pytest.fixture(scope="module")
def journeys() -> dict[int, list[tuple[datetime, str]]]:
    return random_journeys(seed=3)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return load_settings(home=tmp_path_factory.mktemp("models"), threads=2)


@pytest.fixture(scope="module")
def world(settings: Settings, journeys: dict[int, list[tuple[datetime, str]]]) -> Iterator[DbtWorld]:
    """Two batches, each followed by a build of the staging layer, then identity and the marts."""
    made = DbtWorld(settings.warehouse)
    made.begin()
    made.deliver(FIRST)
    transform.run_dbt(settings, "staging")
    with made.connect() as connection:
        marks = "?, ?, ?, ?, ?, md5('=' || ? || chr(31)), ?"
        connection.executemany(f"insert into ops.corrections values ({marks})", CORRECTIONS)
    made.deliver(SECOND, MAPPED)
    made.deliver(documents(journeys))
    assert "--full-refresh" not in transform.dbt_arguments(settings, "staging")
    heard: list[str] = []
    report = transform.run_dbt(settings, "staging", on_line=heard.append)
    assert "staging.stg_web__events" in heard
    assert report.models > 15 and report.tests > 20
    made.identify([1, 2, 3, 4, 5, 6, *RANDOM_PEOPLE], anonymous=("x1",))
    with made.connect() as connection:
        connection.executemany("insert into ops.trigger_firings values (?, ?, ?, ?, ?, ?)", FIRINGS)
    transform.run_dbt(settings, "marts")
    return made


def slow_reading(steps: list[tuple[datetime, str]]) -> list[tuple[str, datetime, str]]:
    """(stage, entered, move) of one person, step by step as the seeds describe it."""
    with (SEEDS / "journey_stages.csv").open() as file:
        stages = [row for row in csv.DictReader(file) if row["is_path"] == "true"]
    hold = [int(row["hold_days"]) * DAY for row in stages]
    lapse = [int(row["lapse_after_days"]) * DAY for row in stages]
    purchases = 0
    evidence_of = {"home": 0, "Product Viewed": 1, "Product Added": 2, "click": 0}
    moments: dict[datetime, tuple[int | None, bool]] = {}
    for at, name in sorted(steps, key=lambda step: step[0]):
        if at > NOW:
            continue
        stage = evidence_of.get(name)
        if name in {"Order Completed", "sale"}:
            purchases += 1
            stage = 3 if purchases == 1 else 4
        known, active = moments.get(at, (None, False))
        best = max([value for value in (known, stage) if value is not None], default=None)
        moments[at] = (best, active or name != "sent")
    episodes: list[tuple[str, datetime, str]] = []
    last_evidence: dict[int, datetime] = {}
    current, lapsed, last_active = -1, False, NOW
    for at, (stage, active) in moments.items():
        if current < 0 and stage is None:
            stage, active = 0, True
        if stage is None and not active:
            continue
        if current >= 0 and not lapsed and at > last_active + lapse[current]:
            lapsed = True
            episodes.append(("lapsed", last_active + lapse[current], "lapse"))
        if stage is not None:
            last_evidence[stage] = at
            reached = max(k for k, when in last_evidence.items() if k == stage or when >= at - hold[k])
            if current < 0 or lapsed or reached != current:
                move = "start" if current < 0 else "restart" if lapsed else "forward" if reached > current else "back"
                episodes.append((stages[reached]["stage"], at, move))
            current, lapsed, last_active = reached, False, at
        elif not lapsed:
            last_active = at
    if current >= 0 and not lapsed and last_active + lapse[current] < NOW:
        episodes.append(("lapsed", last_active + lapse[current], "lapse"))
    return episodes


def test_journeys_equal_a_slow_reading(world: DbtWorld, journeys: dict[int, list[tuple[datetime, str]]]) -> None:
    found: dict[str, list[tuple[str, datetime, str]]] = {}
    for profile, *episode in world.rows(
        "select profile_id, stage, entered_at, move from marts.stage_episodes order by profile_id, episode_number"
    ):
        found.setdefault(profile, []).append(tuple(episode))
    touched = {person: steps for person, steps in journeys.items() if any(at <= NOW for at, _ in steps)}
    assert len(touched) > 200
    for person, steps in touched.items():
        assert found[f"p{person}"] == slow_reading(steps), steps
    moves = {move for episodes in found.values() for _, _, move in episodes}
    assert moves == {"start", "forward", "back", "restart", "lapse"}


def test_untouched_people_stand_at_the_beginning(
    world: DbtWorld, journeys: dict[int, list[tuple[datetime, str]]]
) -> None:
    untouched = next(person for person, steps in journeys.items() if not steps)
    found = world.rows(
        f"select stage, is_open, touchpoints from marts.stage_episodes where profile_id = 'p{untouched}'"
    )
    assert found == [("awareness", True, 0)]


@pytest.fixture(scope="module")
def rebuilt(world: DbtWorld, settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same raw data, built in full."""
    other = load_settings(home=tmp_path_factory.mktemp("rebuilt"), threads=2)
    shutil.copy(settings.warehouse, other.warehouse)
    transform.run_dbt(other, "staging", full_refresh=True)
    return other


def test_increments_equal_a_full_rebuild(settings: Settings, rebuilt: Settings) -> None:
    with DbtWorld(rebuilt.warehouse).connect() as connection:
        connection.execute(f"attach '{settings.warehouse}' as increments (read_only)")
        names = connection.execute(
            "select table_schema, table_name from information_schema.tables where table_catalog = 'increments'"
            " and table_schema in ('staging', 'intermediate') and table_name not like 'int_profile%'"
        ).fetchall()
        tables = [f"{schema}.{name}" for schema, name in names]
        assert "staging.stg_web__events" in tables and "intermediate.int_events" in tables
        for table in tables:
            left, right = f"increments.{table}", f"warehouse.{table}"
            for one, other in ((left, right), (right, left)):
                extra = connection.execute(f"select count(*) from (from {one} except all from {other})").fetchall()
                assert extra == [(0,)], table


def test_a_broken_rule_is_named_and_counted_without_values(rebuilt: Settings) -> None:
    copy = DbtWorld(rebuilt.warehouse, batch=50)
    copy.deliver({"web_events": [web(5, "Product Viewed", day(9), "secret-id"), web(5, "home", day(9), "secret-id")]})
    with pytest.raises(CheckFailed) as caught:
        transform.run_dbt(rebuilt, "staging")
    assert "test grain_stg_web__events_event_id found 1 row(s)" in caught.value.message
    assert "secret-id" not in caught.value.message
    assert "secret-id" not in "".join(path.read_text() for path in rebuilt.dbt_artifacts.rglob("*.log"))


def test_local_time_becomes_utc_and_discounts_reduce_the_sale(world: DbtWorld) -> None:
    found = world.rows("select occurred_at, amount from marts.purchases where purchase_id like 'pos:%:T1'")
    assert found == [(datetime(2024, 7, 1, 19), 1017.5)]
    assert world.rows("select occurred_at from staging.stg_pos__transactions where transaction_id = 'T3'") == [(None,)]


def test_a_deal_counts_once_for_its_first_contact(world: DbtWorld) -> None:
    # the second version of the deal names contact 2 alone
    found = world.rows("select profile_id, amount, currency from marts.purchases where source = 'sales'")
    assert found == [("p2", 100.0, "EUR")]
    assert world.rows(
        "select count(*) from marts.touchpoints where profile_id = 'p1' and source_record_key = '900'"
    ) == [(0,)]


def test_every_event_is_accounted_for(world: DbtWorld) -> None:
    accounts = {
        (source, entity): counts
        for source, entity, *counts in world.rows(
            "select source, source_entity, events, not_touchpoints, without_profile, after_now, touchpoints"
            " from marts.event_accounts where source in ('sales', 'support')"
        )
    }
    assert accounts[("sales", "contacts")] == [3, 0, 0, 0, 3]
    # a deal without contacts belongs to nobody
    assert accounts[("sales", "deals")] == [4, 0, 2, 0, 2]
    # the requester of one ticket is not in the export
    assert accounts[("support", "tickets")] == [4, 0, 1, 0, 3]
    assert world.rows(
        "select without_profile, after_now from marts.event_accounts where source = 'pos'"
    )[0][0] == 1  # fmt: skip


def test_tickets_are_slow_beyond_the_promise_and_open_ones_wait(world: DbtWorld) -> None:
    found = world.rows("select ticket_id, is_slow, hours_to_solution, satisfaction from marts.tickets order by 1")
    assert found == [
        ("500", False, 72.0, "good"),
        ("501", True, pytest.approx(72.0, abs=0.001), "bad"),
        ("502", False, None, None),
        ("503", True, None, "good"),
    ]


def test_the_newest_statement_about_consent_wins(world: DbtWorld) -> None:
    sql = "select profile_id, marketing_consent from marts.profiles where profile_id in ('p1','p2','p3','p4')"
    assert dict(world.rows(sql)) == {"p1": False, "p2": False, "p3": None, "p4": False}
    assert world.rows("select unsubscribed, channels from marts.profiles where profile_id = 'p1'") == [
        (True, ["sales", "support"])
    ]


def test_web_users_keep_the_latest_value_that_says_something(world: DbtWorld) -> None:
    found = world.rows(
        "select source_record_id, first_name, email, created_at from intermediate.int_source_records"
        " where source = 'web' and source_record_id in ('u5', 'u6') order by 1"
    )
    assert found == [
        ("u5", "Old", "newest@example.org", day(0.5)),
        ("u6", None, "new@example.org", day(4)),
    ]
    runs = world.rows(
        "select user_id, identified_at, last_seen_at from intermediate.int_device_identifies"
        " where anonymous_id = 'd5' order by run_number"
    )
    assert runs == [("u5", day(0.5), day(3)), ("u6", day(4), day(4)), ("u5", day(5), day(5))]


def test_mapped_documents_and_custom_events_are_touchpoints(world: DbtWorld) -> None:
    found = world.rows(
        "select source_record_key, touchpoint_type, stage, device, profile_id from marts.touchpoints"
        " where source_record_key in ('m2', 'm3', 'm4', 'm8') order by 1"
    )
    assert found == [
        ("m3", "product", "consideration", "tablet", "profile-of-x1"),
        ("m4", "web_event", None, None, "p5"),
        ("m8", "add_to_cart", "decision", None, "profile-of-x1"),
    ]


def test_empty_texts_are_null_and_others_stay_as_they_are(world: DbtWorld) -> None:
    found = world.rows(
        "select source_record_id, first_name, created_at from intermediate.int_source_records"
        " where source = 'sales' order by 1"
    )
    assert found == [("1", "Ann", day(0)), ("2", "Rob", datetime(2024, 1, 2, 1, 4, 5)), ("3", None, day(0))]


def test_what_was_put_right_takes_the_place_of_what_a_source_says(world: DbtWorld) -> None:
    assert world.rows("select correction_id, standing, profile_id from marts.corrections order by 1") == [
        ("c1", "source_differs", "p2"), ("c2", "applied", "p4"), ("c3", "source_agrees", "p1"),
        ("c4", "record_gone", None), ("c5", "ended", "p3"),
    ]  # fmt: skip
    shown = "select source_record_id, first_name, email, corrected from intermediate.int_source_records"
    assert world.rows(f"{shown} where corrected is not null order by 1") == [
        ("1", "Ann", "Ann@example.org", " email"), ("2", "Rob", None, " first_name"), ("L4", None, None, " first_name"),
    ]  # fmt: skip


def test_experiments_and_mails_reach_the_person_by_address(world: DbtWorld) -> None:
    found = world.rows("select experiment, profile_id, arm from marts.experiments where experiment = 'welcome'")
    assert found == [("welcome", "p5", "treatment")]
    unknown = "select count(*) from marts.touchpoints where source = 'marketing' and profile_id is null"
    assert world.rows(unknown) == [(0,)]


def test_firings_are_on_the_timeline_and_move_nobody(world: DbtWorld) -> None:
    found = world.rows(
        "select touchpoint_id, profile_id, event_name, touchpoint_type, channel, campaign, occurred_at, stage,"
        " is_activity from marts.touchpoints where source = 'triggers' order by touchpoint_id"
    )
    assert [row[0] for row in found] == [f"triggers:firings:{one}" for one in (1, 3, 7, 8)], "held out is out"
    assert found[0][1:] == ("p1", "Trigger Fired", "trigger_fired", "automation", "cart", day(60), None, False)
    accounts = "select events, not_touchpoints, after_now, touchpoints from marts.event_accounts"
    assert world.rows(f"{accounts} where source = 'triggers'") == [(5, 0, 1, 4)]


def test_a_trigger_that_holds_people_out_is_an_experiment(world: DbtWorld) -> None:
    found = world.rows(
        "select experiment, profile_id, arm, assigned_at from marts.experiments where experiment <> 'welcome'"
        " order by 2"
    )
    assert found == [
        ("trigger:cart:0.25", "p1", "treatment", day(71)),
        ("trigger:cart:0.1", "p2", "control", day(61)),
        ("trigger:cart:0.1", "p4", "treatment", day(61)),
    ], "another share takes nobody from the first one"
