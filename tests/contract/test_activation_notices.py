"""Whoever was given a person is told what was put right and that the use is restricted, once; values where allowed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.domain.consent import State, Statement
from cdp.domain.corrections import Correction, Place
from cdp.errors import ConflictError
from cdp.store import destinations, recipients
from cdp.store.base import Redirect, Rights
from cdp.store.erasing import SqlEraser
from tests.contract.activation_shop import Shop, heard, receiver, shop
from tests.support.publications import NOW, profile_id
from tests.support.receiver import Receiver, receiving

__all__ = ["receiver", "shop"]

REQUEST = "rc-20261127-aaaaaaaaaaaa"


def correct(shop: Shop, number: int, *fields: str, request: str | None = REQUEST) -> str:
    places = tuple(Place("web", f"u_{number}", field, "right") for field in fields or ("email",))
    return shop.store.corrections.write(Correction(profile_id(number), places, "dpo", request=request)).correction_id


def say(shop: Shop, number: int, state: State, *, at: Any = None, request: str | None = REQUEST) -> int:
    entry = Statement(profile_id(number), "*", state, at or shop.clock, "letter", "dpo", request=request)
    return shop.store.consents.write([entry], at=shop.clock)[0].seq


def carried_out(*corrections: str, **restricted: int) -> dict[str, Any]:
    """What a publication rests on: corrections, and `p1=7` for profile 1 under entry 7."""
    people = {profile_id(int(name[1:])): entry for name, entry in restricted.items()}
    return {"rights": Rights(corrections, people), "consents": 1_000}


def standing(shop: Shop, request: str = REQUEST) -> list[tuple[str, int, int, int]]:
    """Destination, told, pending, failed."""
    return [tuple(line.values()) for line in recipients.standing(shop.url, request)]


def notices(shop: Shop) -> list[tuple[str, int, str]]:
    return [one for one in shop.told() if one[0] in ("rectified", "restricted", "lifted")]


def test_a_correction_is_told_once_when_it_is_carried_out(shop: Shop, receiver: Receiver) -> None:
    """To who was given the person, with the values that it gets anyway; to nobody else."""
    with receiving() as never:
        shop.members(1, 2)
        shop.destination("crm", receiver.url)
        shop.work()
        shop.destination("off", never.url, enabled=False)
        name = correct(shop, 1, "email", "first_name", "full_name")
        shop.members(1, 2, **carried_out())
        assert notices(shop) == [] and standing(shop) == [], "until a run has carried it out nothing is to be told"
        for _ in range(2):
            shop.members(1, 2, **carried_out(name))
        assert standing(shop) == [("crm", 0, 1, 0)]
        shop.work()
        assert heard(receiver)[2:] == [("profile.rectified", 1)] and never.received == []
        told = receiver.received[-1].json
        assert told["profile"] == {"profile_id": profile_id(1), "mail": "p1@example.org"}
        assert told["corrected"] == ["email", "first_name"]
        assert standing(shop) == [("crm", 1, 0, 0)]
        shop.store.corrections.withdraw(name, "dpo")
        shop.members(1, 2, **carried_out(name))
        assert len(notices(shop)) == 1, "a run that began before still rests on it"
        for _ in range(2):
            shop.members(1, 2, **carried_out())
        assert notices(shop) == [("rectified", 1, "delivered"), ("rectified", 1, "pending")], (
            "taken back is a change too"
        )


@pytest.mark.parametrize("why", ["objection", "purpose", "left", "restriction"])
def test_values_are_told_only_to_who_may_have_them(shop: Shop, receiver: Receiver, why: str) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    name = correct(shop, 1)
    if why == "restriction":
        say(shop, 1, "restricted", request=None)
    more: dict[str, Any] = {"objection": {"withheld": (1,)}, "purpose": {"purpose": "analytics"}}.get(why, {})
    shop.members(*((2,) if why in ("left", "restriction") else (1, 2)), **more, **carried_out(name))
    shop.work()
    (told,) = (one.json for one in receiver.received if one.json["type"] == "profile.rectified")
    assert told["profile"] == {"profile_id": profile_id(1)} and told["corrected"] == ["email"]


def test_a_restriction_gets_past_the_gate_and_nothing_else_does(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    entry = say(shop, 1, "restricted")
    say(shop, 1, "restricted", request="rs-repeated")
    shop.members(2, **carried_out(p1=entry))
    assert standing(shop) == [("crm", 0, 1, 0)] and standing(shop, "rs-repeated") == []
    shop.members(1, 2, withheld=(1,), **carried_out(p1=entry))
    shop.work()
    assert heard(receiver)[2:] == [("exited", 1), ("profile.restricted", 1)]
    assert receiver.received[-1].json["profile"] == {"profile_id": profile_id(1)}
    say(shop, 1, "lifted", at=NOW, request=None)
    assert len(notices(shop)) == 1, "an end that lies before the restriction ends nothing"
    say(shop, 1, "lifted", request="rs-end")
    say(shop, 1, "lifted", request=None)
    shop.members(1, 2, **carried_out())
    shop.work()
    assert heard(receiver)[4:] == [("profile.restriction_lifted", 1), ("entered", 1)]
    assert standing(shop, "rs-end") == [("crm", 1, 0, 0)]


def test_merges_and_splits_carry_a_restriction_to_other_receivers(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    entry = say(shop, 1, "restricted")
    merged = {"redirects": [Redirect(profile_id(1), "merged", profile_id(2))], "living": range(2, 10)}
    for _ in range(2):
        shop.members(**merged, **carried_out(p2=entry))
    assert [one[:2] for one in notices(shop)] == [("restricted", 1), ("restricted", 2)]
    assert {one.request for one in destinations.log(shop.outbox) if one.kind == "restricted"} == {REQUEST}
    for _ in range(2):
        shop.members(2, **carried_out(p1=entry))
    assert [one[:2] for one in notices(shop)][2:] == [("lifted", 2)], "after the merge was undone"
    say(shop, 1, "lifted")
    assert [one[:2] for one in notices(shop)][3:] == [("lifted", 1)]


def test_what_was_said_after_an_evaluation_stands(shop: Shop, receiver: Receiver) -> None:
    """A publication that did not read the entry yet takes nothing back."""
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.work()
    entry = say(shop, 1, "restricted")
    shop.members(1, rights=Rights((), {}), consents=entry - 1)
    assert [one[:2] for one in notices(shop)] == [("restricted", 1)]
    say(shop, 1, "lifted")
    shop.members(rights=Rights((), {profile_id(1): entry}), consents=entry)
    assert [one[:2] for one in notices(shop)] == [("restricted", 1), ("lifted", 1)]


def test_a_dead_restriction_is_not_replayed_after_its_end(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.work()
    say(shop, 1, "restricted")
    with pytest.raises(ConflictError, match="has still to be told of 1 erasure"):
        destinations.delete(shop.outbox, "crm", expected=None)
    receiver.always = "status:410"
    for _ in range(3):
        shop.work(later=600)
    assert standing(shop) == [("crm", 0, 0, 1)]
    receiver.always = "ok"
    say(shop, 1, "lifted", request=None)
    shop.work(later=600)
    destinations.replay(shop.outbox, "crm")
    shop.work(later=600)
    assert [number for kind, number in heard(receiver) if kind == "profile.restriction_lifted"] == [1]
    assert ("restricted", 1, "superseded") in notices(shop)


def test_an_erasure_takes_notices_with_it(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.work()
    name = correct(shop, 1)
    say(shop, 1, "restricted")
    shop.members(1, withheld=(1,), **carried_out(name, p1=1))
    SqlEraser(shop.url).erase([profile_id(1)], None, request="er-1")
    shop.work()
    assert heard(receiver)[1:] == [("exited", 1), ("profile.erased", 1)]
    assert {one.profile_id for one in destinations.log(shop.outbox)} == {""}


def test_the_audience_form(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(
        config={"kind": "webhook", "url": receiver.url, "body": "audience", "fields": {"m": "traits.email"}}
    )
    shop.work()
    name = correct(shop, 1)
    shop.members(1, **carried_out(name))
    say(shop, 1, "restricted")
    say(shop, 1, "lifted")
    shop.work()
    bare, *_, restricted, lifted = (one.json for one in receiver.received[1:])
    assert bare["batch"][-1]["event"] == "Profile Rectified" and bare["batch"][-1]["properties"] == {
        "corrected": ["email"]
    }
    assert restricted["regulationType"] == "SUPPRESS_ONLY" and lifted["regulationType"] == "UNSUPPRESS"
    assert restricted["subjectIds"] == [profile_id(1)]
    shop.members(1, **carried_out(name))
    shop.members(1, **carried_out(name, correct(shop, 1, "phone")))
    shop.work()
    identify, _ = receiver.received[-1].json["batch"]
    assert identify["type"] == "identify" and identify["traits"] == {"m": "p1@example.org"}


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_file_of_notices(shop: Shop, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "drop"
    shop.members(1, 2)
    shop.destination(
        config={"kind": "files", "folder": str(folder), "format": form, "fields": {"mail": "traits.email"}}
    )
    shop.work()
    name = correct(shop, 1)
    shop.members(1, 2, **carried_out(name))
    say(shop, 2, "restricted")
    shop.work()
    files = sorted(folder.glob("crm-notices-*"))
    if form == "csv":
        (header, first), (_, second) = (file.read_text("utf-8-sig").splitlines() for file in files)
        assert header == "message_id,change,profile_id,at,corrected,mail"
        assert first.endswith('"[""email""]",p1@example.org') and ",restricted," in second and second.endswith(",[],")
    else:
        first, second = (json.loads(file.read_text()) for file in files)
        assert (first["change"], first["corrected"], first["mail"]) == ("rectified", ["email"], "p1@example.org")
        assert second["change"] == "restricted" and "mail" not in second


def test_rows_of_a_table(shop: Shop, postgres_server: Any) -> None:
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    address = postgres_server.new_database()
    shop.members(1, 2)
    config = {"kind": "table", "table": "vips", "fields": {"mail": "traits.email"}}
    shop.destination(config=config, secret=address)
    shop.work()
    engine = PostgresBackend(parse(address)).engine()
    with engine.connect().execution_options(writes=True) as connection, connection.begin():
        connection.execute(sa.text("update vips set mail = 'wrong'"))
    name = correct(shop, 1)
    shop.members(1, 2, **carried_out(name))
    say(shop, 2, "restricted")
    shop.work()
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select profile_id, member, mail from vips order by 1")).fetchall()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        (profile_id(1), True, "p1@example.org"), (profile_id(2), False, None),
    ]  # fmt: skip
