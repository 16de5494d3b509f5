"""An erasure over a small home: landing, raw, quarantine, identity, exports; proved, receipted, never back."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from activation.worker import Options
from activation.worker import deliver as deliver_messages
from cdp.clock import wall_now
from cdp.errors import ConflictError, InputError, NotFoundError
from cdp.store import open_store, recipients
from cdp.store.delivery_tables import destination_members, destinations
from cdp.store.outbox import Outbox
from pipelines.erasing import check, execution, requests
from pipelines.erasing.lifting import lift_people
from pipelines.erasing.replay import replay
from privacy import receipts
from privacy.work import Work
from tests.unit.pipelines.erasing_world import ANN, MARKS, World, deliver, make_world
from tests.unit.pipelines.ingest_delivery import CONTACTS, contact, event


@pytest.fixture
def world(tmp_path: Path) -> World:
    return make_world(tmp_path)


def erase(world: World, *identifiers: str) -> dict[str, Any]:
    made, _ = requests.submit(world.settings, [list(identifiers)])
    return requests.execute(world.settings, made.request)


def test_nothing_is_left_and_others_are_as_they_were(world: World) -> None:
    assert all(world.found(mark) for mark in MARKS), "the positive control finds every mark"
    bob = world.delivery.rows("select * from raw.sales_contacts where record_key = '700002'")
    signed = erase(world, f"email:{ANN}")
    assert signed["receipt"]["status"] == "completed", signed["receipt"]["notes"]
    for mark in MARKS:
        assert world.found(mark) == []
    rows = world.delivery.rows
    assert rows("select * from raw.sales_contacts where record_key = '700002'") == bob
    assert rows("select record_key from raw.sales_contacts") == [("700002",)]
    assert rows("select record_key, payload ->> '$.\"Associated Contact IDs\"' from raw.sales_deals") == [
        ("2", "erased-1;700002")
    ]
    assert rows("select record_key from raw.web_events") == [("m3",)]
    assert rows("select count(*) from quarantine.rows") == [(0,)]
    assert world.delivery.totals("sales.contacts") == (3, 1, 0, 0)
    assert world.delivery.totals("web.events") == (4, 1, 0, 0)
    assert (world.settings.exports / "all.csv").read_text() == "profile_id,email\nbob,bob@marked.org\n"


def test_the_profile_is_retired_and_the_rest_is_looked_at_again(world: World) -> None:
    made, closures = requests.submit(world.settings, [[f"email:{ANN}"]])
    assert [doubt.record for doubt in closures[0].doubtful] == ["support:900001"]
    requests.execute(world.settings, made.request)
    rows = world.delivery.rows
    assert rows("select profile_id, status from identity.profiles order by 1") == [
        ("ann", "retired"),
        ("bob", "living"),
    ]
    assert rows("select source || ':' || source_record_id from identity.identity_map") == [("sales:700002",)]
    assert rows("select record_key, content_hash from identity.state_features") == [("sales:700002", "")]
    assert rows("select value from identity.state_frequencies") == [("bob",)]
    assert rows("select kind, profile_id, reason from identity.identity_events") == [("retired", "ann", "erased")]


def test_the_same_files_bring_nobody_back(world: World) -> None:
    erase(world, f"email:{ANN}")
    deliver(world.delivery)
    assert world.delivery.land() == [], "the same bytes are known"
    path = world.delivery.folder / "sales" / "contacts.csv"
    path.write_text(path.read_text() + contact(700003) + "\n")
    world.delivery.load()
    assert {row[0] for row in world.delivery.rows("select record_key from raw.sales_contacts")} == {"700002", "700003"}
    assert world.found(ANN) == []


def test_killed_between_any_two_steps_it_ends_with_one_receipt(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"]])
    saved = Work.save

    class Killed(BaseException):
        pass

    def dying(work: Work) -> None:
        saved(work)
        if work.content["done"]:
            raise Killed

    kills = 0
    monkeypatch.setattr(Work, "save", dying)
    while True:
        try:
            signed = requests.execute(world.settings, made.request)
            break
        except Killed:
            kills += 1
    assert kills == 10, "after every step"
    assert signed["receipt"]["status"] == "completed"
    assert receipts.verify(world.settings.privacy) == []
    assert Work.open_ones(world.settings.privacy) == []
    assert requests.execute(world.settings, made.request) == signed
    assert len(list((world.settings.privacy / "receipts").glob("*.json"))) == 1


def test_receipts_hold_and_tell_of_every_change(world: World) -> None:
    signed = erase(world, f"email:{ANN}")
    body = signed["receipt"]
    text = json.dumps(signed)
    assert not any(mark.lower() in text.lower() for mark in MARKS)
    assert body["tokens"] >= 4 and body["doubtful"] == 1
    assert all(line["residual_hits"] == 0 for line in body["stores"])
    assert sum(line["control_hits"] for line in body["stores"]) > 0
    assert receipts.verify(world.settings.privacy) == []
    path = world.settings.privacy / "receipts" / f"{body['request']}.json"
    path.write_text(path.read_text().replace('"status": "completed"', '"status": "partial"'))
    assert "does not hold" in receipts.verify(world.settings.privacy)[0]


def test_receivers_are_told_after_the_receipt(world: World, tmp_path: Path) -> None:
    url, drop = world.settings.database_url, tmp_path / "drop"
    with closing(Outbox(url)) as outbox, outbox.writing() as connection:
        row = {
            "key": "crm",
            "kind": "files",
            "title": "CRM",
            "purpose": "marketing",
            "enabled": True,
            "version": 1,
            "config": json.dumps({"kind": "files", "folder": str(drop)}),
            "saved_by": "x",
            "saved_at": wall_now(),
        }
        connection.execute(sa.insert(destinations), row)  # fmt: skip
        held = {"destination_key": "crm", "segment_key": "vip", "profile_id": "ann", "since": wall_now()}
        connection.execute(sa.insert(destination_members), held)
    body = erase(world, f"email:{ANN}")["receipt"]
    assert body["status"] == "completed", body["notes"]
    assert body["extra"]["recipients"] == [{"destination": "crm", "told": 0, "pending": 1, "failed": 0}]
    # First the exit, then the erasure.
    deliver_messages(url, Options())
    assert recipients.standing(url, body["request"]) == [{"destination": "crm", "told": 1, "pending": 0, "failed": 0}]
    assert [path.name.startswith("crm-erased-") for path in sorted(drop.iterdir())] == [False, True]


def test_verify_and_unsuppress(world: World) -> None:
    request = erase(world, f"email:{ANN}")["receipt"]["request"]
    assert check.verify(world.settings, request, [f"email:{ANN}"])["clean"]
    (world.settings.home / "tmp").mkdir(exist_ok=True)
    (world.settings.home / "tmp" / "leak.txt").write_text(f"to {ANN}, again")
    again = check.verify(world.settings, request, [f"email:{ANN}"])
    assert not again["clean"] and again["search"]["hits"] == {"scratch": 1}
    assert check.lift(world.settings, request) > 0
    with pytest.raises(NotFoundError):
        check.lift(world.settings, request)
    world.delivery.put_lines("sales/contacts.csv", CONTACTS, contact(700001, mail=ANN))
    world.delivery.load()
    assert ("700001",) in world.delivery.rows("select record_key from raw.sales_contacts")
    assert not check.verify(world.settings, request)["clean"]


def test_one_of_a_batch_is_a_customer_again(world: World) -> None:
    made, _ = requests.submit(
        world.settings, [[f"email:{ANN}"], ["email:bob@marked.org"], ["user_id:u_later"]], allow_many=True
    )
    requests.execute(world.settings, made.request)
    name, people = lift_people(world.settings, [f"email:{ANN.upper()}"])
    assert people == 1
    with open_store(world.settings.database_url) as store:
        (entry,) = [row.entry for row in store.audit_rows(action="privacy.unsuppressed")]
    assert (entry.object, entry.detail) == (name, {"identifiers": 1})
    world.delivery.put_lines(
        "sales/contacts.csv", CONTACTS, contact(700001, mail=ANN), contact(700002, mail="bob@marked.org"),
        contact(700009, mail="bob@marked.org"),
    )  # fmt: skip
    users = (("u_marked_700", "device_marked_1"), ("u_later", "d"))
    world.delivery.put_events(
        "web/events.jsonl.gz", *(event(9 + n, userId=u, anonymousId=d) for n, (u, d) in enumerate(users))
    )
    world.delivery.load()
    assert world.delivery.rows("select record_key from raw.sales_contacts") == [("700001",)]
    assert world.delivery.rows("select record_key from raw.web_events order by 1") == [("m3",), ("m9",)], (
        "nor who is known later"
    )
    with pytest.raises(InputError, match="Nobody is kept out"):
        lift_people(world.settings, ["phone:+15035550123"])


def test_who_was_let_in_again_stays_when_a_backup_is_restored(world: World, tmp_path: Path) -> None:
    home, backup = world.settings.home, tmp_path / "backup"
    made, _ = requests.submit(world.settings, [[f"email:{ANN}"], ["email:bob@marked.org"]], allow_many=True)
    shutil.copytree(home, backup, ignore=shutil.ignore_patterns("privacy"))
    requests.execute(world.settings, made.request)
    assert lift_people(world.settings, ["contact_id:700001"])[1] == 1
    for one in home.iterdir():
        if one.name != "privacy":
            shutil.rmtree(one) if one.is_dir() else one.unlink()
    shutil.copytree(backup, home, dirs_exist_ok=True)
    signed = replay(world.settings)
    assert signed is not None and signed["receipt"]["status"] == "completed"
    assert world.delivery.rows("select record_key from raw.sales_contacts") == [("700001",)]
    assert world.found("bob@marked.org") == [] and replay(world.settings) is None


def test_unknown_people_get_the_same_answer(world: World) -> None:
    signed = erase(world, "email:nobody@nowhere.org")
    assert signed["receipt"]["status"] == "completed"
    assert world.delivery.rows("select count(*) from raw.sales_contacts") == [(2,)]


def test_two_people_and_nonsense_are_refused(world: World) -> None:
    with pytest.raises(ConflictError, match="lead to 2 different people"):
        requests.submit(world.settings, [[f"email:{ANN}", "email:bob@marked.org"]])
    with pytest.raises(InputError, match="TYPE:VALUE"):
        requests.submit(world.settings, [["ann"]])
    with pytest.raises(InputError, match="at least one identifier"):
        requests.submit(world.settings, [[]])
    with pytest.raises(NotFoundError):
        requests.execute(world.settings, "er-unknown")
    assert requests.read_all(world.settings) == []


def test_a_dry_run_changes_nothing(world: World) -> None:
    found = requests.scope(world.settings, [[f"email:{ANN}"]])
    assert found["rows"]["raw.web_events"] == 2
    assert found["doubtful"][0]["record"] == "support:900001"
    assert world.found(ANN) and requests.read_all(world.settings) == []


def test_a_place_that_cannot_be_read_makes_the_proof_partial(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    (world.settings.home / "exports" / "broken.csv.gz").write_bytes(b"\x1f\x8b\x08\x00broken")
    monkeypatch.setattr(execution.files, "clean", lambda *_: {})
    body = erase(world, f"email:{ANN}")["receipt"]
    assert body["status"] == "partial"
    assert any("could not be read" in note for note in body["notes"])
    assert datetime.fromisoformat(body["verified_at"])
