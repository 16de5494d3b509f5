"""Landed files of JSON lines are rewritten by what is known of their lines; only lines that are not are read anew."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import pytest

from pipelines.erasing import requests
from pipelines.ingest.screening import Screen
from tests.unit.pipelines.ingest_delivery import Delivery, event, make_delivery

ANN = {"userId": "u_marked_700", "anonymousId": "device_marked_1"}
BROKEN = '{"type":"track","messageId":"m9","userId":"u_marked_700","an'


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that were read as records."""
    names: list[str] = []
    look = Screen.look

    def noted(screen: Screen, entity: Any, mapping: Any, path: Path, file: str) -> Any:
        names.append(path.name.partition("-")[2] or path.name)
        return look(screen, entity, mapping, path, file)

    monkeypatch.setattr(Screen, "look", noted)
    return names


def erase(delivery: Delivery) -> dict[str, Any]:
    made, _ = requests.submit(delivery.settings, [["user_id:u_marked_700"]])
    receipt: dict[str, Any] = requests.execute(delivery.settings, made.request)["receipt"]
    return receipt


def lines(delivery: Delivery, name: str) -> list[bytes]:
    (path,) = (delivery.settings.landing / "web" / "events").glob(f"*{name}")
    content = path.read_bytes()
    return (gzip.decompress(content) if name.endswith(".gz") else content).split(b"\n")[:-1]


def make(tmp_path: Path, **files: list[dict[str, Any] | str]) -> Delivery:
    delivery = make_delivery(tmp_path)
    for name, content in files.items():
        delivery.put_events(f"web/{name}.jsonl.gz", *content)
    delivery.load()
    with delivery.engine.writer() as connection:
        from identity import state
        from identity.config import PIPELINE

        state.prepare(connection, PIPELINE)
        connection.execute("create schema intermediate")
        connection.execute("create table intermediate.int_device_identifies (anonymous_id varchar, user_id varchar)")
        connection.execute("insert into identity.identity_map values ('web', 'u_marked_700', 'ann', 1, false)")
        connection.execute("insert into identity.profiles values ('ann', 1, 'living', null, '')")
    return delivery


def test_lines_go_where_their_rows_go_and_repeated_ones_too(tmp_path: Path, looked: list[str]) -> None:
    bob = event(2, userId="u_bob")
    first: list[dict[str, Any] | str] = [
        event(1, **ANN),
        bob,
        event(1, **ANN),
        BROKEN,
        event(3, userId="u_bob"),
        BROKEN,
        event(4, **ANN),
        bob,
    ]
    delivery = make(tmp_path, events=[*first, event(5, userId="u_bob")])
    assert delivery.totals("web.events")[2] > 0, "there are repeated lines"
    receipt = erase(delivery)
    assert receipt["status"] == "completed", receipt["notes"]
    left = lines(delivery, "events.jsonl.gz")
    assert [number for number, line in enumerate(left, start=1) if line] == [2, 5, 8, 9], (
        "the others keep their numbers"
    )
    assert looked == ["lines.jsonl"], "only the repeated lines were read"
    looked.clear()
    again = erase(delivery)
    assert again["status"] == "completed" and lines(delivery, "events.jsonl.gz") == left


def test_a_file_of_repeated_lines_is_read_as_a_whole(tmp_path: Path, looked: list[str]) -> None:
    same: list[dict[str, Any] | str] = [event(1, **ANN), event(2, userId="u_bob")]
    delivery = make(tmp_path, events=same, events_again=[*same, event(3, userId="u_bob")])
    assert erase(delivery)["status"] == "completed"
    assert looked == ["events_again.jsonl.gz"]
    assert [bool(line) for line in lines(delivery, "again.jsonl.gz")] == [False, True, True]
