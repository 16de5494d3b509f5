"""Random lives of a store: people merge and split, segments, flags, holds and erasures change.

After each step the store equals the plain one in memory, whoever followed the feed holds exactly the people that may be
reached, and earlier dates still answer what was served then.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest

from cdp.store.base import MembershipChange, Redirect, Store
from cdp.store.memory import InMemoryStore
from tests.support.publications import NOW, profile_id, publish

PEOPLE = range(7)
SEGMENTS = ("new", "vip")


class Consumer:
    """Follows the feed page by page and keeps whom it was told of; `strict` sees every step of every person."""

    def __init__(self, store: Store, *, strict: bool) -> None:
        self._store = store
        self._strict = strict
        self._after = 0
        self.holds: dict[str, set[str]] = {key: set() for key in SEGMENTS}

    def follow(self) -> None:
        while page := self._store.membership_changes(after=self._after, limit=3):
            for change in page:
                assert change.seq > self._after
                self._after = change.seq
                self._take(change, self.holds[change.segment_key])

    def _take(self, change: MembershipChange, people: set[str]) -> None:
        if change.change == "entered":
            assert change.profile_id not in people
            people.add(change.profile_id)
            return
        left = change.former_id or change.profile_id
        assert left in people or not self._strict
        people.discard(left)
        if change.change == "carried":
            people.add(change.profile_id)


class Life:
    """Draws what happens next, the same for every store."""

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.merged: dict[int, int] = {}
        self.step = 0
        self.gone: set[int] = set()

    def happen(self, stores: Iterable[Store]) -> str:
        self.step += 1
        what = self._draw.choice(["publish"] * 6 + ["withdraw", "release", "forget"])
        if self.step == 1:
            what = "publish"
        one = [profile_id(self._draw.choice(PEOPLE))]
        purposes = [self._draw.choice(["marketing", "service"])]
        at = NOW + timedelta(hours=self.step)
        arguments = self._publication() if what == "publish" else {}
        for store in stores:
            if what == "publish":
                publish(store, run=f"run-{self.step}", as_of=at, **arguments)
            elif what == "withdraw":
                store.segmentation.withdraw(one, purposes, at=at)
            elif what == "release":
                store.segmentation.release(one, purposes)
            else:
                store.segmentation.forget(one, at=at)
        return what

    def _publication(self) -> dict[str, Any]:
        draw = self._draw
        for one in PEOPLE:
            if one in self.merged:
                if draw.random() < 0.3:
                    del self.merged[one]
            elif draw.random() < 0.3:
                into = draw.choice(PEOPLE)
                if self._end(into) != one:
                    self.merged[one] = into
        living = [one for one in PEOPLE if one not in self.merged]
        return {
            "people": living,
            "redirects": [Redirect(profile_id(a), "merged", profile_id(b)) for a, b in sorted(self.merged.items())],
            "members": {key: [one for one in living if draw.random() < 0.6] for key in SEGMENTS},
            "withheld": [one for one in living if draw.random() < 0.3],
        }

    def _end(self, one: int) -> int:
        while one in self.merged:
            one = self.merged[one]
        return one


def state(store: Store) -> Any:
    return {
        "changes": [
            (c.change, c.segment_key, c.profile_id, c.former_id, c.reason, c.at) for c in store.membership_changes()
        ],
        "members": {key: store.memberships(key) for key in SEGMENTS},
        "rows": store.list_segments(),
    }


def past(store: Store, hour: float) -> Any:
    at = NOW + timedelta(hours=hour)
    return {key: store.segmentation.members_at(key, at) for key in SEGMENTS}


def served(found: Any) -> Any:
    """The part of an earlier state that later states may not change: ids and flags."""
    return {key: [(one.profile_id, one.exportable) for one in members] for key, members in found.items()}


@pytest.mark.parametrize("seed", range(3))
def test_random_lives(store: Store, seed: int) -> None:
    plain, life = InMemoryStore(), Life(seed)
    close, slow = Consumer(store, strict=True), Consumer(store, strict=False)
    remembered: dict[int, Any] = {}
    for step in range(1, 21):
        what = life.happen([store, plain])
        assert state(store) == state(plain), (seed, step, what)
        close.follow()
        assert close.holds == {
            key: {m.profile_id for m in store.memberships(key, exportable=True)} for key in SEGMENTS
        }, (seed, step, what)
        if what == "forget":
            remembered.clear()
        remembered[step] = served(past(store, step))
        for hour, then in remembered.items():
            assert served(past(store, hour)) == then, (seed, step, hour, what)
            assert past(store, hour + 0.5) == past(plain, hour + 0.5)
        for row in store.list_segments():
            members = store.memberships(row.key)
            assert (row.size, row.exportable) == (len(members), sum(m.exportable for m in members)), (seed, step)
    slow.follow()
    assert slow.holds == close.holds
