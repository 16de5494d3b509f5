"""Rules about people over a small home: who lapsed goes, old records stay out, and whoever comes back is new."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cdp.settings import Settings, load_settings
from pipelines.context import quiet
from pipelines.erasing import check
from pipelines.ingest.landing import land
from pipelines.ingest.load import load
from pipelines.retaining import due, people
from privacy import receipts
from privacy.work import Work
from tests.unit.pipelines.erasing_world import ANN, MARKS, World, make_world
from tests.unit.pipelines.ingest_delivery import CONTACTS, DEALS, NOW, contact, event

RULE = "rules: [{name: lapsed, people: without_activity, older_than: 36 months}]"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Nothing was heard of Ann since 2022, of Bob since December."""
    made = make_world(tmp_path)
    with made.delivery.engine.writer() as connection:
        connection.execute(
            "create schema marts; create table marts.profiles (profile_id varchar, last_seen_at timestamp)"
        )
        connection.execute("insert into marts.profiles values ('ann', '2022-12-31'), ('bob', '2025-12-01')")
    return made


@pytest.fixture
def settings(world: World, tmp_path: Path) -> Settings:
    file = tmp_path / "retention.yaml"
    file.write_text(RULE)
    return load_settings(home=world.settings.home, as_of=NOW, privacy_retention=file)


def take(world: World, settings: Settings) -> set[str]:
    """Load what is delivered; the contacts there are then."""
    load(settings, world.delivery.engine, land(settings, world.delivery.folder), now=NOW)
    return {row[0] for row in world.delivery.rows("select record_key from raw.sales_contacts")}


def test_who_lapsed_goes_and_may_come_anew(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    shown, *_ = due.show(settings)
    assert (shown["goes"], shown["there"], shown["waits_to_be_allowed"]) == (1, 2, False)
    save, kills = Work.save, []

    def dying(work: Work) -> None:
        save(work)
        if work.content["done"] and len(work.content["done"]) not in kills:
            kills.append(len(work.content["done"]))
            raise KeyboardInterrupt

    monkeypatch.setattr(Work, "save", dying)
    while True:
        try:
            signed = people.run(settings, quiet)
            break
        except KeyboardInterrupt:
            continue
    assert len(kills) >= 10, "killed after every step"
    assert signed is not None
    body = signed["receipt"]
    assert (body["kind"], body["subjects"], body["status"]) == ("retention", 1, "completed"), body["notes"]
    assert receipts.verify(settings.privacy) == []
    for mark in MARKS:
        assert world.found(mark) == [] and mark.lower() not in json.dumps(signed).lower()
    assert people.run(settings, quiet) is None, "once a day"
    assert check.verify(settings, body["request"], [f"email:{ANN}"])["clean"]

    # The same records, and others of before, do not come in again; whoever cannot say when stays out too.
    folder = world.delivery
    old = contact(700001, mail=ANN, date="2020-05-05T00:00:00Z")
    folder.put_lines("sales/contacts.csv", CONTACTS, old, contact(700002, mail="bob@marked.org"), contact(9, mail=ANN))
    folder.put_events("web/events.jsonl.gz", event(1, userId="u_marked_700"), event(7, anonymousId="device_marked_1"))
    assert take(world, settings) == {"700002"}
    assert world.delivery.rows("select record_key from raw.web_events") == [("m3",)]
    world.delivery.totals("sales.contacts")

    # What happened after is of a new customer.
    anew = contact(700001, mail=ANN, date="2026-01-01T09:00:00Z")
    folder.put_lines("sales/contacts.csv", CONTACTS, anew, contact(700002, mail="bob@marked.org"))
    folder.put_lines("sales/deals.csv", DEALS, "7,open,,2026-01-01T09:00:00Z,,700001")
    assert take(world, settings) == {"700001", "700002"}
    assert ("7",) in world.delivery.rows("select record_key from raw.sales_deals")


def test_a_record_that_was_changed_since_is_a_new_one(world: World, settings: Settings) -> None:
    people.run(settings, quiet)
    header = f"{CONTACTS},Last Modified Date"
    changed = f"{contact(700001, mail=ANN)},2026-02-01T00:00:00Z"
    world.delivery.put_lines("sales/contacts.csv", header, changed, f"{contact(700002, mail='bob@marked.org')},")
    assert take(world, settings) == {"700001", "700002"}


def test_many_at_once_wait_until_that_is_allowed(
    world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(due, "FEW", 0)
    told: list[str] = []
    assert people.run(settings, told.append) is None
    assert "the rule lapsed would erase 1 of 2 people and waits" in told[-1]
    assert people.run(settings, quiet) is None
    due.allow(settings, ["lapsed"], "anna")
    assert due.show(settings)[0]["waits_to_be_allowed"] is False
    signed = people.run(settings, quiet)
    assert signed is not None and signed["receipt"]["subjects"] == 1
    tomorrow = settings.model_copy(update={"as_of": NOW + timedelta(days=1)})
    assert people.run(tomorrow, quiet) is None
