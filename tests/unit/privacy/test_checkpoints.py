"""Signed places of the audit log: whatever is done to the log or to them is found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cdp.errors import InputError
from cdp.store import chain
from cdp.store.base import AuditEntry, AuditRow
from cdp.store.memory import InMemoryStore
from privacy import checkpoints, keys
from tests.support.publications import NOW


@pytest.fixture
def store(tmp_path: Path) -> InMemoryStore:
    """Six entries, signed after the second, the fourth and the sixth."""
    found = InMemoryStore()
    for number in range(6):
        found.append_audit([AuditEntry(f"e{number}", NOW, "key k", "profile.read", f"p{number}")])
        if number % 2:
            assert checkpoints.write(tmp_path, found, NOW)
    return found


def rows(store: InMemoryStore) -> list[AuditRow]:
    return store._audit


def chained(entries: list[AuditEntry]) -> list[AuditRow]:
    """A log written anew, whose chain holds."""
    found: list[AuditRow] = []
    for number, entry in enumerate(entries, start=1):
        previous = found[-1].hash if found else chain.GENESIS
        found.append(AuditRow(number, entry, previous, chain.link(previous, entry)))
    return found


def test_all_holds(store: InMemoryStore, tmp_path: Path) -> None:
    assert checkpoints.verify(tmp_path, store) == []
    assert not checkpoints.write(tmp_path, store, NOW), "nothing new"
    assert checkpoints.verify(tmp_path / "elsewhere", InMemoryStore()) == []


def test_an_empty_log_needs_none(tmp_path: Path) -> None:
    assert not checkpoints.write(tmp_path, InMemoryStore(), NOW)


def test_edited(store: InMemoryStore, tmp_path: Path) -> None:
    row = rows(store)[2]
    rows(store)[2] = replace(row, entry=replace(row.entry, actor="somebody else"))
    assert checkpoints.verify(tmp_path, store) == ["Entry 3 of the audit log does not follow from the one before it."]


@pytest.mark.parametrize("change", ["edit", "delete", "insert", "reorder"])
def test_written_anew(store: InMemoryStore, tmp_path: Path, change: str) -> None:
    """A chain that holds, because all of it was made again: only the signed places tell."""
    entries = [row.entry for row in rows(store)]
    if change == "edit":
        entries[0] = replace(entries[0], actor="somebody else")
    elif change == "delete":
        del entries[1]
    elif change == "insert":
        entries.insert(1, replace(entries[0], entry_id="new"))
    else:
        entries[2], entries[3] = entries[3], entries[2]
    store._audit = chained(entries)
    assert store.verify_audit() is None
    problems = checkpoints.verify(tmp_path, store)
    assert problems and "is not the one that was signed on 2026-01-01 at 00:00 UTC" in problems[0]


def test_cut_off(store: InMemoryStore, tmp_path: Path) -> None:
    del rows(store)[5:]
    assert store.verify_audit() is None
    (problem,) = checkpoints.verify(tmp_path, store)
    assert "ends with entry 5, but entry 6 was signed" in problem and "backup" in problem


def test_a_changed_checkpoint(store: InMemoryStore, tmp_path: Path) -> None:
    path = tmp_path / checkpoints.FILE
    lines = path.read_text().splitlines()
    lie = json.loads(lines[1])
    lie["checkpoint"]["at"] = "2025-01-01T00:00:00+00:00"
    path.write_text("\n".join([lines[0], json.dumps(lie), lines[2]]) + "\n")
    assert checkpoints.verify(tmp_path, store) == [
        "The signature of checkpoint 2 does not hold.",
        "Checkpoint 3 does not follow from the one before it.",
    ]
    path.write_text("\n".join([lines[0], lines[2]]) + "\n")
    assert checkpoints.verify(tmp_path, store) == ["Checkpoint 2 does not follow from the one before it."]


def test_a_line_that_a_kill_cut_off_is_written_again(store: InMemoryStore, tmp_path: Path) -> None:
    path = tmp_path / checkpoints.FILE
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])
    assert checkpoints.verify(tmp_path, store) == []
    assert checkpoints.write(tmp_path, store, NOW)
    assert path.read_bytes() == whole, "Ed25519 signs the same text alike"


def test_a_copy_tells_what_was_done_to_the_folder(store: InMemoryStore, tmp_path: Path) -> None:
    path, copy, key = tmp_path / checkpoints.FILE, tmp_path / "copy.jsonl", tmp_path / "copy.pem"
    copy.write_bytes(path.read_bytes())
    key.write_bytes((tmp_path / keys.PUBLIC_KEY).read_bytes())
    assert checkpoints.verify(tmp_path, store, copy=copy, public_key=key) == []

    lines = path.read_text().splitlines(keepends=True)
    path.write_text(lines[0])
    del rows(store)[3:]
    assert checkpoints.verify(tmp_path, store) == [], "both were cut off together"
    lost, cut = checkpoints.verify(tmp_path, store, copy=copy)
    assert lost == ("The privacy folder has lost checkpoint 2, signed on 2026-01-01 at 00:00 UTC, and what follows it.")
    assert "ends with entry 3, but entry 6 was signed" in cut

    path.unlink()
    for name in (keys.PUBLIC_KEY, keys.SIGNING_KEY):
        (tmp_path / name).unlink()
    assert checkpoints.write(tmp_path, store, NOW)
    assert checkpoints.verify(tmp_path, store) == [], "all was signed anew with another key"
    assert checkpoints.verify(tmp_path, store, public_key=key)[0] == "The signature of checkpoint 1 does not hold."


def test_a_copy_that_is_none(store: InMemoryStore, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    with pytest.raises(InputError, match=r"The copy copy.jsonl cannot be read"):
        checkpoints.verify(tmp_path, store, copy=copy)
    for text in ("{}", "no json", '{"checkpoint": {"seq": 1}, "signature": "x"}', '{"checkpoint": 1, "signature": 2}'):
        copy.write_text(text)
        with pytest.raises(InputError, match=r"Line 1 of copy.jsonl is no checkpoint"):
            checkpoints.verify(tmp_path, store, copy=copy)
