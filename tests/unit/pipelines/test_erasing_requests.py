"""Requests that others made, carried out by the pipeline: frozen, stopped, cancelled, repeated, many."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from cdp.clock import wall_now
from cdp.errors import BusyError, ConflictError, InputError
from cdp.store import open_store
from pipelines.erasing import requests
from pipelines.lock import writer_lock
from pipelines.packaging import making
from privacy import policy
from privacy.closure import Closure
from privacy.packages.vault import PackageGone
from privacy.register import Asked, Register
from privacy.requests import request as acts
from privacy.requests.request import Request
from privacy.requests.words import Kind, Verification
from privacy.work import Work
from tests.unit.pipelines.erasing_world import ANN, World, make_world
from tests.unit.pipelines.ingest_delivery import CONTACTS, contact

BOB = "bob@marked.org"


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def ask(world: World, *identifiers: str, to: str = "approved", kind: Kind = Kind.ERASURE) -> Request:
    """A request as a server keeps it, up to a state."""
    register = Register(world.settings.privacy)
    normal = [(kind_, value) for kind_, _, value in (text.partition(":") for text in identifiers)]
    now = wall_now()
    wanted = Asked(kind, [identifiers], [normal])
    one, _ = register.receive(wanted, actor="key:1", now=now, policy=policy.load(world.settings))
    if to in ("verified", "approved"):
        one = register.change(one.request, partial(acts.verify, how=Verification.LOGIN, actor="key:1", now=now))
    if to == "approved":
        one = register.change(one.request, partial(acts.approve, actor="key:2", now=now, four_eyes=True))
    return one


def test_each_is_treated_as_it_stands(world: World) -> None:
    """One home, several requests: only what is approved is carried out, once, and what cannot be is refused."""
    unverified = ask(world, f"email:{BOB}", to="received")
    verified = ask(world, "user_id:u_marked_700", to="verified")
    both = ask(world, f"email:{ANN}", f"email:{BOB}")
    cancelled = ask(world, "email:gone@marked.org")
    register = Register(world.settings.privacy)
    register.change(cancelled.request, partial(acts.cancel, actor="key:1", now=wall_now()))
    access = ask(world, f"email:{ANN}", kind=Kind.ACCESS)
    one = ask(world, f"email:{ANN}")
    told: list[str] = []
    made_package, signed = requests.run_all(world.settings, progress=told.append)
    assert (signed["receipt"]["request"], signed["receipt"]["status"]) == (one.request, "completed")
    assert made_package["package"]["request"] == access.request
    with pytest.raises(PackageGone, match="was destroyed, because the data in it was erased"):
        making.vault_of(world.settings).open(access.request, wall_now())
    assert world.found(ANN) == [] and world.found(BOB)
    made = (unverified, verified, both, cancelled, access, one)
    states = {each.request: register.read(each.request) for each in made}
    assert [found.status for found in states.values()] == [
        "received", "verified", "refused", "cancelled", "completed", "completed",
    ]  # fmt: skip
    assert states[both.request].reason == "different_people" and any("2 different people" in text for text in told)
    assert not any(ANN in text or BOB in text for text in told)
    assert states[one.request].doubtful == 1, "the doubtful record is left, and told of"
    closures = Work.resume(world.settings.privacy, verified.request).content["closures"]
    assert Closure.from_json(closures[0]).profiles == ["ann"], "frozen for whoever approves"
    assert sorted(Work.open_ones(world.settings.privacy)) == sorted([unverified.request, verified.request])
    assert requests.run_all(world.settings) == []
    with open_store(world.settings.database_url) as store:
        refused = store.audit_rows(object=both.request)
    assert [(row.entry.action, row.entry.detail) for row in refused] == [
        ("privacy.request.refused", {"reason": "different_people"})
    ]
    objection = ask(world, f"email:{BOB}", kind=Kind.OBJECTION)
    for name, sentence in ((unverified, "has to be verified first"), (objection, "a person answers it")):
        with pytest.raises(ConflictError, match=sentence):
            requests.execute(world.settings, name.request)


def test_identifiers_of_two_people_stay_those_of_two_when_one_is_erased_first(world: World) -> None:
    ask(world, f"email:{ANN}")
    identifiers = (f"email:{ANN}", f"email:{BOB}")
    both, access = ask(world, *identifiers), ask(world, *identifiers, kind=Kind.ACCESS)
    signed = requests.run_all(world.settings, kinds={Kind.ERASURE})
    assert len(signed) == 1 and world.found(ANN) == [] and world.found(BOB)
    register = Register(world.settings.privacy)
    for one in (both, access):
        assert register.read(one.request).reason == "different_people"
    with open_store(world.settings.database_url) as store:
        assert [row.entry.action for row in store.audit_rows(object=both.request)] == ["privacy.request.refused"]


@pytest.mark.parametrize("moment", ["looked_up", "begun"])
def test_one_that_is_cancelled_in_the_middle_of_a_pass_does_not_stop_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """Cancelled between being read and being refused, or being begun: the next one is carried out all the same."""
    gone = ask(world, f"email:{ANN}", f"email:{BOB}") if moment == "looked_up" else ask(world, "email:gone@marked.org")
    one = ask(world, f"email:{ANN}")
    register = Register(world.settings.privacy)
    act, change = acts.refuse if moment == "looked_up" else acts.begin, Register.change

    def cancelled_first(self: Register, name: str, action: Any) -> Request:
        if name == gone.request and getattr(action, "func", None) is act:
            change(self, name, partial(acts.cancel, actor="key:1", now=wall_now()))
        return change(self, name, action)

    monkeypatch.setattr(Register, "change", cancelled_first)
    (signed,) = requests.run_all(world.settings)
    assert signed["receipt"]["request"] == one.request
    assert register.read(gone.request).status == "cancelled"


def test_identifiers_that_cannot_be_read_do_not_stop_the_others(world: World) -> None:
    told: list[str] = []
    unreadable, one = ask(world, "profile: "), ask(world, f"email:{ANN}")
    (signed,) = requests.run_all(world.settings, progress=told.append)
    assert signed["receipt"]["request"] == one.request
    assert any(unreadable.request in text and "TYPE:VALUE" in text for text in told)
    assert requests.read(world.settings, unreadable.request).status == "approved", "a person can still refuse it"
    with pytest.raises(InputError, match=r"^Person 2: There is no identifier type"):
        requests.submit(world.settings, [[f"email:{ANN}"], ["passport:1"]])


def test_during_a_running_pipeline_nothing_is_half_done(world: World, tmp_path: Path) -> None:
    import subprocess
    import sys

    hold = (
        "import sys; from pathlib import Path; from pipelines.lock import writer_lock\n"
        "with writer_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", hold, str(world.settings.writer_lock)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match="Another run is going"):
            requests.submit(world.settings, [[f"email:{ANN}"]])
        assert requests.read_all(world.settings) == [] and Work.open_ones(world.settings.privacy) == []
        waiting = ask(world, f"email:{ANN}")
        with pytest.raises(BusyError):
            requests.run_all(world.settings)
        assert requests.read(world.settings, waiting.request) == waiting, "a server keeps it; it waits as it is"
        other.communicate()
    assert len(requests.run_all(world.settings)) == 1


def test_a_profile_merged_yesterday_is_the_living_one(world: World) -> None:
    with world.delivery.engine.writer() as connection:
        connection.execute("insert into identity.profiles values ('old', 3, 'merged', 'ann', '')")
    made, closures = requests.submit(world.settings, [["profile:old"]])
    assert closures[0].profiles == ["ann"] and "sales:700001" in closures[0].records
    again, same = requests.submit(world.settings, [["profile:old"]])
    assert again.request == made.request and [one.to_json() for one in same] == [one.to_json() for one in closures]
    assert len(requests.read_all(world.settings)) == 1


def test_a_hundred_thousand_ids_are_one_request_that_the_guard_judges(world: World) -> None:
    people = [[f"user_id:u_nobody_{number}"] for number in range(100_000)]
    made, closures = requests.submit(world.settings, people)
    assert made.subjects == len(closures) == 100_000 and not any(one.profiles for one in closures)
    path = world.settings.privacy / "requests" / f"{made.request}.json"
    assert path.stat().st_size < 10_000


def test_too_many_people_stop_a_request_and_may_be_meant(world: World) -> None:
    with world.delivery.engine.writer() as connection:
        connection.execute(
            "insert into identity.identity_map select 'web', 'many' || n, 'p' || n, 1, false from range(60) t(n)"
        )
        connection.execute(
            "insert into identity.profiles select 'p' || n, 10 + n, 'living', null, '' from range(60) t(n)"
        )
    register = Register(world.settings.privacy)
    people = [[f"user_id:many{number}"] for number in range(60)]
    with pytest.raises(ConflictError, match="would erase 60 of"):
        requests.submit(world.settings, people)
    assert register.all() == []
    wanted = Asked(Kind.ERASURE, people, [[("user_id", f"many{n}")] for n in range(60)])
    one, _ = register.receive(wanted, actor="key:1", now=wall_now(), policy=policy.load(world.settings))
    register.change(one.request, partial(acts.verify, how=Verification.LOGIN, actor="key:1", now=wall_now()))
    told: list[str] = []
    assert requests.run_all(world.settings, progress=told.append) == [] and "--allow-many" in told[-1]
    assert register.read(one.request).status == "verified", "nothing is decided for whoever approves"
    approve = partial(acts.approve, actor="key:2", now=wall_now(), four_eyes=True, allow_many=True)
    register.change(one.request, approve)
    (signed,) = requests.run_all(world.settings)
    assert signed["receipt"]["status"] == "completed" and signed["receipt"]["subjects"] == 60


def test_what_is_due_is_said_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime(2026, 1, 31, 12, tzinfo=UTC)
    moment: dict[str, Any] = {"now": now}
    monkeypatch.setattr(requests, "wall_now", lambda: moment["now"])
    register = Register(world.settings.privacy)
    wanted = Asked(Kind.ACCESS, [[f"email:{ANN}"]], [[("email", ANN)]])
    one, _ = register.receive(wanted, actor="key:1", now=now, policy=policy.load(world.settings))
    told: list[str] = []
    for days, said in ((0, 0), (20, 0), (25, 1), (26, 1), (30, 2), (31, 3), (60, 3)):
        moment["now"] = now + timedelta(days=days)
        requests.remind(world.settings, register, told.append)
        assert len(told) == said, f"after {days} days"
    assert told[0] == f"Request {one.request} (access, received) is due on 2026-03-02: 7_days."
    assert told[-1].endswith("overdue.")


def arrive(world: World, key: str, profile: str, mailbox: str | None, tied_to: str | None) -> None:
    """What identity makes of a record that came later; `tied_to` by evidence, else of a person of its own."""
    source, record = key.split(":")
    with world.delivery.engine.writer() as connection:
        connection.execute("insert into identity.identity_map values (?, ?, ?, 1, false)", [source, record, profile])
        connection.execute(
            "insert into identity.state_features (record_key, source, source_record_id, content_hash, mailbox, given,"
            " family) values (?, ?, ?, 'made', ?, ?, 'lee')",
            [key, source, record, mailbox, profile],
        )
        if tied_to:
            connection.execute("insert into identity.edges values (?, ?, 20, 1, false, '')", sorted((key, tied_to)))
        else:
            connection.execute("insert into identity.profiles values (?, 9, 'living', null, '')", [profile])


def test_what_joined_the_person_since_goes_too_and_a_household_stays(world: World) -> None:
    """Approved today, carried out when more had been delivered: of the person, and of somebody with the same phone."""
    made = ask(world, f"email:{ANN}", to="verified")
    assert requests.run_all(world.settings) == []
    new, kid = "ann.marked.new@marked.org", "kid@marked.org"
    world.delivery.put_lines(
        "sales/contacts.csv", CONTACTS, contact(700001, mail=ANN.upper()), contact(700002, mail=BOB),
        contact(700008, mail=new), contact(700009, name="Kid", mail=kid),
    )  # fmt: skip
    world.delivery.load()
    arrive(world, "sales:700008", "ann", new, "sales:700001")
    arrive(world, "sales:700009", "kid", kid, None)
    approve = partial(acts.approve, actor="key:2", now=wall_now(), four_eyes=True)
    Register(world.settings.privacy).change(made.request, approve)
    (signed,) = requests.run_all(world.settings)
    assert signed["receipt"]["status"] == "completed", signed["receipt"]["notes"]
    assert signed["receipt"]["extra"]["joined"] == 1
    assert world.found(new) == [] and world.found(ANN) == [] and world.found(kid)
    assert world.delivery.rows("select record_key from raw.sales_contacts order by 1") == [("700002",), ("700009",)]
    assert ("kid", "living") in world.delivery.rows("select profile_id, status from identity.profiles")


def test_a_person_who_grew_beyond_the_guard_is_not_erased(world: World) -> None:
    made = ask(world, f"email:{ANN}", to="verified")
    requests.run_all(world.settings)
    with world.delivery.engine.writer() as connection:
        connection.execute(
            "insert into identity.identity_map select 'pos', 'L' || n, 'ann', 1, false from range(60) t(n)"
        )
        connection.execute(
            "insert into identity.edges select 'pos:L' || n, 'sales:700001', 20, 1, false, '' from range(60) t(n)"
        )
    register = Register(world.settings.privacy)
    approve = partial(acts.approve, actor="key:2", now=wall_now(), four_eyes=True)
    register.change(made.request, approve)
    told: list[str] = []
    assert requests.run_all(world.settings, progress=told.append) == []
    assert "has 62 records" in told[-1]
    refused = register.read(made.request)
    assert (refused.status, refused.reason) == ("refused", "matches_too_much") and world.found(ANN)


def test_the_lock_is_free_afterwards(world: World) -> None:
    requests.submit(world.settings, [[f"email:{ANN}"]])
    with writer_lock(world.settings.writer_lock):
        pass
