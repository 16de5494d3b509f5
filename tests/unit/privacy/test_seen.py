"""Who saw a profile: itself, on lists and in exports, under every id it had."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from cdp.domain import audited
from cdp.store.base import AuditEntry, Redirect
from cdp.store.memory import InMemoryStore
from privacy.seen import sights
from tests.support.publications import NOW, profile_id, publish

LATER = NOW + timedelta(days=10)


@pytest.fixture
def store() -> InMemoryStore:
    """Three people; the first and third are VIPs, the third of them may not be exported."""
    found = InMemoryStore()
    publish(found, [1, 2, 3], members={"vip": [1, 3]}, withheld=[3])
    return found


def add(store: InMemoryStore, action: str, about: str, detail: dict[str, Any], at: datetime = NOW) -> None:
    store.append_audit([AuditEntry(f"{store.last_audit()}", at, "key k", action, about, detail)])


def seen(store: InMemoryStore, number: int, **window: Any) -> list[tuple[str, str]]:
    return [(one.action, one.how) for one in sights(store, profile_id(number), **window)]


def test_itself_and_masked_or_not(store: InMemoryStore) -> None:
    add(store, "profile.read", profile_id(1), {"personal": True})
    add(store, "profile.events", profile_id(1), {})
    add(store, "profile.read", profile_id(2), {"personal": False})
    assert seen(store, 1) == [("profile.read", "itself"), ("profile.events", "itself")]
    assert [one.personal for one in sights(store, profile_id(1))] == [True, None]
    assert seen(store, 3) == []


def test_a_page_of_a_segment_shows_who_was_on_it(store: InMemoryStore) -> None:
    add(store, "segment.members", "vip", {"rows": 1, **audited.stretch(None, [profile_id(1)])})
    add(store, "segment.members", "vip", {"rows": 1, **audited.stretch(profile_id(1), [profile_id(3)])})
    add(store, "segment.members", "vip", {"rows": 0, **audited.stretch(profile_id(3), [])})
    assert seen(store, 1) == [("segment.members", "listed")]
    assert seen(store, 2) == [], "within the stretch, but no member"
    assert seen(store, 3) == [("segment.members", "listed")]
    add(store, "segment.members", "vip", {"exportable": True, **audited.stretch(None, [profile_id(3)])})
    assert len(seen(store, 1)) == 2 and len(seen(store, 3)) == 1, "who is held back was not on that page"


def test_membership_of_then_counts(store: InMemoryStore) -> None:
    publish(store, [1, 2, 3], run="run-2", as_of=LATER, members={"vip": [2]})
    add(store, "segment.members", "vip", audited.stretch(None, [profile_id(3)]), NOW + timedelta(days=1))
    add(store, "segment.members", "vip", audited.stretch(None, [profile_id(3)]), LATER + timedelta(days=1))
    assert [len(seen(store, number)) for number in (1, 2, 3)] == [1, 1, 1]
    assert sights(store, profile_id(2))[0].at > LATER


def test_exports(store: InMemoryStore) -> None:
    add(store, "segment.export", "vip", {"exportable": True, "personal": True, **audited.everybody()})
    assert (seen(store, 1), seen(store, 2), seen(store, 3)) == ([("segment.export", "listed")], [], [])
    add(store, "segment.export", "vip", {"exportable": False, "purpose": "service", **audited.everybody()})
    assert seen(store, 3) == [("segment.export", "possible")], "consent for another purpose is not in the history"


def test_short_lists_and_lists_that_are_no_segments(store: InMemoryStore) -> None:
    add(store, "identity.review", "queue", audited.named([profile_id(1), None, profile_id(1)]))
    add(store, "journey.people", "stuck", audited.stretch(None, [profile_id(2)]))
    assert seen(store, 1) == [("identity.review", "listed"), ("journey.people", "possible")]
    assert seen(store, 3) == []


def test_former_ids_count_and_the_living_one_is_followed(store: InMemoryStore) -> None:
    add(store, "profile.read", profile_id(2), {})
    add(store, "profile.read", profile_id(1), {})
    publish(store, [1, 3], run="run-2", as_of=LATER, redirects=[Redirect(profile_id(2), "merged", profile_id(1))])
    assert len(seen(store, 1)) == len(seen(store, 2)) == 2


def test_of_erased_people_lists_are_possible(store: InMemoryStore) -> None:
    publish(store, [2, 3], run="run-2", as_of=LATER, redirects=[Redirect(profile_id(1), "retired")])
    add(store, "segment.export", "vip", {"exportable": True, **audited.everybody()})
    assert seen(store, 1) == [("segment.export", "possible")]


def test_window_and_pages(store: InMemoryStore) -> None:
    for day in range(5):
        add(store, "profile.read", profile_id(1), {"n": day}, NOW + timedelta(days=day))
    window = sights(store, profile_id(1), since=NOW + timedelta(days=1), until=NOW + timedelta(days=4))
    assert [one.at.day for one in window] == [2, 3, 4]
    first = sights(store, profile_id(1), limit=2)
    rest = sights(store, profile_id(1), limit=10, after=first[-1].seq)
    assert [one.at.day for one in (*first, *rest)] == [1, 2, 3, 4, 5]
