"""The commands about segments: one of one's own from its creation to its end, and one sentence for each mistake."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cdp.cli.app import run
from cdp.settings import load_settings
from cdp.store import open_store
from tests.support.publications import profile_id
from tests.unit.api.conftest import publish_world

Facts = Callable[..., Any]
Told = Callable[..., str]

# Of forty people each fourth lives in Germany.
GERMANS = [profile_id(number) for number in range(1, 41) if number % 4 == 1]
GERMAN = ("create", "--key", "german", "--title", "German", "--where", "trait.country = 'DE'")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state home in which forty people are published."""
    made = tmp_path / "home"
    made.mkdir()
    monkeypatch.setenv("CDP_HOME", str(made))
    with open_store(load_settings(home=made).database_url) as store:
        publish_world(store, made / "serving")
    return made


@pytest.fixture
def facts(home: Path, capsys: pytest.CaptureFixture[str]) -> Facts:
    """Run a command about segments with --json."""

    def call(*arguments: str) -> Any:
        capsys.readouterr()
        code = run(["segment", *arguments, "--json"])
        said = capsys.readouterr()
        assert code == 0, said.err
        return json.loads(said.out)

    return call


@pytest.fixture
def told(home: Path, capsys: pytest.CaptureFixture[str]) -> Told:
    """Run a command about segments for a person; what it says on stdout, or on stderr when it fails."""

    def call(*arguments: str, fails: bool = False) -> str:
        capsys.readouterr()
        code = run(["segment", *arguments])
        said = capsys.readouterr()
        assert code == (1 if fails else 0), said.err
        if fails:
            assert said.out == "" and "Traceback" not in said.err
        return said.err if fails else said.out

    return call


def test_from_creation_to_deletion(facts: Facts, home: Path, tmp_path: Path) -> None:
    made = facts(*GERMAN, "--purpose", "analytics", "--tag", "eu", "--tag", "test")
    assert (made["version"], made["size"], made["entered"], made["exited"]) == (1, 10, 10, 0)
    assert {"key": "german", "title": "German", "size": 10, "exportable": 10} in facts("list")
    assert facts("members", "german") == GERMANS
    shown = facts("show", "german")
    assert (shown["text"], shown["definition"]["tags"]) == ("trait.country = 'DE'", ["eu", "test"])

    document = tmp_path / "german.yaml"
    document.write_text("where: trait.country = 'DE' and trait.last_name in ('Last1', 'Last5')\n")
    changed = facts("update", "german", str(document), "--if-version", "1")
    assert (changed["version"], changed["size"], changed["exited"]) == (2, 2, 8)
    assert not facts("update", "german", str(document))["changed"], "the same again is no version"
    shown = facts("show", "german")
    assert (shown["title"], shown["definition"]["tags"]) == ("German", ["eu", "test"]), "what is not named stays"
    assert [one["version"] for one in shown["versions"]] == [2, 1]

    feed = facts("changes", "german", "--limit", "10")
    assert [(one["change"], one["reason"]) for one in feed["changes"]] == [("entered", "definition")] * 10
    rest = facts("changes", "german", "--cursor", str(feed["cursor"]))
    assert {(one["change"], one["reason"]) for one in rest["changes"]} == {("exited", "definition")}
    assert [one["profile_id"] for one in rest["changes"]] == GERMANS[2:]

    assert facts("delete", "german", "--if-version", "2") == {"key": "german", "deleted": True, "exited": 2}
    assert "german" not in {one["key"] for one in facts("list")}
    last = facts("changes", "german", "--cursor", str(rest["cursor"]))
    assert [(one["change"], one["reason"]) for one in last["changes"]] == [("exited", "deleted")] * 2
    assert facts("changes", "german", "--cursor", str(last["cursor"])) == {"changes": [], "cursor": last["cursor"]}
    with open_store(load_settings(home=home).database_url) as store:
        actions = [row.entry.action for row in store.audit_rows(object="german")]
    changed = [action for action in actions if action not in ("segment.members", "segment.changes")]
    assert changed == ["segment.create", "segment.change", "segment.change", "segment.delete"]
    assert {"segment.members", "segment.changes"} < set(actions), "who looked is kept too"


def test_it_tells_people_too(told: Told) -> None:
    assert "10 people" in told(*GERMAN) and "country is “DE”" in told("show", "german")
    assert "entered" in told("changes", "german")
    assert "people left it" in told("delete", "german")


def test_titles_do_not_command_the_terminal(told: Told) -> None:
    """And what people wrote beside the definition is shown."""
    told(
        *GERMAN[:3],
        "--title",
        "\x1b[31mRed\x07\x9b",
        "--where",
        "trait.country = 'DE'",
        "--owner",
        "Ann",
        "--tag",
        "a",
        "--tag",
        "b",
    )
    shown = told("show", "german")
    assert "�[31mRed��" in shown and "\x1b" not in shown
    assert "owner: Ann\n" in shown and "tags: a, b\n" in shown


def test_a_preview_counts_and_tells_what_it_cost(facts: Facts, told: Told) -> None:
    found = facts("preview", "trait.country = 'DE' and trait.purchases > 5")
    assert (found["size"], [one["removed"] for one in found["drop_off"]]) == (0, [30, 10])
    assert found["rows_scanned"] == 40
    assert "10 of 40 profiles" in told("preview", "trait.country = 'DE'")


def test_exports_hold_the_exportable_members_also_when_there_are_none(facts: Facts, tmp_path: Path) -> None:
    facts(*GERMAN, "--purpose", "marketing")
    for where in ("trait.country = 'DE'", "trait.country = 'XX'"):
        facts("update", "german", "--where", where)
        out = tmp_path / "out.csv"
        done = facts("export", "german", "--format", "csv", "--out", str(out))
        with out.open(newline="") as file:
            header, *rows = csv.reader(file)
        assert header[0] == "profile_id" and len(rows) == done["rows"]
        assert [row[0] for row in rows] == facts("members", "german", "--exportable")


MISTAKES = {
    "unknown trait": ((*GERMAN[:5], "--where", "trait.contry = 'DE'"), ("where", "contry", "country")),
    "unknown event": ((*GERMAN[:5], "--where", "event('Home Vieewed')"), ("where", "Home Vieewed", "Home Viewed")),
    "type mismatch": ((*GERMAN[:5], "--where", "trait.purchases > 'many'"), ("where.value", "number")),
    "not a text form": ((*GERMAN[:5], "--where", "trait.country = "), ("where",)),
    "itself": ((*GERMAN[:5], "--where", "segment('german')"), ("german",)),
    "unknown segment": ((*GERMAN[:5], "--where", "segment('gone')"), ("gone",)),
    "a bad key": (("create", "--key", "Not A Key", *GERMAN[3:]), ("key",)),
    "no title": (("create", "--key", "german", "--where", "everyone"), ("title",)),
    "an unknown purpose": ((*GERMAN, "--purpose", "spam"), ("purpose", "marketing")),
    "no file": (("create", "gone.yaml"), ("gone.yaml",)),
    "nothing to change": (("update", "taken"), ("--where",)),
    "another version": (("update", "taken", "--title", "New", "--if-version", "7"), ("version 1",)),
    "a key in use": (("create", "--key", "taken", *GERMAN[3:]), ("taken",)),
    "nothing to delete": (("delete", "takne"), ("taken",)),
    "an unknown one to change": (("update", "takne", "--title", "New"), ("Did you mean taken",)),
    "an unknown purpose of an export": (("export", "taken", "--out", "x.csv", "--for", "markting"), ("marketing?",)),
    "nothing to show": (("show", "takne"), ("taken",)),
    "a change of one that ships": (("update", "new", "--title", "Mine"), ("ships",)),
    "a deletion of one that ships": (("delete", "new"), ("ships",)),
    "a cycle": (("update", "taken", "--where", "segment('second')"), ("taken", "second")),
    "an export of everybody": (("export", "all", "--format", "csv", "--out", "all.csv"), ("everybody",)),
    "an unknown format": (("export", "taken", "--format", "xls", "--out", "x.xls"), ("xls", "csv")),
    "an unknown field": (("export", "taken", "--out", "x.csv", "--fields", "emial"), ("emial", "email")),
}  # fmt: skip


def test_mistakes_are_one_sentence(told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    told("create", "--key", "taken", "--title", "Taken", "--where", "trait.country = 'CH'")
    told("create", "--key", "second", "--title", "Second", "--where", "segment('taken')")
    told("create", "--key", "all", "--title", "All", "--where", "everyone", "--purpose", "analytics")
    for name, (arguments, expected) in MISTAKES.items():
        said = told(*arguments, fails=True)
        assert all(word in said for word in expected), (name, said)
    assert list(tmp_path.glob("*.csv")) == []
