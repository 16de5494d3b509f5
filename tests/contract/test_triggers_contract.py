"""Triggers on SQLite and on PostgreSQL: when they fire, for whom, how often, and what reaches the receiver."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st

from activation import triggers
from cdp.errors import ConflictError, InputError, NotFoundError, VersionMismatch
from cdp.store import destinations
from cdp.store import triggers as kept
from cdp.store.base import Redirect
from cdp.store.erasing import SqlEraser
from cdp.store.migrate import MIGRATIONS
from cdp.store.schema import segments
from cdp.store.trigger_tables import trigger_firings
from pipelines import firings
from pipelines.ingest import tables
from tests.contract.activation_shop import Shop, number
from tests.support.publications import NOW, profile_id
from tests.support.receiver import Receiver, receiving

HOUR = timedelta(hours=1)


@pytest.fixture(params=["sqlite", "postgres"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    if request.param == "sqlite":
        url = f"sqlite:///{shutil.copy(request.getfixturevalue('template'), tmp_path / 'store.sqlite')}"
    else:
        url = request.getfixturevalue("shared_url")
        request.getfixturevalue("postgres_server").empty(url)
    found = Shop(url)
    found.members()
    yield found
    found.outbox.close()
    found.store.close()


def trigger(shop: Shop, expected: int | None = None, **facts: Any) -> None:
    wanted = triggers.parse({"key": "welcome", "title": "Welcome", "segment": "vip", **facts})
    triggers.save(shop.outbox, wanted, by="tester", at=NOW, expected=expected)


def fire(shop: Shop, at: datetime) -> dict[str, int]:
    (done,) = triggers.run(shop.outbox, at)
    return done.outcomes


def at_run(shop: Shop) -> datetime:
    """The data's now of the last run."""
    return NOW + shop.runs * HOUR


def states(shop: Shop) -> list[tuple[int, str]]:
    return [(number(one.profile_id), one.state) for one in kept.log(shop.outbox, limit=1000)]


def test_it_fires_once_after_its_delay_and_asks_again_before(shop: Shop) -> None:
    with receiving() as receiver:
        shop.members(9)
        shop.destination(url=receiver.url)
        shop.work()
        receiver.received.clear()
        trigger(shop, delay="30m", destination="crm")
        shop.members(9, 1, 2)
        then = at_run(shop)
        assert fire(shop, then + timedelta(minutes=29)) == {}
        shop.members(9, 1)
        assert fire(shop, then + timedelta(minutes=90)) == {"fired": 1, "left": 1}
        assert fire(shop, then + timedelta(days=1)) == {}, "once"
        assert states(shop) == [(1, "fired"), (2, "left")]
        shop.work()
        fired = [one for one in receiver.received if one.json["type"] == "trigger.welcome"]
        assert [one.json["profile"] for one in fired] == [{"profile_id": profile_id(1), "mail": "p1@example.org"}]


def test_who_was_in_before_the_trigger_is_passed_over(shop: Shop) -> None:
    shop.members(1)
    trigger(shop)
    assert fire(shop, at_run(shop)) == {}
    shop.members()
    shop.members(1)
    assert fire(shop, at_run(shop)) == {"fired": 1}


def test_without_a_second_look_it_fires_for_who_has_left(shop: Shop) -> None:
    trigger(shop, delay="2h", recheck=False)
    shop.members(1)
    then = at_run(shop)
    shop.members()
    assert fire(shop, then + 2 * HOUR) == {"withheld": 1}, "whose consent nobody can ask any more is not used"


def test_a_withdrawn_consent_is_no_firing(shop: Shop) -> None:
    trigger(shop, delay="1h")
    shop.members(1, 2)
    shop.store.segmentation.withdraw([profile_id(1)], ["marketing"], at=at_run(shop))
    assert fire(shop, at_run(shop) + HOUR) == {"fired": 1, "withheld": 1}


def test_caps_hold_per_trigger_and_over_all(shop: Shop) -> None:
    trigger(shop, cap={"most": 1, "days": 7}, cap_all={"most": 2, "days": 30})
    for outcome in ("fired", "capped"):
        shop.members(1)
        assert fire(shop, at_run(shop)) == {outcome: 1}
        shop.members()
    later = at_run(shop) + timedelta(days=8)
    shop.members(1)
    assert fire(shop, later) == {"fired": 1}, "the week is over"
    shop.members()
    shop.members(1)
    assert fire(shop, later + timedelta(days=8)) == {"capped": 1}, "two in thirty days are enough"


def test_the_holdout_is_stable_and_counts_as_the_other_arm(shop: Shop) -> None:
    trigger(shop, holdout=0.5, cap={"most": 1, "days": 7})
    everybody = range(1, 41)
    shop.members(*everybody, people=40)
    first = fire(shop, at_run(shop))
    assert first["fired"] + first["held_out"] == 40 and min(first.values()) >= 8
    arms = dict(states(shop))
    shop.members(people=40)
    shop.members(*everybody, people=40)
    assert fire(shop, at_run(shop)) == {"capped": 40}, "both arms are capped alike"
    shop.members(people=40)
    shop.members(*everybody, people=40)
    assert fire(shop, at_run(shop) + timedelta(days=9)) == first
    again = dict(states(shop)[80:])
    assert again == arms, "nobody changes sides"


def test_another_share_changes_nothing_of_what_was_measured(shop: Shop) -> None:
    """Each firing keeps the share it was decided with, in the store and, under that share, in the warehouse."""
    trigger(shop, holdout=0.5)
    shop.members(*range(1, 21), people=40)
    fire(shop, at_run(shop))
    before = kept.log(shop.outbox)
    trigger(shop, expected=1)
    shop.members(*range(1, 31), people=40)
    assert fire(shop, at_run(shop)) == {"fired": 10}
    trigger(shop, expected=2, holdout=0.25, delay="1h")
    shop.members(*range(1, 41), people=40)
    found = kept.log(shop.outbox)
    assert found[:20] == before and {one.holdout for one in before} == {0.5}
    assert [one.holdout for one in found[20:]] == [0.0] * 10 + [None] * 10, "who waits has no share yet"
    with shop.outbox.writing() as connection:
        connection.execute(sa.update(trigger_firings).values(holdout=None))
        migration = ScriptDirectory(str(MIGRATIONS)).get_revision("0007")
        assert migration is not None
        migration.module.fill(connection)
    held = [number for number, one in enumerate(found) if one.state == "held_out"]
    filled = [one.holdout for one in kept.log(shop.outbox)]
    assert filled[: held[-1] + 1] == [0.0] * held[0] + [0.25] * (held[-1] + 1 - held[0])
    assert filled[held[-1] + 1 :] == [0.0] * (29 - held[-1]) + [None] * 10, "only while some were held out"


def test_quiet_hours_are_those_of_the_person(shop: Shop) -> None:
    """22:30 in Berlin and 16:30 in New York; quiet is 21 to 8."""
    trigger(shop, quiet={"begin": "21:00", "end": "08:00", "zone": "UTC"})
    people = {
        1: {"traits": {"phone": "+4930123456", "country": "US"}},
        2: {"traits": {"phone": None, "country": "US"}},
        3: {"traits": {}},
    }
    from tests.support.publications import publish

    moment = datetime(2026, 2, 1, 21, 30, tzinfo=UTC)
    publish(shop.store, people, run="night", members={"vip": [1, 2, 3]}, as_of=moment)
    assert fire(shop, moment) == {"fired": 1, "put off": 2}
    assert dict(states(shop)) == {1: "waiting", 2: "fired", 3: "waiting"}
    assert fire(shop, moment + 9 * HOUR) == {}, "6:30 UTC, 7:30 in Berlin"
    assert fire(shop, moment + 9.5 * HOUR) == {"fired": 1}, "8:00 in Berlin"
    assert fire(shop, moment + 10.5 * HOUR) == {"fired": 1}, "8:00 UTC"


def test_a_merge_while_it_waits_fires_for_the_living(shop: Shop) -> None:
    trigger(shop, delay="1h")
    shop.members(1)
    then = at_run(shop)
    shop.members(2, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    assert fire(shop, then + HOUR) == {"fired": 1}
    assert states(shop) == [(2, "fired")]


def test_who_entered_twice_meanwhile_is_told_once(shop: Shop) -> None:
    trigger(shop, delay="1h")
    shop.members(1, 2, 3)
    shop.members(1, 2)
    shop.members(1, 2, 3)
    shop.members(2, 3, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    assert fire(shop, at_run(shop) + HOUR) == {"fired": 2, "capped": 2}
    assert sorted(states(shop)) == [(2, "capped"), (2, "fired"), (3, "capped"), (3, "fired")]


def test_an_erasure_takes_firings_along(shop: Shop) -> None:
    trigger(shop)
    shop.members(1, 2)
    assert SqlEraser(shop.url).erase([profile_id(1)], None).rows["trigger_firings"] == 1
    assert fire(shop, at_run(shop)) == {"fired": 1}
    assert states(shop) == [(2, "fired")]


def test_firings_reach_the_warehouse_under_the_id_that_the_person_lives_on_as(shop: Shop) -> None:
    trigger(shop, holdout=0.5)
    shop.members(*range(1, 21), people=30)
    fire(shop, at_run(shop))
    arms = dict(states(shop))
    trigger(shop, expected=1, delay="9h")
    shop.members(1, 2, 21, 22, people=30)
    assert fire(shop, at_run(shop)) == {}, "who waits has not fired"
    with duckdb.connect() as warehouse:
        tables.ensure(warehouse)
        warehouse.execute("create schema identity")
        warehouse.execute("create table identity.profiles (profile_id varchar, status varchar, merged_into varchar)")

        def copied(**gone: tuple[str, int | None]) -> dict[int, str]:
            """What is in the warehouse when some ids, `p1` for the first, are no longer living."""
            rows = [
                (profile_id(one), status, profile_id(heir) if heir else None)
                for one in range(1, 31)
                for status, heir in [gone.get(f"p{one}", ("living", None))]
            ]
            warehouse.execute("delete from identity.profiles")
            warehouse.executemany("insert into identity.profiles values (?, ?, ?)", rows)
            count = firings.replace(warehouse, shop.outbox)
            sql = "select profile_id, state, decided_at, holdout from ops.trigger_firings where trigger_key = 'welcome'"
            found = warehouse.execute(sql).fetchall()
            assert len(found) == count and {row[2:] for row in found} <= {(datetime(2026, 1, 1, 2), 0.5)}
            return {number(row[0]): row[1] for row in found}

        assert copied() == arms and set(arms.values()) == {"fired", "held_out"}
        expected = {one: state for one, state in arms.items() if one not in (1, 2, 3)}
        merged = copied(p1=("merged", 2), p2=("merged", 29), p3=("retired", None))
        assert merged.pop(29) in (arms[1], arms[2]) and merged == expected
        SqlEraser(shop.url).erase([profile_id(one) for one in range(1, 21)], None)
        assert copied() == {}, "nothing of the erased comes back"


def test_mistakes_are_told(shop: Shop) -> None:
    trigger(shop)
    for wrong, error, said in (
        ({}, ConflictError, "already"),
        ({"key": "b", "segment": "vipp"}, NotFoundError, "Did you mean vip"),
        ({"key": "b", "destination": "nowhere"}, NotFoundError, "nowhere"),
        ({"key": "b", "delay": "soon"}, InputError, "delay.*for example 30m"),
        ({"key": "b", "holdout": 0.9}, InputError, "holdout"),
        ({"key": "b", "quiet": {"begin": "21:00", "end": "8:00", "zone": "Mars"}}, InputError, "quiet"),
        (
            {"key": "b", "quiet": {"begin": 1260, "end": "08:00"}},
            InputError,
            "quiet.begin: write a time of day in quotes",
        ),
        (
            {"key": "b", "quiet": {"begin": "21:00", "end": "08:00", "zone": "Europe/Berln"}},
            InputError,
            "Europe/Berlin",
        ),
        ({"key": "b", "caps": 3}, InputError, "caps: .*Did you mean cap"),
        ({"key": "b", "cap": {"mots": 1, "days": 7}}, InputError, "cap.mots: .*Did you mean most"),
        ({"key": "welcom", "expected": 1}, NotFoundError, "Did you mean welcome"),
    ):
        with pytest.raises(error, match=said):
            trigger(shop, **wrong)
    with pytest.raises(VersionMismatch):
        trigger(shop, expected=5)
    trigger(shop, expected=1, delay="2h")
    assert kept.read(shop.outbox, "welcome").version == 2
    kept.delete(shop.outbox, "welcome")
    with pytest.raises(NotFoundError, match="no trigger 'welcome'"):
        kept.read(shop.outbox, "welcome")


def test_switched_off_it_stays_off_and_its_destination_stays(shop: Shop) -> None:
    shop.destination(url="http://127.0.0.1:9/")
    trigger(shop, destination="crm")
    with pytest.raises(ConflictError, match=r"told by welcome; change or delete"):
        destinations.delete(shop.outbox, "crm", expected=None)
    for kind in (kept, destinations):
        kind.switch(shop.outbox, "welcome" if kind is kept else "crm", enabled=False, by="tester", at=NOW)
    trigger(shop, expected=2, destination="crm", delay="2h")
    assert not kept.read(shop.outbox, "welcome").enabled, "a change switches nothing on"
    shop.members(1)
    assert triggers.run(shop.outbox, at_run(shop) + 2 * HOUR) == [] and states(shop) == []
    with shop.outbox.writing() as connection:
        connection.execute(sa.delete(segments))
    assert kept.switch(shop.outbox, "welcome", enabled=True, by="tester", at=NOW).enabled
    assert destinations.switch(shop.outbox, "crm", enabled=True, by="tester", at=NOW).enabled
    kept.delete(shop.outbox, "welcome")
    destinations.delete(shop.outbox, "crm", expected=3)


def test_a_run_that_is_killed_neither_doubles_nor_loses(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """Firing and message are one transaction: broken off in between, neither is there; run again, each is once."""
    with receiving() as receiver:
        shop.destination(url=receiver.url)
        trigger(shop, destination="crm")
        shop.members(1, 2, 3)
        real, calls = kept.decide, []

        def breaks(*arguments: Any, **more: Any) -> None:
            calls.append(1)
            real(*arguments, **more)
            if len(calls) == 2:
                raise RuntimeError("killed")

        monkeypatch.setattr(kept, "decide", breaks)
        with pytest.raises(RuntimeError):
            fire(shop, at_run(shop))
        assert set(states(shop)) == {(1, "waiting"), (2, "waiting"), (3, "waiting")}
        monkeypatch.setattr(kept, "decide", real)
        assert fire(shop, at_run(shop)) == {"fired": 3}
        shop.work()
        assert _fired(receiver) == [1, 2, 3]


def _fired(receiver: Receiver) -> list[int]:
    return [number(r.json["profile"]["profile_id"]) for r in receiver.received if r.json["type"].startswith("trigger.")]


def test_quiet_hours_that_end_while_clocks_are_put_forward_end_then() -> None:
    """In Newfoundland 02:30 is no time of that night: at 02:00 it is 03:00, and from 03:16 on it is quiet again."""
    quiet = {"begin": "03:16", "end": "02:30", "zone": "America/St_Johns"}
    wanted = triggers.parse({"key": "k", "title": "t", "segment": "s", "quiet": quiet})
    later = triggers._after_quiet(
        wanted, kept.Person(profile_id(1), True, True, None), datetime(2026, 3, 7, 9, tzinfo=UTC)
    )
    assert later == datetime(2026, 3, 8, 5, 30, tzinfo=UTC)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)), st.data())
def test_quiet_hours_end_outside_of_themselves(now: datetime, data: st.DataObject) -> None:
    begin, end = (f"{data.draw(st.integers(0, 23)):02}:{data.draw(st.integers(0, 59)):02}" for _ in range(2))
    zone = data.draw(st.sampled_from(["UTC", "Asia/Kathmandu", "America/St_Johns", "Asia/Shanghai"]))
    quiet = {"begin": begin, "end": end, "zone": zone}
    wanted = triggers.parse({"key": "k", "title": "t", "segment": "s", "quiet": quiet})
    who = kept.Person(profile_id(1), True, True, None)
    later = triggers._after_quiet(wanted, who, now)
    if begin == end:
        assert later is None
    elif later is not None:
        assert now < later <= now + timedelta(days=1, hours=2)
        assert triggers._after_quiet(wanted, who, later) is None
