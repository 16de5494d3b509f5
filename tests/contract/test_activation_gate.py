"""No delivery reaches a person whom the purpose may not reach: any sequence of changes, failures and passes."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activation import manage
from activation.worker import Options, deliver
from cdp.store import destinations, open_store
from cdp.store.base import Redirect, Store
from cdp.store.erasing import SqlEraser
from cdp.store.outbox import Outbox
from tests.support.publications import NOW, profile_id, publish

PEOPLE = (1, 2, 3, 4)
some = st.frozensets(st.sampled_from(PEOPLE))
one = st.sampled_from(PEOPLE)
ACTIONS = st.one_of(
    st.tuples(st.just("publish"), some, some, st.sampled_from(["marketing", "marketing", "marketing", "analytics"])),
    st.tuples(st.just("merge"), one, one),
    st.tuples(st.just("part"), one),
    st.tuples(st.just("withdraw"), one),
    st.tuples(st.just("release"), one),
    st.tuples(st.just("erase"), one),
    st.tuples(st.just("pass")),
    st.tuples(st.just("failing pass")),
    st.tuples(st.just("resync"), st.booleans()),
)


@dataclass
class World:
    """A store with one segment and one destination, and beside it, in plain Python, who may be known there."""

    store: Store
    outbox: Outbox
    outbox_url: str
    folder: Path
    clock: datetime = NOW
    runs: int = 0
    merged: dict[int, int] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    holds: set[int] = field(default_factory=set)
    allowed: set[int] = field(default_factory=set)
    purpose: str = "marketing"
    # What the receiver believes, from the files it was given.
    believes: set[int] = field(default_factory=set)
    read: set[str] = field(default_factory=set)

    def lives_as(self, number: int) -> list[int]:
        """The number and whom it goes on as, along merges."""
        chain = [number]
        while chain[-1] in self.merged:
            chain.append(self.merged[chain[-1]])
        return chain

    def publish(self, members: frozenset[int], withheld: frozenset[int], purpose: str = "marketing") -> None:
        self.runs += 1
        self.purpose = purpose
        living = [n for n in PEOPLE if n not in self.merged and n not in self.erased]
        inside = sorted(members & set(living))
        publish(
            self.store, {n: {"traits": {"email": f"p{n}@example.org"}} for n in living}, run=f"run-{self.runs}",
            members={"vip": inside}, withheld=withheld, purpose=purpose, as_of=NOW + timedelta(hours=self.runs),
            redirects=[Redirect(profile_id(a), "merged", profile_id(b)) for a, b in sorted(self.merged.items())],
        )  # fmt: skip
        held = {n for hold in self.holds for n in self.lives_as(hold)}
        self.allowed = {n for n in inside if n not in withheld and n not in held} if purpose == "marketing" else set()

    def act(self, action: tuple[Any, ...]) -> None:
        kind, *rest = action
        if kind == "publish":
            self.publish(*rest)
        elif kind in ("merge", "part"):
            self._identity(kind, *rest)
        elif kind == "withdraw":
            self.store.segmentation.withdraw([profile_id(rest[0])], ["marketing"], at=NOW + timedelta(hours=self.runs))
            self.holds.add(rest[0])
            self.allowed -= set(self.lives_as(rest[0]))
        elif kind == "release":
            self.store.segmentation.release([profile_id(rest[0])], ["marketing"])
            self.holds.discard(rest[0])
        elif kind == "erase":
            self._erase(rest[0])
        elif kind == "resync":
            destinations.resync(self.outbox, "drop", self.clock, everybody=rest[0])
        else:
            self.work(fails=kind == "failing pass")

    def _identity(self, kind: str, a: int, b: int = 0) -> None:
        """A merge or its end, made known by the next publication, which comes at once."""
        before = frozenset(self.allowed)
        if kind == "part":
            self.merged.pop(a, None)
        elif b not in self.lives_as(a) and a not in self.lives_as(b) and not {a, b} & (self.erased | set(self.merged)):
            self.merged[a] = b
        self.publish(before, frozenset(), self.purpose)

    def _erase(self, number: int) -> None:
        gone = {n for n in PEOPLE if number in self.lives_as(n)}
        SqlEraser(self.outbox_url).erase([profile_id(number)], None)
        self.erased |= gone
        self.merged = {a: b for a, b in self.merged.items() if a not in gone}
        self.holds -= gone
        self.allowed -= gone

    def work(self, *, fails: bool = False) -> None:
        """A pass an hour later; what is told is judged by who may be known at this moment."""
        self.clock += timedelta(hours=2)
        parked = self.folder.with_name("parked")
        if fails:
            self.folder.rename(parked)
            self.folder.write_text("a file where the folder was")
        deliver(self.outbox_url, Options(now=lambda: self.clock))
        if fails:
            self.folder.unlink()
            parked.rename(self.folder)
        for path in sorted(self.folder.iterdir()):
            if path.name not in self.read:
                self.read.add(path.name)
                for line in path.read_text().splitlines():
                    self._hear(json.loads(line))

    def _hear(self, row: dict[str, Any]) -> None:
        number = int(row["profile_id"][:8], 16)
        if row["member"]:
            assert number in self.allowed, f"{row['change']} of {number}, who may not be known"
            assert row["mail"] == f"p{number}@example.org"
            self.believes.add(number)
            if row["former_profile_id"]:
                self.believes.discard(int(row["former_profile_id"][:8], 16))
        else:
            assert "mail" not in row, "an exit tells nothing but the id"
            assert number in self.believes, "nobody hears the exit of a person whose entry was never told"
            self.believes.discard(number)


BOTH = frozenset({1, 2})
NOBODY: frozenset[int] = frozenset()
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=14))
@example(actions=[("pass",), ("publish", BOTH, NOBODY, "analytics")])
@example(actions=[("pass",), ("publish", BOTH, NOBODY, "analytics"), ("pass",), ("publish", BOTH, NOBODY, "marketing")])
@example(actions=[("pass",), ("merge", 1, 2), ("erase", 2)])
@example(actions=[("pass",), ("merge", 1, 3), ("withdraw", 1), ("part", 1)])
@example(actions=[("pass",), ("withdraw", 1), ("failing pass",), ("erase", 1), ("erase", 2)])
def test_whoever_may_not_be_reached_is_not_told_of(actions: list[tuple[Any, ...]]) -> None:
    play(actions)


@pytest.mark.slow
@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=25))
def test_whoever_may_not_be_reached_is_not_told_of_at_length(actions: list[tuple[Any, ...]]) -> None:
    play(actions)


def play(actions: list[tuple[Any, ...]]) -> None:
    """Do all of it, then let the worker finish: the receiver has to hold exactly whom it may."""
    with tempfile.TemporaryDirectory() as home:
        url = f"sqlite:///{home}/store.sqlite"
        folder = Path(home) / "drop"
        folder.mkdir()
        with open_store(url) as store:
            outbox = Outbox(url)
            world = World(store, outbox, url, folder)
            world.publish(frozenset({1, 2}), frozenset())
            config = {"kind": "files", "folder": str(folder), "fields": {"mail": "traits.email"}}
            manage.save(outbox, manage.Wanted("drop", "Drop", config, ["vip"]), by="test", at=NOW, expected=None)
            for action in actions:
                world.act(action)
            for _ in range(2):
                world.work()
            assert world.believes == world.allowed, "the receiver holds exactly whom it may"
            assert destinations.resync(outbox, "drop", NOW) == (0, 0)
            named = {row.profile_id for row in destinations.log(outbox, limit=1000) if row.kind != "exited"}
            assert not {profile_id(n) for n in world.erased} & named, "of the erased the log keeps exits only"
            outbox.close()
