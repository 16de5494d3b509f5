"""The scanner finds values in every encoding and position, and not inside longer words."""

from __future__ import annotations

import base64
import codecs
import gzip
import json
import random
import sqlite3
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import duckdb
import numpy as np
import pytest

from privacy.inventory.model import Inventory
from privacy.verify.databases import _texts, scan_sqlite
from privacy.verify.decode import DamagedError, views
from privacy.verify.home import can_be_found, scan
from privacy.verify.needles import Needle, patterns, searchable
from privacy.verify.search import Searcher

MAIL = "jané.döe+x@exämple.org"
NEEDLES = [Needle(0, "mailbox", MAIL), Needle(0, "phone", "+15551234567"), Needle(0, "record", "LOY-2002")]
SEARCHER = Searcher(patterns(NEEDLES))

ENCODED = [
    MAIL.encode(),
    MAIL.encode("utf-16-le"),
    MAIL.encode().hex().encode(),
    MAIL.encode().hex().upper().encode(),
    quote(MAIL).encode(),
    quote(MAIL, safe="").encode(),
    json.dumps(MAIL).encode(),
    *(base64.b64encode(b"z" * before + MAIL.encode() + b"yy") for before in range(3)),
    MAIL.encode("utf-16-be") + b"\0,",
    MAIL.replace("+", "\\u002B").replace("é", "\\u00E9").replace("ö", "\\u00F6").replace("ä", "\\u00E4").encode(),
]


@pytest.mark.parametrize("offset", range(9))
def test_every_encoding_at_every_offset(offset: int) -> None:
    for encoded in ENCODED:
        assert SEARCHER.count([b" " * offset + encoded + b" and more"])[0] >= 1
        cut = len(encoded) // 2 + offset
        whole = b" " * offset + encoded + b" and more"
        assert SEARCHER.count([whole[:cut], whole[cut:]])[0] >= 1, "across two chunks"


@pytest.mark.parametrize(
    ("text", "hits"),
    [
        ('"+15551234567"', 1), ("tel:+15551234567.", 1), ("+155512345678", 0), ("LOY-2002,LOY-2002", 2),
        ("LOY-20021", 0), ("XLOY-2002", 0), ("\\nLOY-2002", 1), ("%3ALOY-2002", 1), ("LOY-2002.uk", 0),
    ],
)  # fmt: skip
def test_a_hit_is_a_whole_value(text: str, hits: int) -> None:
    assert sum(SEARCHER.count([text.encode()]).values()) == hits


def test_it_finds_what_looking_at_every_byte_finds() -> None:
    """Patterns that overlap, repeat and begin alike, beside each other and cut in any place."""
    draw = random.Random(6)
    letters = 'ab.@+\\n"3A_é'
    for round_ in range(150):
        shortest = 8 + round_ % 8
        values = {"".join(draw.choices(letters, k=shortest + draw.randint(0, 4))) for _ in range(draw.randint(1, 5))}
        wanted = patterns([Needle(0, "mailbox", value) for value in sorted(values)])
        parts = [
            draw.choice([draw.choice(wanted).bytes, "".join(draw.choices(letters, k=draw.randint(0, 5))).encode()])
            for _ in range(draw.randint(1, 20))
        ]
        text = b"".join(parts)
        found = {(number, place) for number, place in zip(*Searcher(wanted).hits(text), strict=True)}
        there = {
            (number, place)
            for number, pattern in enumerate(wanted)
            for place in range(len(text))
            if text.startswith(pattern.bytes, place)
        }
        assert found <= there
        assert {one for one in there - found if not wanted[one[0]].plain} == set(), "only plain text can be a part"
        counted = Counter(wanted[number].needle for number, _ in found)
        cuts = sorted(draw.randint(0, len(text)) for _ in range(draw.randint(0, 3)))
        pieces = [text[low:high] for low, high in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert Searcher(wanted).count(pieces) == counted, "a cut hides and doubles nothing"
        long = [text + b" " * 100, b" " * 100 + text]
        assert Searcher(wanted).count(long) == Searcher(wanted).count([b"".join(long)])


def test_values_that_begin_and_end_alike_are_told_apart() -> None:
    """Names of more than one and of more than two words of eight bytes, and values up to the last byte of a text."""
    draw = random.Random(9)
    names = ["jonathan", "jonathan.", "jonathan.smith-jones", "jonathan.smith-jones.of.somewhere"]
    mails = [f"{name}{number}@example.org" for name in names for number in range(40)]
    asked = mails[::2]
    wanted = patterns([Needle(0, "mailbox", mail) for mail in asked])
    searcher = Searcher(wanted)
    for _ in range(100):
        there = draw.choices(mails, k=draw.randint(1, 12))
        text = b" " * draw.randint(0, 9) + ",".join(there).encode()
        expected = Counter(asked.index(mail) for mail in there if mail in asked)
        assert searcher.count([text]) == expected
        ends = np.cumsum([len(mail) for mail in there])
        assert searcher.count_column(memoryview("".join(there).encode()), np.array([0, *ends])) == expected


@pytest.mark.parametrize("mail", ["jane.doe+x@example.org", MAIL])
def test_nothing_is_overlooked_among_bytes_that_are_no_text(mail: str) -> None:
    """Blocks of packed bytes, of text and of both, with values of plain ASCII and beyond it."""
    draw = random.Random(7)
    wanted = patterns([Needle(0, "mailbox", mail), Needle(1, "record", "LOY-2002")])
    searcher = Searcher(wanted)
    for share in (0.0, 0.05, 0.3, 1.0):
        expected: Counter[int] = Counter()
        parts = []
        for _ in range(200):
            size = draw.randint(1, 9_000)
            parts.append(b" " * size if draw.random() < share else draw.randbytes(size))
            one = draw.choice(wanted)
            expected[one.needle] += 1
            parts.append(b'"' + one.bytes + b'"')
        assert searcher.count([b"".join(parts)]) == expected, share


def test_the_values_of_a_column_are_searched_each_by_itself() -> None:
    draw = random.Random(7)
    pieces = [*ENCODED, MAIL.encode()[:9], MAIL.encode()[9:], b"LOY-2002", b"x", b"", b"+1555", b"1234567", b"uk", b" "]
    for _ in range(200):
        values = [b"".join(draw.choices(pieces, k=draw.randint(0, 3))) for _ in range(draw.randint(1, 9))]
        offsets = np.cumsum([0, *(len(value) for value in values)])
        by_value: Counter[int] = Counter()
        for value in values:
            by_value.update(SEARCHER.count([value]))
        assert SEARCHER.count_column(memoryview(b"".join(values)), offsets) == by_value


def test_short_values_are_left_to_typed_comparison() -> None:
    assert searchable([Needle(0, "record", "1234567"), NEEDLES[2], NEEDLES[2]]) == [NEEDLES[2]]


def test_a_short_value_is_found_as_a_whole_value_of_a_table(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    with duckdb.connect(str(home / "warehouse.duckdb")) as connection:
        connection.execute("create table held as select 'a@b.de' as mail, '[\"a@b.de\"]' as payload, 'C-1' as id")
        connection.execute("create table other as select 'la@b.de' as mail, 'a@b.dee' as text")
    with sqlite3.connect(home / "store.sqlite") as connection:
        connection.execute("create table held as select 'a@b.de' as mail, 'x a@b.de' as text")
    connection.close()
    needles = [Needle(0, "email", "a@b.de"), Needle(0, "crm", "C-1")]
    assert [can_be_found(needle) for needle in needles] == [True, False]
    found = scan(home, needles, Inventory({}, {}), config={"threads": 1})
    hits = {place.rpartition(":")[2]: sum(counts.values()) for place, counts in found.hits.items() if counts}
    assert hits == {"main.held": 2, "held": 1} and found.needles == 1 and not found.unreadable


def test_every_value_of_a_sqlite_table_is_searched(tmp_path: Path) -> None:
    """Long tables, row numbers far apart and below zero, no row numbers at all, bytes with zeros, nulls, numbers."""
    phone, loyalty = "+15551234567", "LOY-2002"
    with sqlite3.connect(tmp_path / "store.sqlite") as connection:
        connection.execute("create table long (a text, b text)")
        connection.executemany(
            "insert into long values (?, ?)", [(None, phone if n % 500 == 7 else "x") for n in range(4_321)]
        )
        connection.execute("create table sparse (a blob, n integer)")
        for number in (-9_000_000_000, -1, 0, 5, 2**62):
            connection.execute(
                "insert into sparse (rowid, a, n) values (?, ?, 155512345)", [number, b"a\0b " + loyalty.encode()]
            )
        connection.execute("create table keyed (a text primary key, b text) without rowid")
        connection.execute("insert into keyed values (?, ?)", [loyalty, phone])
        connection.execute("create table empty (a text)")
    found = scan_sqlite(tmp_path / "store.sqlite", SEARCHER)
    assert found == {"long": {1: 9}, "sparse": {2: 5}, "keyed": {1: 1, 2: 1}, "empty": {}}


def test_values_of_joined_rows_are_found_as_looking_at_each_cell_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Values at the end of what is read at once, halves of one in two cells, generated columns, a column `rowid`."""
    draw = random.Random(8)
    monkeypatch.setattr("privacy.verify.databases._JOINED", 3)
    pieces = [
        "LOY-2002",
        "+15551234567",
        "LOY-",
        "2002",
        "+1555",
        "1234567",
        "x",
        "",
        None,
        7,
        155512345,
        b"\0LOY-2002\xff",
    ]
    for number in range(60):
        rows = [[draw.choice(pieces) for _ in range(3)] for _ in range(draw.randint(0, 13))]
        made = draw.choice(["a, b, c", "rowid, b, c", "a primary key, b, c", "a, b, c, d generated always as (a || b)"])
        path = tmp_path / f"{number}.sqlite"
        with sqlite3.connect(path) as connection:
            connection.execute(f"create table held ({made})")
            first = made.partition(",")[0].split()[0]
            connection.executemany(f"insert or ignore into held ({first}, b, c) values (?, ?, ?)", rows)
            connection.text_factory = bytes
            cells = [value for row in connection.execute("select * from held") for value in row if value is not None]
        connection.close()
        expected: Counter[int] = Counter()
        for cell in cells:
            expected += SEARCHER.count([cell if isinstance(cell, bytes) else str(cell).encode()])
        assert scan_sqlite(path, SEARCHER) == {"held": expected}, (made, rows)


def test_rows_too_long_to_be_joined_are_searched_one_by_one() -> None:
    connection = sqlite3.connect(":memory:")
    connection.text_factory = bytes
    connection.execute("create table held (a text, b text)")
    connection.executemany("insert into held values (?, 'LOY-2002')", [("x" * 900,)] * 40)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, 10_000)
    assert SEARCHER.count_cells(_texts(connection, "held")) == {2: 40}
    connection.close()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-16", "utf-32"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_of_wide_characters_is_read(tmp_path: Path, encoding: str, packed: bool) -> None:
    """At the end of the file too, where no letter of the other byte order follows."""
    content = f"Ann\t{NEEDLES[1].value}\nBob\t{MAIL}".encode(encoding)
    (tmp_path / "text").write_bytes(gzip.compress(content) if packed else content)
    found = sum((SEARCHER.count(view) for view in views(tmp_path / "text")), Counter())
    assert found == {0: 1, 1: 1}


def test_text_that_is_not_what_its_mark_says_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_bytes(codecs.BOM_UTF32_LE + b"LOY-2002 as it is")
    with pytest.raises(DamagedError):
        [SEARCHER.count(view) for view in views(tmp_path / "text")]


def test_packed_files_are_opened_and_damaged_ones_are_told(tmp_path: Path) -> None:
    packed = tmp_path / "a.gz"
    packed.write_bytes(gzip.compress(MAIL.encode()))
    assert sum(SEARCHER.count(view)[0] for view in views(packed)) == 1
    packed.write_bytes(gzip.compress(MAIL.encode() * 100)[:-20])
    with pytest.raises(DamagedError):
        [SEARCHER.count(view) for view in views(packed)]
