"""Receipts are signed, chained and issued once; plans are sealed and wiped; journals hold their chain."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError, NotFoundError
from privacy import receipts
from privacy.journal import Journal
from privacy.receipts import Receipt, StoreLine
from privacy.tokens import Token
from privacy.work import Work

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def made(request: str) -> Receipt:
    line = StoreLine("landing", 3, 3, control_hits=5, residual_hits=0)
    return Receipt(request, "erasure", "completed", 1, 0, "a", "b", "c", 4, (line,))


def test_receipts_are_chained_and_issued_once(tmp_path: Path) -> None:
    first, second = (receipts.issue(tmp_path, made(name)) for name in ("r1", "r2"))
    assert receipts.issue(tmp_path, made("r1")) == first
    assert second["receipt"]["previous"] == receipts.digest(first["receipt"])
    assert receipts.verify(tmp_path) == []
    (tmp_path / "receipts" / "r1.json").unlink()
    assert receipts.verify(tmp_path) == ["Receipt r2 does not follow from the one before it."]
    with pytest.raises(NotFoundError):
        receipts.read(tmp_path, "r1")


def test_a_changed_receipt_is_told(tmp_path: Path) -> None:
    receipts.issue(tmp_path, made("r1"))
    path = tmp_path / "receipts" / "r1.json"
    path.write_text(path.read_text().replace('"erased": 3', '"erased": 2'))
    assert receipts.verify(tmp_path) == ["The signature of receipt r1 does not hold."]


def test_a_plan_is_sealed_and_gone_when_wiped(tmp_path: Path) -> None:
    Work.begin(tmp_path, "r1", {"closures": ["ann@marked.org"]})
    assert Work.resume(tmp_path, "r1").content == {"closures": ["ann@marked.org"]}
    assert not any(b"ann@marked" in path.read_bytes() for path in (tmp_path / "work").iterdir())
    assert Work.open_ones(tmp_path) == ["r1"]
    Work.resume(tmp_path, "r1").wipe()
    assert list((tmp_path / "work").iterdir()) == []
    with pytest.raises(NotFoundError):
        Work.resume(tmp_path, "r1")


def test_the_journal_is_chained_and_survives_a_torn_line(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    token = Token("record", 1, "ab", held_to=datetime(2025, 1, 1))
    assert journal.append("erased", [("r1", [[token]]), ("r2", [])], NOW) == 2
    assert journal.append("erased", [("r1", [[token]])], NOW) == 2, "once per request"
    with journal.path.open("ab") as handle:
        handle.write(b'{"seq":3,"torn')
    assert journal.last() == 2
    journal.append("lifted", [("r2", [])], NOW)
    assert [entry.seq for entry in journal.entries()] == [1, 2, 3]
    assert journal.suppressed() == [("r1", token)]
    lines = journal.path.read_text().splitlines()
    journal.path.write_text("\n".join([lines[0].replace('"ab"', '"cd"'), *lines[1:]]) + "\n")
    with pytest.raises(ConfigurationError, match="line 2 does not follow"):
        journal.entries()
    assert json.loads(lines[0])["request"] == "r1"
