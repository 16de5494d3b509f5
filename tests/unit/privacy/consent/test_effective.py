"""What statements mean together: examples by name, and any mixture against the rules said plainly in Python."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.domain.consent import PURPOSES, Statement
from cdp.errors import ConfigurationError, ResourceError
from privacy.consent import effective, ledger, rules
from privacy.consent.ledger import Ledger
from privacy.consent.rules import Rule

DAY = datetime(2026, 1, 1, tzinfo=UTC)
RECENT = Rule("marketing", "most_recent", ("objected",), True)
STRICT = Rule("marketing", "most_restrictive", ("objected",), True)
BINDING = Rule("marketing", "most_recent", ("objected", "withdrawn"), True)
SILENT = Rule("marketing", "most_recent", ("objected",), False)


@dataclass(frozen=True)
class Said:
    """What a source says: the flag of a record, or with `objects` a mail address that unsubscribed."""

    profile: str
    consents: bool
    day: int | None
    objects: bool = False


class World:
    """A snapshot with profiles, their records and what sources say."""

    def __init__(self) -> None:
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute(
            """
            create schema marts;
            create schema identity;
            create table marts.profiles (profile_id varchar);
            create table marts.consent_statements (
                profile_id varchar, source varchar, source_record_id varchar, consents boolean, is_objection boolean,
                stated_at timestamp);
            create table identity.profiles (profile_id varchar, status varchar, merged_into varchar);
            create table identity.identity_map (source varchar, source_record_id varchar, profile_id varchar);
            """
        )

    def fill(self, living: str, merged: dict[str, str] | None = None, records: dict[str, str] | None = None) -> None:
        for table in ("marts.profiles", "marts.consent_statements", "identity.profiles", "identity.identity_map"):
            self.connection.execute(f"delete from {table}")
        for one in living:
            self.connection.execute("insert into marts.profiles values (?)", [one])
            self.connection.execute("insert into identity.profiles values (?, 'living', null)", [one])
        for one, into in (merged or {}).items():
            self.connection.execute("insert into identity.profiles values (?, 'merged', ?)", [one, into])
        for record, one in (records or {}).items():
            self.connection.execute("insert into identity.identity_map values ('crm', ?, ?)", [record, one])

    def say(self, *said: Said) -> None:
        for number, one in enumerate(said):
            at = None if one.day is None else (DAY + timedelta(days=one.day)).replace(tzinfo=None)
            source = "marketing" if one.objects else "crm"
            row = [one.profile, source, str(number), one.consents, one.objects, at]
            self.connection.execute("insert into marts.consent_statements values (?, ?, ?, ?, ?, ?)", row)

    def told(self, rule: Rule, *entries: Statement, **how: Any) -> dict[str, tuple[str, str]]:
        found = effective.states(self.connection, book(*entries), purposes=[rule], **how).to_pylist()
        return {row["profile_id"]: (row["state"], row["decided_by"]) for row in found}


def book(*entries: Statement) -> Ledger:
    numbered = [replace(one, seq=number + 1) for number, one in enumerate(entries)]
    return Ledger(*ledger.of(numbered), last=len(numbered))


def said(who: str, state: Any, day: int, *records: str, **more: Any) -> Statement:
    at = DAY + timedelta(days=day)
    pairs = tuple(("crm", record) for record in records)
    purpose = "*" if state in ("restricted", "lifted") else "marketing"
    return Statement(who, purpose, state, at, "form", "test", records=pairs, **more)


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    world = World()
    yield world
    world.connection.close()


@pytest.fixture
def world(shared: World) -> World:
    shared.fill("ab")
    return shared


def test_the_later_of_ledger_and_sources(world: World) -> None:
    world.say(Said("a", True, 5), Said("a", False, 1))
    assert world.told(RECENT, said("a", "withdrawn", 3)) == {"a": ("given", "sources")}
    assert world.told(RECENT, said("a", "withdrawn", 6)) == {"a": ("refused", "ledger")}
    assert world.told(RECENT, said("a", "withdrawn", 5)) == {"a": ("refused", "ledger")}
    assert world.told(BINDING, said("a", "withdrawn", 3)) == {"a": ("refused", "objection")}
    assert world.told(SILENT, said("a", "withdrawn", 3)) == {"a": ("refused", "ledger")}


def test_the_stricter_of_both(world: World) -> None:
    world.say(Said("a", False, 1))
    assert world.told(STRICT, said("a", "given", 9)) == {"a": ("refused", "sources")}
    assert world.told(RECENT, said("a", "given", 9)) == {"a": ("given", "ledger")}
    world.fill("a")
    world.say(Said("a", True, 9))
    assert world.told(STRICT, said("a", "withdrawn", 1)) == {"a": ("refused", "ledger")}


def test_an_objection_ends_only_when_the_person_gives_consent_anew(world: World) -> None:
    world.say(Said("a", True, 50))
    objected = said("a", "objected", 1)
    assert world.told(RECENT, objected) == {"a": ("refused", "objection")}
    assert world.told(RECENT, objected, said("a", "given", 9, origin="import")) == {"a": ("refused", "objection")}
    assert world.told(RECENT, said("a", "given", 0), objected) == {"a": ("refused", "objection")}
    assert world.told(RECENT, objected, said("a", "given", 9)) == {"a": ("given", "sources")}


def test_who_unsubscribed_objected(world: World) -> None:
    world.say(Said("a", False, 4, objects=True), Said("a", True, 9))
    assert world.told(RECENT, said("a", "given", 2)) == {"a": ("refused", "objection in a source")}
    assert world.told(RECENT, said("a", "given", 4)) == {"a": ("refused", "objection in a source")}
    assert world.told(RECENT, said("a", "given", 5)) == {"a": ("given", "sources")}


def test_a_restriction_beats_everything_until_it_is_lifted(world: World) -> None:
    world.say(Said("a", True, 50))
    restricted = said("a", "restricted", 1)
    assert world.told(RECENT, restricted, said("a", "given", 9)) == {"a": ("refused", "restriction")}
    assert world.told(RECENT, restricted, said("a", "lifted", 2), said("a", "given", 9)) == {"a": ("given", "sources")}
    assert world.told(RECENT, restricted, said("a", "lifted", 2)) == {}, (
        "the sources decide as if nothing had been said"
    )


def test_what_was_said_goes_on_with_merges(world: World) -> None:
    world.fill("ab", merged={"x": "y", "y": "a"})
    assert world.told(RECENT, said("x", "objected", 1)) == {"a": ("refused", "objection")}
    assert world.told(RECENT, said("x", "given", 1)) == {"a": ("given", "ledger")}


def test_a_split_sets_nobody_free_and_gives_nobody_away(world: World) -> None:
    world.fill("ab", records={"1": "a", "2": "b"})
    assert world.told(RECENT, said("a", "withdrawn", 1, "1", "2")) == {
        "a": ("refused", "ledger"),
        "b": ("refused", "ledger"),
    }
    assert world.told(RECENT, said("a", "given", 1, "1", "2")) == {"a": ("given", "ledger")}
    assert world.told(RECENT, said("gone", "restricted", 1, "1", "2")).keys() == {"a", "b"}


def test_at_a_moment_of_the_past(world: World) -> None:
    world.say(Said("a", True, 3), Said("a", False, None))
    entries = (said("a", "withdrawn", 5), said("a", "given", 7))
    days = {day: world.told(RECENT, *entries, about="a", until=DAY + timedelta(days=day))["a"] for day in (1, 3, 5, 7)}
    assert days == {
        1: ("refused", "sources"),
        3: ("given", "sources"),
        5: ("refused", "ledger"),
        7: ("given", "ledger"),
    }


def test_one_person_is_answered_for_every_purpose(world: World) -> None:
    world.say(Said("a", True, 3))
    found = effective.states(world.connection, book(said("b", "objected", 1)), about="a").to_pylist()
    assert [row["purpose"] for row in found] == sorted(PURPOSES)
    assert {row["purpose"]: row["state"] for row in found if row["state"] != "unknown"} == {
        "marketing": "given", "personalisation": "given",
    }  # fmt: skip


def test_which_entries_are_about_somebody(world: World) -> None:
    world.fill("ab", merged={"x": "a"}, records={"1": "a", "2": "b"})
    entries = book(said("x", "given", 1), said("b", "withdrawn", 2, "1"), said("b", "given", 3, "1"))
    assert effective.entries_about(world.connection, entries, "a") == {1, 2}
    assert effective.entries_about(world.connection, entries, "b") == {2, 3}


def test_a_snapshot_of_before_says_what_to_do() -> None:
    with duckdb.connect() as connection, pytest.raises(ResourceError, match="run `cdp run` once"):
        effective.states(connection, book(said("a", "given", 1)))


STATEMENT = st.builds(
    said,
    st.sampled_from("abx"),
    st.sampled_from(["given", "given", "withdrawn", "objected", "restricted", "lifted"]),
    st.integers(0, 6),
    origin=st.sampled_from(["person", "import"]),
)
SOURCE = st.builds(Said, st.sampled_from("ab"), st.booleans(), st.none() | st.integers(0, 6)) | st.builds(
    Said, st.sampled_from("ab"), st.just(False), st.integers(0, 6), st.just(True)
)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    entries=st.lists(STATEMENT, max_size=7),
    sources=st.lists(SOURCE, max_size=4),
    rule=st.sampled_from([RECENT, STRICT, BINDING, SILENT]),
)
def test_any_mixture(shared: World, entries: list[Statement], sources: list[Said], rule: Rule) -> None:
    shared.fill("ab", merged={"x": "a"})
    shared.say(*sources)
    told = shared.told(rule, *entries)
    for one in "ab":
        mine = [entry for entry in entries if entry.profile_id == one or (one == "a" and entry.profile_id == "x")]
        assert told.get(one, ("silent", ""))[0] == plainly(mine, [s for s in sources if s.profile == one], rule), one


def plainly(entries: list[Statement], sources: list[Said], rule: Rule) -> str:
    """The rules in words of Python; `silent` where the ledger leaves it to the sources."""
    ordered = sorted(entries, key=lambda one: one.at)
    about_all = [one for one in ordered if one.purpose == "*"]
    if about_all and about_all[-1].state == "restricted":
        return "refused"
    mine = [one for one in ordered if one.purpose == "marketing"]
    if not mine:
        return "silent"
    binding = [n for n, one in enumerate(mine) if one.state in rule.lifted_by_person]
    anew = [n for n, one in enumerate(mine) if one.state == "given" and one.origin == "person"]
    if binding and max(anew, default=-1) < max(binding):
        return "refused"
    given_day = (mine[max(anew)].at - DAY).days if anew else -1
    said_by_sources = sources if rule.sources else []
    if any(one.objects and (one.day or 0) >= given_day for one in said_by_sources):
        return "refused"
    agrees = mine[-1].state == "given"
    flags = sorted((-1 if s.day is None else s.day, not s.consents) for s in said_by_sources if not s.objects)
    if not flags:
        return "given" if agrees else "refused"
    day, refused = flags[-1]
    if rule.conflict == "most_restrictive":
        return "given" if agrees and not refused else "refused"
    said_day = (mine[-1].at - DAY).days
    if day > said_day or (day == said_day and refused):
        return "refused" if refused else "given"
    return "given" if agrees else "refused"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ({}, "names exactly the purposes"),
        ({"conflict": "loudest"}, "marketing: conflict is one of"),
        ({"only_the_person_lifts": []}, "marketing: only_the_person_lifts holds objected"),
        ({"sources": "yes"}, "marketing: sources is true or false"),
        ({"more": 1}, "marketing: say conflict"),
    ],
)
def test_rules_that_are_wrong(content: dict[str, Any], problem: str) -> None:
    entry = {"conflict": "most_recent", "only_the_person_lifts": ["objected"], "sources": True}
    said_rules = {"purposes": {one: {**entry, **content} for one in PURPOSES}} if content else {"purposes": {}}
    with pytest.raises(ConfigurationError, match=problem):
        rules.parse(said_rules)


def test_the_shipped_rules_let_nobody_lift_an_objection_but_the_person() -> None:
    assert [one.purpose for one in rules.shipped()] == list(PURPOSES)
    assert all("objected" in one.lifted_by_person for one in rules.shipped())
