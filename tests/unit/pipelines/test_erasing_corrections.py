"""An erasure takes corrections along: their values are the person's before any run has carried them out."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.domain.corrections import Correction, Place
from cdp.store import open_store
from cdp.store.base import ProfileDocument, Publication
from pipelines.corrections import replace_all
from pipelines.erasing import requests
from tests.support.publications import NOW
from tests.unit.pipelines.erasing_world import ANN, World, make_world
from tests.unit.pipelines.ingest_delivery import CONTACTS, contact

RIGHT = "ann.right@marked.org"


@pytest.fixture
def world(tmp_path: Path) -> World:
    made = make_world(tmp_path)
    with open_store(made.settings.database_url) as store:
        people = [ProfileDocument(name, "{}") for name in ("ann", "bob")]
        store.publish(
            Publication("run", "snapshot-none.duckdb", NOW, {}, ""),
            profiles=people, identifiers=(), redirects=(), segments=(), memberships=(),
        )  # fmt: skip
        store.corrections.write(Correction("ann", (Place("sales", "700001", "email", RIGHT),), "tester"))
        # Bob's: one value of his own, and one that is on a record of Ann's since the two were parted.
        store.corrections.write(
            Correction(
                "bob",
                (Place("sales", "700002", "city", "Kent"), Place("web", "u_marked_700", "city", "Kent")),
                "tester",
            )
        )
        with made.delivery.engine.writer() as connection:
            replace_all(connection, store.corrections.in_force())
    return made


@pytest.mark.parametrize("named", [f"email:{RIGHT}", f"email:{ANN}"])
def test_the_right_mail_is_the_persons(world: World, named: str) -> None:
    assert world.found(RIGHT), "the positive control finds it"
    made, closures = requests.submit(world.settings, [[named]])
    assert sorted(closures[0].mailboxes) == [ANN, RIGHT]
    assert set(closures[0].records) == {"sales:700001", "web:u_marked_700"}
    signed = requests.execute(world.settings, made.request)
    assert signed["receipt"]["status"] == "completed", signed["receipt"]["notes"]
    assert world.found(RIGHT) == [] and world.found(ANN) == []
    with open_store(world.settings.database_url) as store:
        (left,) = store.corrections.listed()
        assert [place.record for place in left.places] == ["sales:700002"]
    assert world.delivery.rows("select source_record_id from ops.corrections") == [("700002",)]
    stores = {line["store"]: line["erased"] for line in signed["receipt"]["stores"]}
    assert stores["warehouse:ops.corrections"] == 2
    assert stores["store:correction_places"] == 2
    # Suppressed like a mail that a record states.
    world.delivery.put_lines("sales/contacts.csv", CONTACTS, contact(700009, mail=RIGHT.upper()))
    world.delivery.load()
    assert world.delivery.rows("select record_key from raw.sales_contacts where record_key = '700009'") == []


def test_a_value_that_another_record_states_is_not_the_persons_alone(world: World) -> None:
    with open_store(world.settings.database_url) as store:
        store.corrections.write(Correction("ann", (Place("sales", "700001", "email", "bob@marked.org"),), "tester"))
    _, closures = requests.submit(world.settings, [["profile:ann"]])
    assert closures[0].mailboxes == [ANN]
