"""Whom a hold means when an erasure comes: by whatever identifier it was placed, and as that was written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from cdp.clock import wall_now
from pipelines.erasing import freezing, holding, requests
from privacy.holds import hold as acts
from privacy.holds.register import Holds, Meant
from tests.unit.pipelines.erasing_world import ANN, World, make_world

TOMORROW = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
PHONE = "+491708642097"
ORDERS = 2


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Ann has a telephone of her own, as one of her records states it."""
    world = make_world(tmp_path_factory.mktemp("met"))
    telephone(world, PHONE)
    return world


def telephone(world: World, number: str, *, profile: str = "ann", record: str = "700001") -> None:
    with world.delivery.engine.writer() as connection:
        connection.execute(
            "update identity.state_features set telephone = ? where source_record_id = ?", [number, record]
        )
        connection.execute("delete from identity.identifiers where type = 'phone' and source_record_id = ?", [record])
        connection.execute(
            "insert into identity.identifiers values (?, 'phone', ?, 'sales', ?)", [profile, number, record]
        )


def place(world: World, *identifiers: str) -> str:
    (made,) = holding.place(
        world.settings, [identifiers], basis="claims", categories=["orders"], until=TOMORROW, actor="anna"
    )
    return made.hold


def met(world: World, *identifiers: str) -> dict[str, int]:
    """Holds under which an erasure of whoever is named keeps orders, with how many."""
    closures = freezing.closures_of(world.settings, freezing.parse_all([identifiers]))
    told = holding.keep(world.settings, "er-1", closures, {"threads": 1})
    return {one["hold"]: one["records"] for one in told if one["records"]}


@pytest.mark.parametrize(
    "named",
    [
        f"email:{ANN}", f"email: {ANN.upper()} ", f"phone:{PHONE}", "phone:+49 (0)170 864 20 97",
        "phone:0049 170/8642097", "contact_id:700001", "user_id: u_marked_700", "requester_id:900001",
        "anonymous_id:device_marked_1", "profile:ann", "profile: ann ",
    ],
)  # fmt: skip
def test_it_is_met_by_whatever_names_the_person(shared: World, named: str) -> None:
    hold = place(shared, named)
    for erased in (f"email:{ANN}", f"phone:{PHONE}", "contact_id:700001", "profile:ann"):
        assert met(shared, erased)[hold] == ORDERS, erased
    assert hold not in met(shared, "email:bob@marked.org")
    Holds(shared.settings.privacy).change(hold, partial(acts.release, actor="anna", now=wall_now()))


@pytest.mark.parametrize("named", [f"phone:{PHONE}", f"email:{ANN}"])
def test_who_is_found_otherwise_by_then_is_held_all_the_same(tmp_path: Path, named: str) -> None:
    """Placed on the command line and by a server, which looks nobody up before the next run."""
    world = make_world(tmp_path)
    telephone(world, PHONE)
    here = place(world, named)
    (there,) = Holds(world.settings.privacy).place(
        [Meant([named], [("a", "token")])], basis="tax", categories=("orders",), until=TOMORROW, actor="key:1",
        now=wall_now(),
    )  # fmt: skip
    nobody = place(world, "email:nobody@marked.org")
    assert requests.run_all(world.settings) == []
    with world.delivery.engine.writer() as connection:
        connection.execute("delete from identity.identifiers where value in (?, ?)", [PHONE, ANN])
        connection.execute("update identity.state_features set mailbox = null, telephone = null")
    assert met(world, "contact_id:700001") == {here: ORDERS, there.hold: ORDERS}
    assert "records" not in holding.show(world.settings, here, actor="anna")
    # Somebody else has it by now: in doubt both are held.
    telephone(world, PHONE, profile="bob", record="700002")
    assert set(met(world, "contact_id:700002")) == ({here, there.hold} if named == f"phone:{PHONE}" else set())
    assert nobody not in met(world, "contact_id:700001")
