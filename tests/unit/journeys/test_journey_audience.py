from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import InputError, NotFoundError
from cdp.store.base import ProfileDocument, Publication
from cdp.store.memory import InMemoryStore
from journeys import period
from journeys.asking import ask
from journeys.audience import Audience, beside, choose, resolve, spelled, titled
from journeys.naming import unknown
from tests.support.publications import segment

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def day(year, month, day_of_month):
    return datetime(year, month, day_of_month, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "since", "last_day"),
    [
        ("2025-03-05..2025-03-05", day(2025, 3, 5), day(2025, 3, 5)),
        ("2024-02..2024-02", day(2024, 2, 1), day(2024, 2, 29)),
        ("2025..2025-06", day(2025, 1, 1), day(2025, 6, 30)),
        ("2025-07..", day(2025, 7, 1), None),
        ("..2025", None, day(2025, 12, 31)),
    ],
)
def test_periods_hold_both_days(text, since, last_day):
    found = period.period(text)
    assert found[0] == since
    assert found[1] == (last_day and last_day + timedelta(days=1) - timedelta(microseconds=1))


@pytest.mark.parametrize(
    "text",
    ["", "..", "2025", "2025-13..", "2025-02-30..", "soon..", "2025-06..2025-01", "0000..", "2025-1-1..", "9999..x"],
)
def test_senseless_periods_are_refused(text):
    with pytest.raises(InputError):
        period.period(text)


def test_examples_of_periods_end_where_they_end():
    with pytest.raises(InputError, match=r"or `2025-01\.\.`\.$"):
        period.period("gaga")


@given(st.text(max_size=30))
def test_no_text_breaks_the_notations(text):
    for parse in (period.period, period.hours, period.duration):
        try:
            parse(text)
        except InputError as error:
            assert len(error.message) < 200


@given(st.integers(1, 99_999), st.sampled_from(["min", "h", "d", "w"]))
def test_durations_are_spelled_as_they_are_read(number, unit):
    span = period.duration(f"{number}{unit}")
    assert period.duration(period.spell(span)) == span


def test_durations_in_days_are_whole():
    assert period.days(period.duration("2w")) == 14
    with pytest.raises(InputError, match="no number of whole days"):
        period.days(period.duration("36h"))


def test_hours_may_go_over_midnight():
    assert period.hours("22..6") == (22, 6)
    for wrong in ("22", "6..6", "24..3", "1..25", "a..b"):
        with pytest.raises(InputError, match="hours of the day"):
            period.hours(wrong)


def test_the_nearest_names_are_offered():
    known = ["awareness", "consideration", "decision"]
    assert unknown("stage", "decison", known) == "There is no stage `decison`; did you mean `decision`?"
    assert "there are awareness, consideration, decision" in unknown("stage", "zzz", known)
    assert "there is none yet" in unknown("segment", "x", [])
    assert "there are 40, among them" in unknown("event", "?", [f"event {n:02d}" for n in range(40)])
    assert len(unknown("event", "x" * 10_000, known)) < 300


def test_new_and_returning_need_a_period():
    for who in ("new", "returning"):
        with pytest.raises(InputError, match="in a period"):
            choose(who=who)
    with pytest.raises(InputError, match="new or returning"):
        choose(who="old", period="2025..")
    assert choose(who="new", period="2025..").who == "new"


def test_what_stands_beside_keeps_the_other_choices():
    base = choose(segment="vip", channel="web", who="new", period="2025-01..2025-06")
    assert beside(base, "returning") == base.model_copy(update={"who": "returning"})
    assert beside(base, "channel:store").channel == "store" and beside(base, "channel:store").segment == "vip"
    assert beside(base, "hours:18..22").hours == (18, 22)
    assert beside(base, "other").segment == "other"
    assert beside(base, "persona:bargain_hunter").persona == "bargain_hunter"
    assert beside(base, "period:2024..2024").since == day(2024, 1, 1)
    assert beside(base, "everybody") == Audience(since=base.since, until=base.until)
    for wrong, words in (("colour:red", "cannot be compared"), ("channel:", "after the colon")):
        with pytest.raises(InputError, match=words):
            beside(base, wrong)
    with pytest.raises(InputError, match="in a period"):
        beside(Audience(), "new")


def test_an_audience_is_spelled_as_it_is_chosen():
    chosen = choose(segment="vip", channel="web", hours="22..6", who="new", period="2025-01-02..2025-03-04")
    words = spelled(chosen)
    options = dict(zip([flag.removeprefix("--") for flag in words[::2]], words[1::2], strict=True))
    assert choose(**options) == chosen
    assert spelled(Audience()) == []


def ids(connection, scope):
    return {row[0] for row in connection.execute(f"select profile_id from {scope.relation}").fetchall()}


@pytest.fixture
def history(world):
    """Each person's touchpoints in order: moment and channel."""
    found = defaultdict(list)
    sql = (
        "select profile_id, occurred_at, channel from marts.touchpoints order by profile_id, occurred_at, touchpoint_id"
    )
    for who, when, channel in world.execute(sql).fetchall():
        found[who].append((when, channel))
    return found


def test_first_channel(world, history):
    for channel in ("web", "support"):
        found = resolve(world, choose(channel=channel), as_of=NOW)
        assert ids(world, found) == {who for who, rows in history.items() if rows[0][1] == channel}
        assert "marts.touchpoints" in found.traces["audience"].models


@pytest.mark.parametrize("hours", ["6..12", "22..6"])
def test_usual_hours(world, history, hours):
    begin, end = period.hours(hours)

    def inside(hour):
        return begin <= hour < end if begin < end else hour >= begin or hour < end

    expected = {who for who, rows in history.items() if 2 * sum(inside(when.hour) for when, _ in rows) >= len(rows)}
    assert ids(world, resolve(world, choose(hours=hours), as_of=NOW)) == expected
    assert expected


def test_new_and_returning_split_those_seen_in_the_period(world, history):
    since, until = datetime(2025, 1, 1), datetime(2025, 7, 1)
    seen = {who: [when for when, _ in rows if since <= when < until] for who, rows in history.items()}
    new = ids(world, resolve(world, choose(who="new", period="2025-01..2025-06"), as_of=NOW))
    returning = ids(world, resolve(world, choose(who="returning", period="2025-01..2025-06"), as_of=NOW))
    assert new == {who for who, rows in history.items() if since <= rows[0][0] < until}
    assert returning == {who for who, rows in history.items() if seen[who] and rows[0][0] < since}
    assert new | returning == {who for who, rows in seen.items() if rows}


def test_segments_come_from_the_store_and_narrow_each_other(world):
    store = InMemoryStore()
    everybody = sorted(row[0] for row in world.execute("select profile_id from marts.profiles").fetchall())
    publish_members(store, {"few": everybody[:50], "empty": []})
    scope = resolve(world, choose(segment="few"), as_of=NOW, store=store)
    assert ids(world, scope) == set(everybody[:50])
    both = resolve(world, choose(segment="few", hours="6..12"), as_of=NOW, store=store, name="other")
    alone = resolve(world, choose(hours="6..12"), as_of=NOW, name="alone")
    assert ids(world, both) == ids(world, alone) & set(everybody[:50]) != set()
    assert ids(world, scope) == set(everybody[:50]), "a second audience leaves the first alone"
    assert ids(world, resolve(world, choose(segment="empty"), as_of=NOW, store=store)) == set()
    with pytest.raises(NotFoundError, match="did you mean `few`"):
        resolve(world, choose(segment="fwe"), as_of=NOW, store=store)
    assert titled(choose(segment="few"), store).segment_title == "Few"


def publish_members(store, members):
    people = sorted({who for ids_ in members.values() for who in ids_})
    store.publish(
        Publication("run-1", "snapshot-run-1.duckdb", NOW, {"profiles": len(people)}, "fingerprint"),
        profiles=(ProfileDocument(who, {}) for who in people),
        identifiers=(),
        redirects=(),
        segments=[segment(key, size=len(ids_)) for key, ids_ in members.items()],
        memberships=((key, who, True) for key, ids_ in members.items() for who in ids_),
    )


def test_unknown_channels_and_missing_personas_are_named(world):
    with pytest.raises(NotFoundError, match="did you mean `web`"):
        resolve(world, choose(channel="wbe"), as_of=NOW)
    with pytest.raises(NotFoundError, match="no personas in what is published"):
        resolve(world, choose(persona="hunter"), as_of=NOW)


def test_personas_are_read_where_they_are_published(make_world):
    connection = make_world(2, people=40)
    connection.execute(
        "alter table marts.profiles add column persona varchar; "
        "update marts.profiles set persona = case when purchases > 0 then 'buyer' else 'looker' end"
    )
    buyers = ids(connection, resolve(connection, choose(persona="buyer"), as_of=NOW))
    assert buyers == {
        row[0] for row in connection.execute("select distinct profile_id from marts.purchases").fetchall()
    }
    with pytest.raises(NotFoundError, match="did you mean `buyer`"):
        resolve(connection, choose(persona="byer"), as_of=NOW)


def test_periods_beyond_the_data_are_refused(world):
    with pytest.raises(InputError, match="the data ends on 2026-01-01"):
        resolve(world, choose(period="2027.."), as_of=NOW)
    assert resolve(world, choose(period="..2030"), as_of=NOW).until == NOW


def test_hostile_choices_change_nothing(world):
    for choice in ({"channel": "web'; drop table marts.touchpoints; --"}, {"persona": "x' or '1'='1"}):
        with pytest.raises(NotFoundError):
            resolve(world, choose(**choice), as_of=NOW)
    assert world.execute("select count(*) from marts.touchpoints").fetchone()[0] > 0


def test_two_audiences_are_asked_one_question(world):
    store = InMemoryStore()
    everybody = sorted(row[0] for row in world.execute("select profile_id from marts.profiles").fetchall())
    publish_members(store, {"few": everybody[:20]})

    def count(connection, scope):
        return connection.execute(f"select count(*) from {scope.relation}").fetchone()[0]

    found = ask(world, count, Audience(), as_of=NOW, store=store, compare="few")
    assert (found.result, found.compare.result) == (len(everybody), 20)
    assert (found.people, found.compare.people) == (len(everybody), 20)
    assert found.compare.audience.segment_title == "Few"
    document = found.to_json()
    assert document["compare"]["result"] == 20 and document["audience"]["segment"] is None
    assert [side.result for side in found.sides] == [len(everybody), 20]
    assert len(ask(world, count, Audience(), as_of=NOW, store=store).sides) == 1
