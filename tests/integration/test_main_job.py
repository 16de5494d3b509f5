"""The main job on the demo world, through the real command line."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from pathlib import Path

import duckdb
import pytest

from tests.support.home import Home, assert_same


def test_status_adds_up(demo_home: Home, demo_world: Path) -> None:
    status = demo_home.facts("status")
    truth = json.loads((demo_world / "truth" / "facts.json").read_text())
    for name, counts in status["raw"].items():
        assert counts["received"] == sum(counts[k] for k in ("raw", "duplicates", "quarantined", "suppressed")), name
    assert status["raw"]["web.events"]["duplicates"] == truth["duplicates_web"]
    assert sum(status["stages"].values()) == status["profiles"]
    assert status["source_records"] > 0
    assert set(status["stages"]) == {"awareness", "consideration", "decision", "use", "loyalty", "lapsed"}


def test_status_for_people_tells_the_same(demo_home: Home) -> None:
    status = demo_home.facts("status")
    lines = [line.split() for line in demo_home.cdp("status").stdout.splitlines()]
    for name, counts in status["raw"].items():
        assert [name, *(f"{count:,}" for count in counts.values())] in lines
    for stage, people in status["stages"].items():
        assert [stage, f"{people:,}"] in lines


def test_exactly_the_bad_rows_are_in_quarantine(demo_home: Home, demo_world: Path) -> None:
    with (demo_world / "truth" / "bad_rows.csv").open(newline="") as handle:
        bad = list(csv.DictReader(handle))
    rows = demo_home.facts("quarantine", "list")
    assert len(rows) == len(bad)
    assert {r["record_id"] for r in rows if r["record_id"]} >= {b["record_id"] for b in bad if b["record_id"]}
    for row in rows:
        assert row["reason"].endswith(".") and row["file"] and row["line"] >= 1


def test_identity_is_good(demo_home: Home, demo_world: Path) -> None:
    result = demo_home.facts("identity", "evaluate", "--truth", str(demo_world / "truth" / "persons.csv"))
    assert result["pairwise"]["f1"] >= 0.90
    assert result["b_cubed"]["f1"] >= 0.95


def test_a_second_run_changes_nothing_and_does_no_work(demo_home: Home, demo_world: Path) -> None:
    before = demo_home.published()
    report = demo_home.facts("run", "--from", str(demo_world))
    assert report["changed"] is False
    assert report["steps"] == []
    assert_same(before, demo_home.published())


def test_profile_by_identifier(demo_home: Home) -> None:
    status = demo_home.facts("status")
    with duckdb.connect(str(demo_home.path / "serving" / status["last_run"]["snapshot_file"]), read_only=True) as c:
        profile_id, email = c.execute(
            "select profile_id, value from marts.identifiers where type = 'email' order by value limit 1"
        ).fetchall()[0]
    found = demo_home.facts("profile", "--identifier", f"email:{email.upper()}")
    assert found["profile_id"] == profile_id
    assert found["stage"]["current"] in status["stages"]
    journey = found["journey"]
    assert journey["stages"][-1] == found["stage"]["current"] and len(journey["stages"]) == journey["episodes"]
    shown = {trait for trait in found["origins"] if found["traits"][trait] is not None}
    assert {"email", "full_name"} <= shown
    assert all(origin["source"] and origin["source_record_id"] for origin in found["origins"].values())
    missing = demo_home.cdp("profile", "--identifier", "email:nobody@nowhere.example", check=False)
    assert missing.returncode == 1 and len(missing.stderr.strip().splitlines()) == 1


def test_segments_and_map(demo_home: Home, tmp_path: Path) -> None:
    segments = demo_home.facts("segment", "list")
    assert len(segments) >= 5
    assert any(s["size"] > 0 for s in segments)
    largest = sorted(segments, key=lambda s: s["size"])
    for segment in (largest[0], largest[-1]):
        members = demo_home.facts("segment", "members", segment["key"], "--limit", "100000")
        assert len(members) == len(set(members)) == segment["size"]
    unknown = demo_home.cdp("segment", "members", "no-such", check=False)
    assert unknown.returncode == 1 and "no-such" in unknown.stderr
    demo_home.cdp("journey", "map", "--out", str(tmp_path / "map.svg"))
    assert (tmp_path / "map.svg").read_text().startswith("<svg")


def test_growth_keeps_ids_and_equals_a_rebuild(demo_world: Path, tmp_path: Path) -> None:
    """Half of the web archive first, the rest later: ids stay, and a full rebuild gives the same result."""
    part = tmp_path / "part"
    shutil.copytree(demo_world, part)
    late = sorted((part / "web").glob("*.gz"))[-6:]
    for path in late:
        path.unlink()
    home = Home(tmp_path / "home")
    home.cdp("run", "--from", str(part))
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        before = dict(
            connection.execute("select source || source_record_id, profile_id from identity.identity_map").fetchall()
        )
    assert home.facts("run", "--from", str(demo_world))["changed"] is True
    with duckdb.connect(str(home.path / "warehouse.duckdb"), read_only=True) as connection:
        after = dict(
            connection.execute("select source || source_record_id, profile_id from identity.identity_map").fetchall()
        )
    kept = sum(after.get(record) == profile for record, profile in before.items())
    assert kept >= 0.98 * len(before)
    incremental = home.published()
    home.cdp("run", "--from", str(demo_world), "--full-refresh")
    assert_same(incremental, home.published())


def test_a_second_run_meanwhile_is_refused_and_the_old_results_stay(
    demo_home: Home, demo_world: Path, tmp_path: Path
) -> None:
    home = Home(tmp_path / "home")
    shutil.copytree(demo_home.path, home.path)
    before, told = home.snapshot(), home.facts("status")
    assert not told["running"]
    first = home.start("run", "--from", str(demo_world), "--full-refresh")
    try:
        assert first.stderr is not None
        for line in first.stderr:
            if "staging" in line:
                break
        second = home.cdp("run", "--from", str(demo_world), check=False)
        assert second.returncode == 1
        assert "Another run is going" in second.stderr
        assert home.snapshot() == before
        meanwhile = home.facts("status")
        assert (meanwhile["last_run"], meanwhile["profiles"]) == (told["last_run"], told["profiles"])
        assert meanwhile["running"]
    finally:
        first.send_signal(signal.SIGTERM)
        _, said = first.communicate()
    assert first.returncode == 130 and "Traceback" not in said
    assert said.rstrip().endswith("nothing is lost, run the same command again.")


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda w: (w / "sales" / "contacts.csv").write_bytes(b""), "contacts.csv"),
        (lambda w: (w / "pos" / "customers.csv").write_text("Reference,Name\n1,x\n"), "Reference ID"),
        (lambda w: shutil.rmtree(w) or w.mkdir(), "world"),
        (lambda w: [f.unlink() for f in (w / "support").glob("tickets*")], "no file like support/**/tickets*"),
        (lambda w: [f.unlink() for f in (w / "web").rglob("*") if f.is_file()], "no file like web/"),
    ],
    ids=["empty file", "wrong column", "empty folder", "missing file", "empty folder of a source"],
)
def test_bad_deliveries_are_one_sentence(spoil, told, demo_world: Path, tmp_path: Path) -> None:
    world = tmp_path / "world"
    shutil.copytree(demo_world, world)
    spoil(world)
    completed = Home(tmp_path / "home").cdp("run", "--from", str(world), check=False)
    assert completed.returncode == 1
    last = completed.stderr.strip().splitlines()[-1]
    assert last.startswith("cdp: ") and told in last
