"""Whoever was given a person is told of their erasure, by the id they know, whatever was agreed to; nobody else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from cdp.errors import ConflictError
from cdp.store import destinations, recipients
from cdp.store.base import Redirect
from cdp.store.erasing import SqlEraser
from tests.contract.activation_shop import Shop, heard, receiver, shop
from tests.support.publications import profile_id
from tests.support.receiver import Receiver, receiving

__all__ = ["receiver", "shop"]

REQUEST = "er-20261127-aaaaaaaaaaaa"


def erase(shop: Shop, *numbers: int, request: str = REQUEST) -> None:
    SqlEraser(shop.url).erase([profile_id(number) for number in numbers], None, request=request)


def standing(shop: Shop, request: str = REQUEST) -> list[tuple[str, int, int, int]]:
    """Destination, told, pending, failed."""
    return [tuple(line.values()) for line in recipients.standing(shop.url, request)]


def left_of(shop: Shop, number: int) -> int:
    """Rows of outbox, log and holdings that name a person."""
    with shop.outbox.reading() as connection:
        return sum(
            int(connection.scalar(sa.text(f"select count(*) from {table} where profile_id = :id"), {"id": one}) or 0)
            for table in ("deliveries", "destination_members")
            for one in [profile_id(number)]
        )


def test_those_who_know_the_person_are_told_last_and_nobody_else(shop: Shop, receiver: Receiver) -> None:
    """One holds the person, one held them once, one was never told."""
    with receiving() as former, receiving() as never:
        shop.members(1, 2)
        shop.destination("crm", receiver.url)
        shop.destination("past", former.url)
        shop.work()
        shop.members(2)
        shop.work(only="past")
        shop.members(1, 2)
        shop.destination("off", never.url, enabled=False)
        erase(shop, 1)
        assert standing(shop) == [("crm", 0, 1, 0), ("past", 0, 1, 0)]
        shop.work()
        assert heard(receiver)[2:] == [("exited", 1), ("profile.erased", 1)]
        assert heard(former)[-1] == ("profile.erased", 1) and never.received == []
        last = receiver.received[-1].json
        assert set(last) == {"id", "type", "at", "profile"} and last["profile"] == {"profile_id": profile_id(1)}
        assert standing(shop) == [("crm", 1, 0, 0), ("past", 1, 0, 0)]
        assert left_of(shop, 1) == 0, "nothing has to name the person any more"
        erase(shop, 1)
        assert standing(shop) == [("crm", 1, 0, 0), ("past", 1, 0, 0)], "an erasure that is resumed tells nobody twice"
        assert {one.profile_id for one in destinations.log(shop.outbox)} == {"", profile_id(2)}


def test_no_purpose_and_no_objection_keeps_it_back(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2, 3)
    shop.destination(url=receiver.url)
    shop.work()
    shop.store.segmentation.withdraw([profile_id(1)], ["marketing"], at=shop.clock)
    erase(shop, 1)
    shop.members(2, 3, withheld=(2,), living=range(2, 10))
    shop.members(2, 3, purpose="analytics", living=range(2, 10))
    shop.work()
    assert ("profile.erased", 1) in heard(receiver)
    assert {kind for kind, number in heard(receiver)[3:] if number != 1} == {"exited"}, "and lets nothing else through"


def test_it_is_only_true_of_the_erased(shop: Shop, receiver: Receiver) -> None:
    """A message that a restored backup would bring to somebody who lives is not sent."""
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.work()
    with shop.outbox.writing() as connection:
        connection.execute(
            sa.text(
                "insert into deliveries (destination_key, message_id, profile_id, segment_key, kind, reason, at, state,"
                " attempts, request) select destination_key, 'x', profile_id, '', 'erased', 'erased', at, 'pending', 0,"
                " 'er' from deliveries"
            )
        )
    assert shop.work()["crm"].superseded == 1 and len(receiver.received) == 1


def test_merged_people_are_named_as_they_were_known(shop: Shop, receiver: Receiver) -> None:
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    shop.work()
    shop.members(2, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    shop.work()
    erase(shop, 2)
    assert standing(shop) == [("crm", 0, 2, 0)]
    shop.work()
    assert {one for one in heard(receiver) if one[0] == "profile.erased"} == {
        ("profile.erased", 1), ("profile.erased", 2),
    }  # fmt: skip


def test_a_receiver_that_fails_is_told_later(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(url=receiver.url)
    shop.work()
    erase(shop, 1)
    receiver.always = "status:503"
    shop.work()
    assert standing(shop) == [("crm", 0, 1, 0)] and left_of(shop, 1) > 0
    with pytest.raises(ConflictError, match="has still to be told of 1 erasure"):
        destinations.delete(shop.outbox, "crm", expected=None)
    receiver.always = "status:410"
    shop.work(later=600)
    shop.work(later=600)
    assert standing(shop) == [("crm", 0, 0, 1)]
    receiver.always = "ok"
    destinations.replay(shop.outbox, "crm")
    shop.work(later=600)
    shop.work(later=600)
    assert standing(shop) == [("crm", 1, 0, 0)] and left_of(shop, 1) == 0
    destinations.delete(shop.outbox, "crm", expected=None)


def test_what_is_in_the_air_counts_as_given(shop: Shop, receiver: Receiver) -> None:
    """A worker has a message in hand while the person is erased: it may arrive afterwards."""
    shop.members(1, 2)
    shop.destination(url=receiver.url)
    assert shop.outbox.lease("crm", "other", shop.clock)
    erase(shop, 1)
    shop.outbox.release("crm", "other")
    erase(shop, 2, request="er-2")
    assert standing(shop) == [("crm", 0, 1, 0)] and standing(shop, "er-2") == []


def test_the_audience_form_is_a_regulation(shop: Shop, receiver: Receiver) -> None:
    shop.members(1)
    shop.destination(config={"kind": "webhook", "url": receiver.url, "body": "audience"})
    shop.work()
    erase(shop, 1)
    shop.work()
    assert receiver.received[-1].json == {
        "regulationType": "SUPPRESS_WITH_DELETE", "subjectType": "USER_ID", "subjectIds": [profile_id(1)],
    }  # fmt: skip


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_a_removal_file(shop: Shop, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "drop"
    shop.members(1, 2)
    shop.destination(config={"kind": "files", "folder": str(folder), "format": form})
    shop.work()
    erase(shop, 1)
    shop.work()
    (removal,) = folder.glob("crm-erased-*")
    if form == "csv":
        header, line = removal.read_text("utf-8-sig").splitlines()
        assert header == "message_id,change,profile_id,at" and f",erased,{profile_id(1)}," in line
    else:
        row = json.loads(removal.read_text())
        assert (row["change"], row["profile_id"]) == ("erased", profile_id(1))


def test_rows_of_a_table_go(shop: Shop, postgres_server: Any) -> None:
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    address = postgres_server.new_database()
    shop.members(1, 2)
    shop.destination(config={"kind": "table", "table": "vips"}, secret=address)
    shop.work()
    erase(shop, 1)
    shop.work()
    engine = PostgresBackend(parse(address)).engine()
    with engine.connect() as connection:
        assert connection.execute(sa.text("select profile_id from vips")).scalars().all() == [profile_id(2)]
    engine.dispose()
