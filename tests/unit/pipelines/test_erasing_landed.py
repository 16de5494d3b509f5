"""Landed files of JSON lines are rewritten by what is known of their lines; only lines that are not are read anew."""

from __future__ import annotations

import csv
import gzip
import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.erasing import landed, requests
from pipelines.erasing.landed import Landed
from pipelines.ingest.rewriting import Layout, rewrite
from pipelines.ingest.screening import Screen
from tests.unit.pipelines.erasing_world import CONTACTS
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
    know(delivery, "web", "u_marked_700")
    return delivery


def know(delivery: Delivery, source: str, record: str) -> None:
    """A profile of one record, as identity resolution leaves it."""
    from identity import state
    from identity.config import PIPELINE

    with delivery.engine.writer() as connection:
        state.prepare(connection, PIPELINE)
        connection.execute("create schema intermediate")
        connection.execute("create table intermediate.int_device_identifies (anonymous_id varchar, user_id varchar)")
        connection.execute("insert into identity.identity_map values (?, ?, 'ann', 1, false)", [source, record])
        connection.execute("insert into identity.profiles values ('ann', 1, 'living', null, '')")


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


STYLES = (
    "plain",
    "quoted",
    "several lines",
    "stray quotes",
    "lone returns",
    "windows",
    "marked",
    "semicolons",
    "no end",
)


COLUMNS = [*next(csv.reader([CONTACTS])), "Street Address", "Last Modified Date"]


def contacts(style: str, others: int, draw: random.Random) -> bytes:
    """A file of contacts, some of them repeated, one of them the erased; what is in it depends on the style."""
    notes = ["", "ask again", "Main St 5"]
    notes += {
        "quoted": ["5, Main St", 'the "big" one'], "semicolons": ["5, Main St"],
        "several lines": ["a\nb", "a\n\nb, c"],
    }.get(style, [])  # fmt: skip
    rows = []
    for _ in range(draw.randint(4, 25)):
        # Most lines say what no line of another file has said.
        person = draw.choice([700001, *range(others, others + 10)])
        mail = "ann@marked.org" if person == 700001 else f"p{person}@marked.org"
        rows.append([str(person), mail, draw.choice(notes), f"2026-01-{draw.randint(1, 28):02d} 10:00:00"])
    rows += draw.choices(rows, k=5)
    out = io.StringIO()
    ending = "\r\n" if style == "windows" else "\n"
    written = csv.writer(out, delimiter=";" if style == "semicolons" else ",", lineterminator=ending)
    written.writerow(COLUMNS)
    filled = ("Record ID", "Email", "Street Address", "Last Modified Date")
    written.writerows([dict(zip(filled, row, strict=True)).get(column, "") for column in COLUMNS] for row in rows)
    lines = out.getvalue().splitlines(keepends=True)
    if style == "stray quotes":
        lines = [line.replace("Main", draw.choice(['"Main', 'M"ain', "Main"])) for line in lines]
    if style == "lone returns":
        lines = [line.replace("ask again", "ask\ragain") for line in lines]
    text = "".join(lines)
    if style == "no end":
        text = text.rstrip()
    return text.encode("utf-8-sig" if style == "marked" else "utf-8")


def test_lines_of_csv_are_judged_as_reading_all_of_them_would(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked: list[str]
) -> None:
    draw = random.Random(11)
    delivery = make_delivery(tmp_path)
    for number in range(45):
        style = STYLES[number % len(STYLES)]
        delivery.put(
            f"sales/contacts-{number:02d}-{style.replace(' ', '_')}.csv", contacts(style, 700002 + 10 * number, draw)
        )
    delivery.load()
    know(delivery, "sales", "700001")
    by_line: dict[str, bool] = {}
    own, whole = Landed.look, Screen.look

    def both(ours: Landed, entity: Any, mapping: Any, path: Path, file: str) -> Any:
        looked.clear()
        found = own(ours, entity, mapping, path, file)
        by_line[path.name] = path.name.partition("-")[2] not in looked
        expected = whole(ours._screen, entity, mapping, path, file)
        texts = []
        for one in (found, expected):
            rewrite(path, tmp_path / "out.csv", one.layout, one.changes)
            texts.append((tmp_path / "out.csv").read_bytes())
        assert texts[0] == texts[1], path.name
        assert found.gone == expected.gone
        return found

    monkeypatch.setattr(Landed, "look", both)
    made, _ = requests.submit(delivery.settings, [["contact_id:700001"]])
    receipt = requests.execute(delivery.settings, made.request)["receipt"]
    assert receipt["status"] == "completed", receipt["notes"]
    left = b"".join(path.read_bytes() for path in (delivery.settings.landing / "sales" / "contacts").glob("*.csv"))
    assert b"ann@marked.org" not in left and b"p7000" in left
    plain = [name for name, is_by_line in by_line.items() if is_by_line]
    for style in ("plain", "quoted", "windows", "marked", "semicolons", "no_end"):
        assert any(style in name for name in plain), f"{style} is told by its lines"
    assert not any("lone_returns" in name for name in plain)


@pytest.mark.parametrize("ending", [b"\r", b" "])
def test_text_without_line_feeds_is_not_held_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: bytes
) -> None:
    (tmp_path / "contacts.csv").write_bytes(b"Record ID,Email" + ending + (b"700001,ann@marked.org" + ending) * 100)
    monkeypatch.setattr(landed, "blocks", lambda _: pytest.fail("a block would be the whole file"))
    known = landed._Lines.of(np.array([2]), np.array([False]))
    assert landed._unknown(tmp_path / "contacts.csv", "contacts.csv", Layout("csv", header=1), known) is None
