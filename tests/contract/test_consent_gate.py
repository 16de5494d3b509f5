"""Nobody is reached without the consent that a purpose needs, whatever happens: exports, samples, messages, triggers.

People speak through sources and the ledger, merge, part and are erased, in any order; the store, the gate over a real
snapshot and a destination do their work. Beside them the rules are said in plain Python, record by record.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activation import manage, triggers
from activation.worker import Options, deliver
from cdp.domain.consent import REFUSALS, State, Statement
from cdp.store import open_store
from cdp.store.base import ProfileDocument, Publication, Redirect, Store
from cdp.store.erasing import SqlEraser
from cdp.store.outbox import Outbox
from pipelines.consents import gate
from segments import served
from segments.authoring import memberships
from segments.document import parse
from segments.evaluate import evaluate_all
from segments.export import export
from segments.listed import allowed_of
from segments.members import served_members
from segments.preview import preview
from tests.support.publications import NOW, profile_id
from tests.unit.segments.conftest import TABLES

PEOPLE = (1, 2, 3)
VIP = parse({"key": "vip", "title": "Vip", "where": "trait.country = 'DE'", "purpose": "marketing"})
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
MARTS = f"""
{TABLES}
create schema identity;
create table marts.consent_statements (
    profile_id varchar, source varchar, source_record_id varchar, consents boolean, is_objection boolean,
    stated_at timestamp);
create table identity.profiles (profile_id varchar, status varchar, merged_into varchar);
create table identity.identity_map (source varchar, source_record_id varchar, profile_id varchar);
"""
one = st.sampled_from(PEOPLE)
STATES: tuple[State, ...] = ("given", "given", "withdrawn", "objected", "restricted", "lifted")
ACTIONS = st.one_of(
    st.tuples(st.just("say"), one, st.sampled_from(STATES), st.sampled_from(["person", "person", "import"])),
    st.tuples(st.just("say"), one, st.sampled_from(STATES), st.just("person")),
    st.tuples(st.just("source"), one, st.sampled_from([True, True, False, None])),
    st.tuples(st.just("unsubscribe"), one),
    st.tuples(st.just("publish"), st.frozensets(one, min_size=1)),
    st.tuples(st.just("merge"), one, one),
    st.tuples(st.just("part"), one),
    st.tuples(st.just("erase"), one),
    st.tuples(st.just("pass")),
)


@dataclass
class Told:
    """What the sources say of a record: a flag, and since when it is unsubscribed."""

    flag: bool | None = None
    at: int = 0
    unsubscribed: int | None = None


@dataclass
class World:
    """The store, a snapshot and a receiver; and in plain Python who said what, and who is whom."""

    store: Store
    outbox: Outbox
    folder: Path
    snapshot: duckdb.DuckDBPyConnection
    hour: int = 0
    merged: dict[int, int] = field(default_factory=dict)
    erased: set[int] = field(default_factory=set)
    sources: dict[int, Told] = field(default_factory=lambda: {n: Told(flag=True) for n in PEOPLE})
    served: dict[int, Told] = field(default_factory=dict)
    said: list[tuple[Statement, frozenset[int]]] = field(default_factory=list)
    inside: frozenset[int] = frozenset()
    believes: set[int] = field(default_factory=set)
    read: set[str] = field(default_factory=set)

    @property
    def now(self) -> datetime:
        return NOW + timedelta(hours=self.hour)

    def home(self, number: int) -> int:
        while number in self.merged:
            number = self.merged[number]
        return number

    def living(self) -> list[int]:
        return [n for n in PEOPLE if n not in self.merged and n not in self.erased]

    def records(self, number: int) -> frozenset[int]:
        return frozenset(n for n in PEOPLE if self.home(n) == number and n not in self.erased)

    def act(self, action: tuple[Any, ...]) -> None:
        self.hour += 1
        kind, *rest = action
        if kind == "say":
            self.say(*rest)
        elif kind == "source":
            self.sources[rest[0]] = replace(self.sources[rest[0]], flag=rest[1], at=self.hour)
        elif kind == "unsubscribe":
            self.sources[rest[0]] = replace(self.sources[rest[0]], unsubscribed=self.hour)
        elif kind == "publish":
            self.publish(*rest)
        elif kind == "merge":
            a, b = self.home(rest[0]), self.home(rest[1])
            if a != b and not {a, b} & self.erased:
                self.merged[a] = b
            self.publish(self.inside)
        elif kind == "part":
            self.merged.pop(rest[0], None)
            self.publish(self.inside)
        elif kind == "erase":
            self.erase(self.home(rest[0]))
        else:
            self.work()
        self.look()

    def say(self, number: int, state: State, origin: Any) -> None:
        living = self.home(number)
        if living in self.erased:
            return
        records = self.records(living)
        purpose = "*" if state in ("restricted", "lifted") else "marketing"
        pairs = tuple(("crm", str(n)) for n in sorted(records))
        entry = Statement(profile_id(living), purpose, state, self.now, "form", "test", origin=origin, records=pairs)
        self.store.consents.write([entry], at=self.now)
        self.said.append((entry, records))

    def publish(self, inside: frozenset[int]) -> None:
        """A run: the snapshot as the sources and rulings are now, evaluated and served."""
        self.inside, self.served = inside, dict(self.sources)
        self.build()
        allows, consents = gate(self.store, self.snapshot)
        evaluation = evaluate_all(self.snapshot, [VIP], as_of=self.now, gate=allows)
        self.store.publish(
            Publication(f"run-{self.hour}", "snapshot.duckdb", self.now, {}, ""),
            profiles=[
                ProfileDocument(profile_id(n), {"traits": {"email": f"p{n}@example.org"}}) for n in self.living()
            ],
            identifiers=[],
            redirects=[Redirect(profile_id(a), "merged", profile_id(b)) for a, b in sorted(self.merged.items())],
            segments=[served.row(each, self.now, "shipped") for each in evaluation.segments],
            memberships=memberships(evaluation),
            consents=consents,
        )  # fmt: skip
        evaluation.close()

    def build(self) -> None:
        tables = ("marts.profiles", "marts.consent_statements", "identity.profiles", "identity.identity_map")
        for table in tables:
            self.snapshot.execute(f"delete from {table}")
        for n in self.living():
            told = [self.served[r] for r in self.records(n)]
            newest = max(((t.at, not t.flag) for t in told if t.flag is not None), default=None)
            unsubscribed = any(t.unsubscribed for t in told)
            consents = None if newest is None else not newest[1]
            country = "DE" if n in self.inside else "FR"
            self.snapshot.execute(
                "insert into marts.profiles (profile_id, country, is_anonymous, marketing_consent, unsubscribed, "
                "email) values (?, ?, false, ?, ?, ?)",
                [profile_id(n), country, consents, unsubscribed, f"p{n}@example.org"],
            )
            self.snapshot.execute("insert into identity.profiles values (?, 'living', null)", [profile_id(n)])
            for r in self.records(n):
                self.snapshot.execute("insert into identity.identity_map values ('crm', ?, ?)", [str(r), profile_id(n)])
                self._state(n, r, self.served[r])
        for a, b in self.merged.items():
            row = [profile_id(a), profile_id(b)]
            self.snapshot.execute("insert into identity.profiles values (?, 'merged', ?)", row)

    def _state(self, n: int, record: int, told: Told) -> None:
        insert = "insert into marts.consent_statements values (?, ?, ?, ?, ?, ?)"
        if told.flag is not None:
            at = (NOW + timedelta(hours=told.at)).replace(tzinfo=None)
            self.snapshot.execute(insert, [profile_id(n), "crm", str(record), told.flag, False, at])
        if told.unsubscribed:
            at = (NOW + timedelta(hours=told.unsubscribed)).replace(tzinfo=None)
            self.snapshot.execute(insert, [profile_id(n), "marketing", f"{record}@x", False, True, at])

    def erase(self, number: int) -> None:
        gone = {n for n in PEOPLE if self.home(n) == number}
        SqlEraser(self.store.url).erase([profile_id(n) for n in gone], None)
        self.store.consents.forget(f"crm:{n}" for n in gone)
        self.erased |= gone
        self.merged = {a: b for a, b in self.merged.items() if a not in gone}
        ids = {profile_id(n) for n in gone}
        self.said = [(entry, records - gone) for entry, records in self.said if entry.profile_id not in ids]
        self.build()

    def may(self, number: int) -> bool:
        """Whether the living profile agrees to marketing: what its ids said, and refusals of its records."""
        if number in self.erased or number in self.merged:
            return False
        records = self.records(number)
        mine = [
            entry
            for entry, spoken in self.said
            if self.home(int(entry.profile_id[:8], 16)) == number or (entry.state in REFUSALS and spoken & records)
        ]
        about_all = [entry.state for entry in mine if entry.purpose == "*"]
        if about_all and about_all[-1] == "restricted":
            return False
        speech = [entry for entry in mine if entry.purpose == "marketing"]
        anew = max((e.at for e in speech if e.state == "given" and e.origin == "person"), default=NOW)
        if any(e.state in ("withdrawn", "objected") and e.at >= anew for e in speech):
            return False
        told = [self.served[r] for r in records]
        if any(t.unsubscribed and NOW + timedelta(hours=t.unsubscribed) >= anew for t in told):
            return False
        voices = [(NOW + timedelta(hours=t.at), t.flag) for t in told if t.flag is not None]
        voices.sort(key=lambda voice: (voice[0], not voice[1]))
        if speech and (not voices or voices[-1][0] <= speech[-1].at):
            return speech[-1].state == "given"
        return bool(voices and voices[-1][1])

    def work(self) -> None:
        triggers.run(self.outbox, self.now)
        deliver(self.store.url, Options(now=lambda: self.now))
        for path in sorted(self.folder.iterdir()):
            if path.name not in self.read:
                self.read.add(path.name)
                for line in path.read_text().splitlines():
                    self._hear(json.loads(line))

    def _hear(self, row: dict[str, Any]) -> None:
        number = int(row["profile_id"][:8], 16)
        if row["change"] in ("restricted", "lifted"):
            told = {name for name, value in row.items() if value}
            assert told <= {"message_id", "change", "profile_id", "at"}, "a notice tells nothing but whom"
            return
        if not row["member"]:
            assert "mail" not in row
            self.believes.discard(number)
            return
        assert self.may(number), f"{row['change']} of {number}, who may not be reached"
        if row["change"] != "trigger":
            self.believes.add(number)
            if row["former_profile_id"]:
                self.believes.discard(int(row["former_profile_id"][:8], 16))

    def look(self) -> None:
        """Whoever is shown or written, at this moment, may be."""
        allows, how = gate(self.store, self.snapshot)[0], {"as_of": self.now}
        shown = preview(self.snapshot, VIP, sample=9, gate=allows, **how)
        self.require("preview", (row["profile_id"] for row in shown.sample))
        self.snapshot.register("served_members", served_members(self.store, "vip"))
        sink = BytesIO()
        export(
            self.snapshot, VIP, format="ndjson", out=sink, gate=allows, members="served_members",
            allow_everybody=True, fields=["profile_id"], **how,
        )  # fmt: skip
        self.require("export", (json.loads(line)["profile_id"] for line in sink.getvalue().splitlines()))
        listed = allowed_of(self.snapshot, "marts.profiles", purpose="marketing", gate=allows, **how)
        self.require("list", listed.profile_ids)
        reached = self.store.memberships("vip", exportable=True)
        self.require("feed", (member.profile_id for member in reached))

    def require(self, where: str, profile_ids: Iterable[str]) -> None:
        for number in (int(found[:8], 16) for found in profile_ids):
            assert self.may(number), f"{where} shows {number}, who may not be reached"


@pytest.fixture(scope="module")
def snapshot() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(MARTS)
        yield connection


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=SLOW)
@given(actions=st.lists(ACTIONS, min_size=4, max_size=8))
@example(actions=[("pass",), ("say", 1, "objected", "person"), ("pass",), ("say", 1, "given", "import"), ("pass",)])
@example(actions=[("merge", 1, 2), ("say", 2, "withdrawn", "person"), ("part", 1), ("pass",)])
@example(actions=[("say", 1, "restricted", "person"), ("merge", 1, 2), ("say", 2, "given", "person"), ("pass",)])
@example(actions=[("say", 1, "withdrawn", "person"), ("source", 1, True), ("publish", frozenset({1})), ("pass",)])
@example(actions=[("merge", 1, 2), ("say", 2, "objected", "person"), ("part", 1), ("erase", 2), ("pass",)])
def test_nobody_is_reached_without_consent(
    snapshot: duckdb.DuckDBPyConnection, template: Path, actions: list[tuple[Any, ...]]
) -> None:
    play(snapshot, template, actions)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(actions=st.lists(ACTIONS, min_size=5, max_size=25))
def test_nobody_is_reached_without_consent_at_length(
    snapshot: duckdb.DuckDBPyConnection, template: Path, actions: list[tuple[Any, ...]]
) -> None:
    play(snapshot, template, actions)


def play(snapshot: duckdb.DuckDBPyConnection, template: Path, actions: list[tuple[Any, ...]]) -> None:
    """Do all of it, then run once more: the receiver holds exactly those in the segment who agree."""
    with tempfile.TemporaryDirectory() as home:
        url, folder = f"sqlite:///{shutil.copy(template, home)}", Path(home) / "drop"
        folder.mkdir()
        with open_store(url) as store:
            outbox = Outbox(url)
            world = World(store, outbox, folder, snapshot)
            world.publish(frozenset({1, 2}))
            config = {"kind": "files", "folder": str(folder), "fields": {"mail": "traits.email"}}
            manage.save(outbox, manage.Wanted("drop", "Drop", config, ["vip"]), by="test", at=NOW, expected=None)
            hello = triggers.parse({"key": "hello", "title": "Hello", "segment": "vip", "destination": "drop"})
            triggers.save(outbox, hello, by="test", at=NOW, expected=None)
            for action in actions:
                world.act(action)
            world.act(("publish", world.inside))
            for _ in range(2):
                world.act(("pass",))
            assert world.believes == {n for n in world.living() if n in world.inside and world.may(n)}
            outbox.close()
