"""Each form in which receivers are told: the audience form of webhooks, files in a folder, rows of a table."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from activation import tables
from cdp.errors import InputError
from cdp.store.base import Redirect
from tests.contract.activation_shop import Shop, receiver, shop
from tests.support.publications import profile_id
from tests.support.receiver import Receiver

__all__ = ["receiver", "shop"]


def test_the_audience_form(shop: Shop, receiver: Receiver) -> None:
    shop.members()
    shop.destination(
        config={"kind": "webhook", "url": receiver.url, "body": "audience", "fields": {"email": "traits.email"}}
    )
    shop.members(1)
    shop.members()
    shop.work()
    shop.members(2)
    shop.work()
    shop.members(3, living=[1, 3, 4], redirects=[Redirect(profile_id(2), "merged", profile_id(3))])
    shop.work()
    batches = [one.json["batch"] for one in receiver.received]
    assert [[(m["type"], m["userId"], m.get("event")) for m in batch] for batch in batches] == [
        [("identify", profile_id(2), None), ("track", profile_id(2), "Audience Entered")],
        [
            ("identify", profile_id(2), None),
            ("track", profile_id(2), "Audience Exited"),
            ("identify", profile_id(3), None),
            ("track", profile_id(3), "Audience Entered"),
        ],
    ]
    identify, track = batches[0]
    assert identify["traits"] == {"email": "p2@example.org", "vip": True}
    assert track["properties"] == {"audience_key": "vip", "vip": True}
    assert track["context"]["personas"]["computation_class"] == "audience"
    assert len({message["messageId"] for batch in batches for message in batch}) == 6


@pytest.mark.parametrize("form", ["ndjson", "csv"])
def test_files(shop: Shop, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "drop"
    shop.members(1, 2)
    config = {"kind": "files", "folder": str(folder), "format": form, "fields": {"mail": "traits.email"}}
    shop.destination(config=config)
    assert shop.work()["crm"].delivered == 2
    shop.members(2)
    shop.work()
    first, second = sorted(folder.iterdir())
    if form == "csv":
        lines = first.read_text("utf-8-sig").splitlines()
        assert lines[0] == "message_id,change,segment,member,profile_id,former_profile_id,at,mail"
        assert lines[1].endswith(",p1@example.org") and len(lines) == 3
        assert ",exited,vip,false," in second.read_text("utf-8-sig").splitlines()[1]
    else:
        rows = [json.loads(line) for line in first.read_text().splitlines()]
        assert [(row["change"], row["mail"]) for row in rows] == [
            ("entered", "p1@example.org"), ("entered", "p2@example.org"),
        ]  # fmt: skip
        assert "mail" not in json.loads(second.read_text())


def test_what_a_killed_worker_left_half_written_goes_with_the_next_file(shop: Shop, tmp_path: Path) -> None:
    drop = tmp_path / "drop"
    drop.mkdir()
    shop.members(1)
    shop.destination(config={"kind": "files", "folder": str(drop)})
    left = [drop / f".{name}-000000000001-000000000002.ndjson.partial" for name in ("crm", "crm-notices", "other")]
    for path in left:
        path.touch()
        os.utime(path, (0, 0))
    written_now = drop / ".crm-000000000003-000000000004.ndjson.partial"
    written_now.touch()
    assert shop.work()["crm"].delivered == 1
    assert [path.exists() for path in left] == [False, False, True]
    assert written_now.exists()


def test_a_folder_that_cannot_be_written_is_tried_again(shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "drop").write_text("in the way")
    shop.members(1)
    shop.destination(config={"kind": "files", "folder": str(tmp_path / "drop" / "inside")})
    assert shop.work()["crm"].codes == {"disk": 1}
    (tmp_path / "drop").unlink()
    assert shop.work(later=60)["crm"].delivered == 1


def test_rows_of_a_table(shop: Shop, postgres_server: Any) -> None:
    address = postgres_server.new_database()
    config = {"kind": "table", "table": "vips", "fields": {"mail": "traits.email", "bought": "traits.purchases"}}
    shop.members(1, 2)
    shop.destination(config=config, secret=address)
    assert shop.work()["crm"].delivered == 2
    shop.members(2, living=range(2, 10), redirects=[Redirect(profile_id(1), "merged", profile_id(2))])
    shop.work()
    shop.members(3)
    shop.work()
    from cdp.store.address import parse
    from cdp.store.postgres import PostgresBackend

    engine = PostgresBackend(parse(address)).engine()
    with engine.connect() as connection:
        rows = connection.execute(sa.text("select profile_id, member, mail, bought from vips order by 1")).fetchall()
    engine.dispose()
    assert [tuple(row) for row in rows] == [
        (profile_id(2), False, None, None), (profile_id(3), True, "p3@example.org", "3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("folder", "said"),
    [("memry://drop", "Did you mean memory"), ("s3://bucket/drop", "yet: Install s3fs to access S3")],
)
def test_addresses_that_nothing_can_write_to(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, folder: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(InputError, match=said):
        shop.destination(config={"kind": "files", "folder": folder})


def test_what_no_table_can_hold_is_left_out() -> None:
    """One value that PostgreSQL refuses would hold up its whole batch."""
    assert tables._text("a\0b") == "ab" and tables._text(["a\0"]) == '["a\\u0000"]' and tables._text(None) is None
