"""The first of an ordered list that holds: exclusive, exhaustive, and only what is allowed where asked."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from segments.document import parse
from segments.errors import DefinitionError
from segments.partition import first_of, readable
from tests.unit.segments.conftest import Fill
from tests.unit.segments.segment_reference import World

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)


def definition(key: str, where: str, **more: Any) -> Any:
    return parse({"key": key, "title": key.title(), "where": where, **more})


def people(*traits: dict[str, Any]) -> World:
    profiles = [{"profile_id": f"p{number}", "is_anonymous": False, **one} for number, one in enumerate(traits)]
    return World(AS_OF, profiles)


def found(fill: Fill, world: World, *definitions: Any, **options: Any) -> dict[str, str | None]:
    connection, _ = fill(world)
    first_of(connection, definitions, "parts", as_of=AS_OF, **options)
    rows = connection.execute("select profile_id, key from parts order by profile_id").fetchall()
    assert len(rows) == len(dict(rows)) == len(world.profiles), "everybody once"
    return dict(rows)


def test_the_first_that_holds_decides_and_nobody_is_left_out(fill: Fill) -> None:
    world = people({"purchases": 5}, {"purchases": 1}, {"purchases": 0}, {"purchases": None})
    many, some = definition("many", "trait.purchases >= 3"), definition("some", "trait.purchases >= 1")
    assert found(fill, world, many, some) == {"p0": "many", "p1": "some", "p2": None, "p3": None}
    assert found(fill, world, some, many) == {"p0": "some", "p1": "some", "p2": None, "p3": None}


def test_without_definitions_everybody_is_in_none(fill: Fill) -> None:
    assert found(fill, people({}, {})) == {"p0": None, "p1": None}


def test_only_allowed_looks_at_consent_for_the_purpose(fill: Fill) -> None:
    world = people(
        {"purchases": 1, "marketing_consent": True}, {"purchases": 1}, {"purchases": 1, "unsubscribed": True}
    )
    mail = definition("mail", "trait.purchases >= 1")
    help_ = definition("help", "trait.purchases >= 1", purpose="service")
    told = found(fill, world, mail, help_, only_allowed=True)
    assert told == {"p0": "mail", "p1": "help", "p2": "help"}


def test_references_to_other_segments_are_followed(fill: Fill) -> None:
    world = people({"purchases": 5}, {"purchases": 0})
    vip = definition("vip", "trait.purchases >= 3")
    told = found(fill, world, definition("plain", "not segment('vip')"), library={"vip": vip})
    assert told == {"p0": None, "p1": "plain"}


def test_a_wrong_definition_is_named(fill: Fill) -> None:
    with pytest.raises(DefinitionError, match="no_such"):
        found(fill, people({}), definition("odd", "trait.no_such = 1"))


def test_what_cannot_be_read_is_named_and_left_out(fill: Fill) -> None:
    connection, _ = fill(people({}))
    documents = [
        {"key": "fine", "title": "Fine", "where": "trait.purchases >= 1"},
        {"key": "odd", "title": "Odd", "where": "trait.no_such >= 1"},
        {"key": "broken", "title": "Broken", "where": "trait."},
        {"key": "distant", "title": "Distant", "where": "segment('far_away')"},
    ]
    sound, unsound = readable(connection, documents, library={})
    assert [one.key for one in sound] == ["fine"] and unsound == ["odd", "broken", "distant"]
