"""The protocol of verification: marked people in all sources and places, erased, proved, and never back.

Everything is driven through the command line, on SQLite and on PostgreSQL; the positive control comes first.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from cdp.domain.decisions import ALWAYS, Author, Link
from cdp.settings import load_settings
from cdp.store import open_store
from privacy import receipts
from tests.support import marked
from tests.support.home import Home
from tests.support.marked import Subject
from tests.support.publications import NOW

pytestmark = pytest.mark.slow
KILLS = 20


def receipts_told(home: Home) -> list[str]:
    """The receipts as they are; they hold no personal data."""
    return [path.read_text() for path in sorted((home.path / "privacy" / "receipts").rglob("*")) if path.is_file()]


STEPS = ("plan", "hold", "suppress", "landing", "warehouse", "decisions", "publication", "files", "settle", "verify")


@dataclass
class Marked:
    """A home into which the marked people were delivered and in which they lie all over the place."""

    home: Home
    world: Path
    people: list[Subject]

    @property
    def markers(self) -> list[str]:
        return [marker for one in self.people for marker in one.markers]


@pytest.fixture(scope="module")
def marked_world(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Subject]]:
    from demo.generate import generate

    world = tmp_path_factory.mktemp("marked") / "world"
    generate("small", seed=7, out=world, people=120)
    return world, marked.deliver(world)


@pytest.fixture(scope="module")
def prepared(marked_world: tuple[Path, list[Subject]], tmp_path_factory: pytest.TempPathFactory) -> Marked:
    """After one run on SQLite; tests copy it."""
    world, people = marked_world
    home = Home(tmp_path_factory.mktemp("prepared") / "home")
    home.cdp("run", "--from", str(world))
    return Marked(home, world, people)


@pytest.fixture(params=["sqlite", "postgres"])
def everywhere(request: pytest.FixtureRequest, marked_world: tuple[Path, list[Subject]], tmp_path: Path) -> Marked:
    """A home of each kind with decisions, exports and left-over files about the people."""
    world, people = marked_world
    if request.param == "sqlite":
        made: Marked = request.getfixturevalue("prepared")
        home = Home(tmp_path / "home")
        shutil.copytree(made.home.path, home.path)
    else:
        home = Home(tmp_path / "home", store_url=request.getfixturevalue("postgres_url"))
        home.cdp("run", "--from", str(world))
    with open_store(load_settings(home=home.path, store_url=home.store_url).database_url) as store:
        one = people[4]
        links = [Link.between(ALWAYS, f"sales:{one.id(7941)}", f"pos:{one.member}")]
        store.decisions.write("merge", links, Author("anna", NOW, "seen the papers"), lambda _: None)
    for segment in home.facts("segment", "list")[:3]:
        target = home.path / "exports" / f"{segment['key']}.csv"
        home.cdp("segment", "export", segment["key"], "--out", str(target), check=False)
    marked.plant(home, people)
    return Marked(home, world, people)


def ask(one: Subject) -> str:
    """One identifier of a person; another kind for each."""
    kinds: list[Callable[[Subject], str]] = [
        lambda one: f"email:{one.mail.upper()}", lambda one: f"user_id:{one.user}", lambda one: f"phone:+1{one.phone}",
        lambda one: f"anonymous_id:{one.device}", lambda one: f"loyalty_id:{one.member}",
        lambda one: f"contact_id:{one.id(7941)}", lambda one: f"requester_id:{one.id(7743)}",
    ]  # fmt: skip
    return kinds[one.number % len(kinds)](one)


def test_nothing_is_left_anywhere_and_never_comes_back(everywhere: Marked, tmp_path: Path) -> None:
    home, people, markers = everywhere.home, everywhere.people, everywhere.markers
    ids = [profile for found in marked.profile_ids(home, people).values() for profile in found]
    assert len(ids) == len(people), "each is one profile"
    control = marked.found(home, [*markers, *ids])
    assert [marker for marker in (*markers, *ids) if not control[marker]] == [], "the positive control finds all"
    for place in sorted(home.path.glob("exports/people.*")):
        assert len(marked.in_file(place, (one.mail for one in people))) == len(people), f"control of {place.name}"
    before = marked.rows(home)

    first = home.facts("privacy", "request", "--type", "erasure", "--identifier", ask(people[0]), "--yes")
    batch = tmp_path / "people.txt"
    batch.write_text("\n".join(ask(one) for one in people[1:]))
    rest = home.facts("privacy", "request", "--type", "erasure", "--people", str(batch), "--yes")
    for answer in (first, rest):
        body = answer["receipt"]["receipt"]
        assert (answer["status"], body["notes"]) == ("completed", [])
        assert answer["doubtful"] == [] and all(line["residual_hits"] == 0 for line in body["stores"])
        assert home.cdp("privacy", "receipt", body["request"]).returncode == 0
    assert rest["receipt"]["receipt"]["subjects"] == len(people) - 1

    assert +marked.found(home, markers) == {}, "nothing is found in any file or table"
    others_are_as_they_were(before, marked.rows(home), markers, ids)
    sizes = {one["key"]: (one["size"], one["exportable"]) for one in home.facts("segment", "list")}
    assert sizes == marked.counted(home), "segments count who is left"
    asked = [word for one in people[1:] for word in ("--identifier", f"email:{one.mail}")]
    assert home.facts("privacy", "verify", rest["request"], *asked)["clean"]
    for kind in ("people.csv", "people.wide.csv", "people.jsonl.gz", "people.parquet"):
        assert marked.in_file(home.path / "exports" / kind, [marked.OTHER]), f"others in {kind}"
    delivered_again(everywhere, tmp_path)


def others_are_as_they_were(
    before: dict[str, marked.Rows], after: dict[str, marked.Rows], markers: list[str], ids: list[str]
) -> None:
    """Rows of everyone else in every table; counters, the log and the account of the erasure are its own."""
    own = ("ops.batches", "ops.erasures", "store:audit", "store:publications", "store:sqlite_sequence")
    texts = [*markers, *ids, "erased-1", "seen the papers"]
    kept, left = marked.without(before, texts), marked.without(after, texts)
    assert kept.keys() == left.keys()
    for table in kept:
        if table.endswith(own):
            assert kept[table] - left[table] == {} or table.endswith("sequence"), f"{table} only grew"
        else:
            assert kept[table] == left[table], f"rows of others in {table}"


def delivered_again(made: Marked, tmp_path: Path) -> None:
    """The same files, and the same people in files that are new."""
    home = made.home
    assert home.facts("run", "--from", str(made.world))["changed"] in (True, False)
    again = tmp_path / "again"
    shutil.copytree(made.world, again)
    for path in sorted(again.glob("*/*.csv")):
        path.write_text(path.read_text(encoding="utf-8").rstrip("\n") + "\n\n\n", encoding="utf-8")
    for path in sorted(again.glob("*/*.jsonl")):
        path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    import gzip

    zipped = again / "web/events-2025-zq.jsonl.gz"
    zipped.write_bytes(gzip.compress(gzip.decompress(zipped.read_bytes()) + b"\n"))
    home.cdp("run", "--from", str(again))
    assert +marked.found(home, made.markers) == {}, "nobody came back"
    status = home.facts("status")
    assert sum(counts["suppressed"] for counts in status["raw"].values()) > len(made.people) * 10


@pytest.fixture
def rounds(prepared: Marked, tmp_path: Path) -> Iterator[Callable[[], Marked]]:
    """A home with an approved request for five people, copied for each round."""
    ready = Home(tmp_path / "ready")
    shutil.copytree(prepared.home.path, ready.path)
    marked.plant(ready, prepared.people)
    batch = tmp_path / "people.txt"
    batch.write_text("\n".join(ask(one) for one in prepared.people[:5]))
    ready.cdp("privacy", "request", "--type", "erasure", "--people", str(batch))

    def fresh() -> Marked:
        home = Home(tmp_path / "round")
        shutil.rmtree(home.path, ignore_errors=True)
        shutil.copytree(ready.path, home.path)
        return Marked(home, prepared.world, prepared.people[:5])

    yield fresh


def test_killed_anywhere_it_ends_with_one_receipt_and_nothing_left(rounds: Callable[[], Marked]) -> None:
    chance = random.Random(6)
    undisturbed = rounds()
    started = time.monotonic()
    undisturbed.home.cdp("privacy", "run")
    took = time.monotonic() - started
    expected = comparable(undisturbed.home)
    killed, share = 0, 1.0
    while killed < KILLS:
        made = rounds()
        process = made.home.start("privacy", "run")
        if killed < len(STEPS):
            kill_inside(process, STEPS[killed], chance.uniform(0, 0.3))
        else:
            # One moment in each part of the time it takes, the start of Python left out.
            part = (killed - len(STEPS) + chance.random()) / (KILLS - len(STEPS))
            threading.Event().wait(0.5 + (took - 0.5) * part * share)
        process.kill()
        process.communicate()
        if process.returncode != -signal.SIGKILL:
            # It was done before its time; this round does not count.
            share *= 0.8
            continue
        killed += 1
        made.home.cdp("privacy", "run")
        requests = made.home.facts("privacy", "list")
        told = f"round {killed}: {receipts_told(made.home)}"
        assert [one["status"] for one in requests] == ["completed"], told
        folder = made.home.path / "privacy"
        assert len(list((folder / "receipts").iterdir())) == 1
        assert receipts.verify(folder) == []
        assert list((folder / "work").iterdir()) == [], "the plan and its key are gone"
        assert len((folder / "erasures.jsonl").read_text().splitlines()) == 1
        assert comparable(made.home) == expected, f"round {killed}"
    assert +marked.found(made.home, made.markers) == {}


def kill_inside(process: subprocess.Popen[str], step: str, delay: float) -> None:
    """Wait until `delay` seconds after a step began."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(f"erasure: {step} …"):
            threading.Event().wait(delay)
            return


def comparable(home: Home) -> dict[str, int]:
    """How many rows each table holds, and how often a marker is found in any."""
    dumped = marked.rows(home)
    return {
        **{table: rows.total() for table, rows in dumped.items() if not table.endswith("sequence")},
        "hits": sum(marked.found(home, [one.mail for one in marked.subjects()[:5]]).values()),
        "receipt": json.loads(next((home.path / "privacy/receipts").iterdir()).read_text())["receipt"]["sequence"],
    }
