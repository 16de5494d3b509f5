"""User segments on a small snapshot: saved, evaluated at once, changed, deleted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from cdp.errors import ConflictError, NotFoundError
from cdp.store.base import ProfileDocument, Publication
from cdp.store.memory import InMemoryStore
from cdp.store.segmentation import OutdatedError, VersionMismatch
from segments import authoring, served
from segments.authoring import Place
from segments.errors import DefinitionError

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)
NOW = AS_OF + timedelta(hours=1)
IDS = ("a", "b", "c", "d")


@pytest.fixture
def place(marts: duckdb.DuckDBPyConnection) -> Place:
    marts.execute(
        "INSERT INTO marts.profiles (profile_id, country, marketing_consent, revenue) VALUES"
        " ('a', 'DE', true, 10), ('b', 'DE', false, 20), ('c', 'FR', true, 30), ('d', 'FR', NULL, 40)"
    )
    marts.execute(
        "INSERT INTO marts.touchpoints (touchpoint_id, profile_id, occurred_at, event_name) VALUES"
        " ('t1', 'a', TIMESTAMP '2025-12-01', 'Order Completed')"
    )
    store = InMemoryStore()
    publish(store)
    publication = store.current_publication()
    assert publication is not None
    return Place(store, marts, publication, "key:ann", NOW)


def publish(store: InMemoryStore, run: str = "run-1", **more: Any) -> None:
    given: dict[str, Any] = {"segments": [], "memberships": [], **more}
    profiles = [ProfileDocument(one, "{}") for one in IDS]
    store.publish(
        Publication(run, f"snapshot-{run}.duckdb", AS_OF, {}, run),
        profiles=profiles,
        identifiers=[],
        redirects=[],
        **given,
    )


def german(**changes: Any) -> dict[str, Any]:
    return {"key": "german", "title": "German", "where": "trait.country = 'DE'", **changes}


def members(place: Place, key: str) -> list[str]:
    return place.store.segment_members(key)


def test_a_segment_is_there_at_once_with_its_members(place: Place) -> None:
    saved = authoring.create(place, german(tags=["geo"], owner="Ann", description="Who lives there."))
    assert (saved.row.size, saved.row.exportable, saved.row.version, saved.row.origin) == (2, 1, 1, "user")
    assert saved.row.sentence == "People whose country is DE." or "DE" in saved.row.sentence
    assert members(place, "german") == ["a", "b"]
    assert [(c.change, c.profile_id, c.at) for c in place.store.membership_changes()] == [("entered", "a", NOW)]
    version = place.store.segmentation.definition("german")
    assert version is not None and (version.saved_by, version.saved_at) == ("key:ann", NOW)
    assert served.read(version).author == "key:ann"


def test_a_change_is_a_new_version_and_the_same_again_is_none(place: Place) -> None:
    authoring.create(place, german())
    changed = authoring.change(place, "german", german(where="trait.country = 'FR'"), expected=1)
    assert (changed.row.version, changed.changed, changed.moved.entered, changed.moved.exited) == (2, True, 1, 1)
    assert members(place, "german") == ["c", "d"]
    again = authoring.change(place, "german", german(where="trait.country = 'FR'"), expected=2)
    assert (again.row.version, again.changed) == (2, False)
    with pytest.raises(VersionMismatch, match="at version 2, not 1"):
        authoring.change(place, "german", german(), expected=1)
    with pytest.raises(VersionMismatch):
        authoring.change(place, "german", german(version=1), expected=2)


def test_another_purpose_reaches_other_people(place: Place) -> None:
    authoring.create(place, german())
    changed = authoring.change(place, "german", german(purpose="service"), expected=1)
    assert (changed.row.exportable, changed.moved.entered) == (2, 1)


def test_those_that_refer_to_it_change_with_it(place: Place) -> None:
    authoring.create(place, german())
    authoring.create(place, {"key": "rich", "title": "Rich", "where": "segment('german') and trait.revenue > 15"})
    assert members(place, "rich") == ["b"]
    authoring.change(place, "german", german(where="trait.country = 'FR'"), expected=1)
    assert members(place, "rich") == ["c", "d"]
    with pytest.raises(ConflictError, match="used by rich"):
        authoring.delete(place.store, "german", expected=2, actor="ann", now=NOW)
    authoring.delete(place.store, "rich", expected=1, actor="ann", now=NOW)
    assert authoring.delete(place.store, "german", expected=2, actor="ann", now=NOW).exited == 1
    assert place.store.list_segments() == []


def test_a_circle_is_refused_wherever_it_closes(place: Place) -> None:
    authoring.create(place, german())
    authoring.create(place, {"key": "rich", "title": "Rich", "where": "segment('german')"})
    with pytest.raises(DefinitionError) as caught:
        authoring.change(place, "german", german(where="trait.country = 'DE' and segment('rich')"), expected=1)
    assert caught.value.problems[0].path == "where.of[1]"
    assert "german → rich → german" in caught.value.message
    assert members(place, "german") == ["a", "b"]


@pytest.mark.parametrize(
    ("where", "path", "said"),
    [
        ("trait.contry = 'DE'", "where.trait", "Did you mean country?"),
        ("event('Order Complete')", "where.event", "Did you mean Order Completed?"),
        ("trait.revenue = 'a lot'", "where.value", "a number is needed here"),
        ("stage = 'decisionn'", "where.stages[0]", "Did you mean decision?"),
        ("segment('vipp')", "where", "there is no segment vipp."),
        ("trait.country = 'DE' and trait.revenue contains 'x'", "where.of[1].op", "cannot be asked of a number"),
    ],
)
def test_what_does_not_fit_the_data_is_told_by_path(place: Place, where: str, path: str, said: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        authoring.create(place, german(where=where))
    assert caught.value.problems[0].path == path and said in caught.value.problems[0].sentence()
    assert caught.value.problems[0].allowed or "number" in said
    assert place.store.segmentation.definitions() == []


def test_keys_that_are_taken(place: Place) -> None:
    authoring.create(place, german())
    for key, said in (("german", "already"), ("vip", "ships with")):
        with pytest.raises(ConflictError, match=said):
            authoring.create(place, german(key=key))
    with pytest.raises(DefinitionError, match="address of the API"):
        authoring.create(place, german(key="preview"))
    with pytest.raises(DefinitionError, match="a key stays what it is"):
        authoring.change(place, "german", german(key="other"), expected=1)
    for key in ("no_such", "germa"):
        with pytest.raises(NotFoundError):
            authoring.change(place, key, german(key=key), expected=1)


def test_what_was_published_meanwhile_is_noticed(place: Place) -> None:
    publish(place.store, "run-2")
    with pytest.raises(OutdatedError):
        authoring.create(place, german())


def test_a_broken_one_elsewhere_does_not_stand_in_the_way(place: Place, marts: duckdb.DuckDBPyConnection) -> None:
    authoring.create(place, german())
    authoring.create(place, {"key": "rich", "title": "Rich", "where": "segment('german') and trait.revenue > 15"})
    marts.execute("ALTER TABLE marts.profiles DROP COLUMN revenue")
    with pytest.raises(DefinitionError, match="used by rich"):
        authoring.change(place, "german", german(where="trait.country = 'FR'"), expected=1)
    row = next(row for row in place.store.list_segments() if row.key == "rich")
    known = {one.key: one.version for one in place.store.segmentation.definitions()}
    publish(
        place.store, "run-2", definitions=known,
        segments=[served_row for served_row in place.store.list_segments() if served_row.key == "german"]
        + [type(row)(**{**vars(row), "problem": "there is no trait revenue"})],
        memberships=[("german", "a", True), ("german", "b", False), ("rich", "b", False)],
    )  # fmt: skip
    publication = place.store.current_publication()
    assert publication is not None
    after = Place(place.store, marts, publication, "ann", NOW)
    authoring.change(after, "german", german(where="trait.country = 'FR'"), expected=1)
    assert (members(after, "german"), members(after, "rich")) == (["c", "d"], ["b"])
