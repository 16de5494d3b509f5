"""Generating: the same bytes every time, whole or not at all, and never over somebody else's files."""

from __future__ import annotations

import csv
import errno
import gzip
import hashlib
from pathlib import Path

import pytest

import demo.generate as module
from cdp.errors import ConfigurationError, ConflictError, InputError, ResourceError
from demo.assembly import Assembly, Part, PartReport, make_part
from demo.generate import generate
from demo.plan import Plan
from demo.scenario import load_scenario


def fingerprint(world: Path) -> dict[str, str]:
    files = sorted(path for path in world.rglob("*") if path.is_file())
    return {str(path.relative_to(world)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_same_seed_same_bytes_other_seed_other_bytes(tmp_path: Path) -> None:
    worlds = [generate("small", seed=seed, out=tmp_path / f"w{i}", people=120).out for i, seed in enumerate((5, 5, 6))]
    first, again, other = (fingerprint(world) for world in worlds)
    assert first == again
    assert all(first[name] != other[name] for name in set(first) & set(other))


def test_gzip_members_carry_neither_name_nor_time(demo_world: Path) -> None:
    for path in (demo_world / "web").iterdir():
        assert path.read_bytes()[:8] == b"\x1f\x8b\x08\x00\x00\x00\x00\x00"


def test_progress_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    generate("null", seed=1, out=tmp_path / "w", people=30, progress=told.append)
    assert told
    assert told[-1].startswith("30 of 30 people")


@pytest.mark.parametrize("seed", range(6))
def test_one_person_is_a_world(tmp_path: Path, seed: int) -> None:
    report = generate("small", seed=seed, out=tmp_path / "w", people=1)
    assert report.counts["persons"] == 1
    assert (tmp_path / "w" / "truth" / "facts.json").is_file()


QUIET = """extends: small
visitors: 0
web: {second_device: 0, shares_device: 0, cookie_reset: 0, login: 0, opens_account: 0}
records: {sales: 0, pos: 0, pos_second: 0, web_account: 0, support: 0}
"""


def test_a_shop_that_knows_nobody_is_a_world(tmp_path: Path) -> None:
    (tmp_path / "quiet.yaml").write_text(QUIET, encoding="utf-8")
    report = generate(tmp_path / "quiet.yaml", seed=1, out=tmp_path / "w", people=50)
    assert report.counts["contacts"] == report.counts["pos_customers"] == report.counts["deals"] == 0
    assert report.counts["web_events"] > 0


def test_an_earlier_world_is_replaced_and_nothing_is_left_over(tmp_path: Path) -> None:
    out = tmp_path / "w"
    generate("small", seed=1, out=out, people=60)
    before = fingerprint(out)
    (tmp_path / ".w.partial-1" / "part-0").mkdir(parents=True)
    (tmp_path / ".w.former-1").mkdir()
    generate("small", seed=2, out=out, people=60)
    assert fingerprint(out) != before
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def test_an_empty_folder_is_fine(tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    assert generate("small", seed=1, out=tmp_path / "w", people=30).out == tmp_path / "w"


@pytest.mark.parametrize("name", ["notes.txt", "sales/contacts.csv"])
def test_foreign_folders_are_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "w" / name).parent.mkdir(parents=True)
    (tmp_path / "w" / name).write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match="holds no earlier demo world"):
        generate("small", seed=1, out=tmp_path / "w", people=10)
    assert (tmp_path / "w" / name).read_text(encoding="utf-8") == "mine"


def test_a_world_with_something_added_is_refused(tmp_path: Path) -> None:
    out = generate("small", seed=1, out=tmp_path / "w", people=30).out
    (out / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError):
        generate("small", seed=1, out=out, people=30)


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w").write_text("mine", encoding="utf-8")
    with pytest.raises(ConflictError, match="is a file"):
        generate("small", seed=1, out=tmp_path / "w", people=10)


@pytest.mark.parametrize(("people", "seed"), [(0, 1), (-3, 1), (10, -1)])
def test_impossible_numbers_are_refused(tmp_path: Path, people: int, seed: int) -> None:
    with pytest.raises(InputError):
        generate("small", seed=seed, out=tmp_path / "w", people=people)
    assert not (tmp_path / "w").exists()


def test_an_unknown_scenario_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError):
        generate("nothing", seed=1, out=tmp_path / "w")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = generate("small", seed=1, out=tmp_path / "w", people=40).out
    before = fingerprint(out)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.Assembly, "finish", full)
    with pytest.raises(ResourceError, match="No space left on device"):
        generate("small", seed=2, out=out, people=40)
    assert fingerprint(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


def assemble(folder: Path, per_chunk: int, people: int) -> Path:
    """A world of several chunks, made in this process."""
    scenario = load_scenario("small")
    assembly = Assembly(folder)
    chunks = Plan(scenario, 4, 0, people, per_chunk).chunks
    for chunk in range(chunks):
        part = Part(Plan(scenario, 4, chunk, people, per_chunk), folder / f"part-{chunk}")
        report: PartReport = make_part(part)
        assembly.add(part, report)
    assembly.finish("small", 4)
    return folder


def test_chunks_share_no_ids_and_add_up(tmp_path: Path) -> None:
    world = assemble(tmp_path / "w", per_chunk=90, people=250)
    for name, key in (
        ("sales/contacts.csv", "Record ID"), ("sales/deals.csv", "Record ID"), ("pos/customers.csv", "Reference ID"),
        ("pos/transactions.csv", "Transaction ID"), ("marketing/email_events.csv", "event_id"),
    ):  # fmt: skip
        with (world / name).open(encoding="utf-8", newline="") as file:
            ids = [row[key] for row in csv.DictReader(file)]
        assert len(set(ids)) == len(ids) > 0
    with (world / "truth/persons.csv").open(encoding="utf-8", newline="") as file:
        assert len({row["person_id"] for row in csv.DictReader(file)}) > 200
    lines = "".join(gzip.decompress(path.read_bytes()).decode() for path in (world / "web").iterdir()).splitlines()
    messages = [line[29:65] for line in lines if line.startswith('{"type":"track","messageId":"')]
    assert len(messages) > 5_000
    assert 0 <= len(messages) - len(set(messages)) < 30


@pytest.mark.slow
def test_processes_and_one_process_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = fingerprint(assemble(tmp_path / "alone", per_chunk=40, people=100))
    scenario = load_scenario("small")
    folder = tmp_path / "together"
    assembly = Assembly(folder)
    parts = [Part(Plan(scenario, 4, chunk, 100, 40), folder / f"part-{chunk}") for chunk in range(3)]
    monkeypatch.setattr(module, "MOST_PROCESSES", 2)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    for part, report in zip(parts, module._run(parts), strict=True):
        assembly.add(part, report)
    assembly.finish("small", 4)
    assert fingerprint(folder) == alone
