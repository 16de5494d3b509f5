"""Correcting on the command line: values from stdin or a file, one for each field, never repeated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cdp.cli.app import app
from cdp.settings import Settings
from pipelines import rectifying
from pipelines.rectifying import Corrected, Way
from privacy.corrections import Wanted

FACTS = {"correction": "c1", "fields": ["email"], "withdrawn_at": None, "where": []}


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Wanted, Way]]:
    """What the commands hand on."""
    monkeypatch.setenv("CDP_HOME", str(tmp_path / "home"))
    found: list[tuple[str, Wanted, Way]] = []

    def note(_: Settings, name: str, wanted: Wanted, way: Way) -> Corrected:
        found.append((name, wanted, way))
        return Corrected(FACTS, way.at_once, None if way.at_once else "Another run is going.")

    monkeypatch.setattr(rectifying, "correct", note)
    monkeypatch.setattr(rectifying, "rectify", note)
    return found


def run(*arguments: str, told: str | None = None, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["privacy", *arguments], input=told)
    assert done.exit_code == code, (done.output, done.exception)
    assert "zqx" not in done.output and "zqx" not in str(done.exception)
    return done


def test_values_come_from_stdin_a_file_or_the_line(asked: list[Any], tmp_path: Path) -> None:
    run("correct", "p1", "--field", "email", "--field", "city", "--value", "-", told="zqx@x.org\nKent\n")
    values = tmp_path / "right.txt"
    values.write_text("\ufeffzqx@x.org\nKent\n", encoding="utf-8")
    run("rectify", "rc-1", "--field", "email", "--field", "city", "--values-file", str(values))
    run("correct", "p1", "--field", "city", "--value", "Kent", "--empty", "phone", "--record", "web:1",
        "--until-changed", "--later")  # fmt: skip
    both = Wanted({"email": "zqx@x.org", "city": "Kent"}, "for_good", [])
    assert [(name, wanted) for name, wanted, _ in asked] == [
        ("p1", both), ("rc-1", both), ("p1", Wanted({"city": "Kent", "phone": None}, "until_changed", ["web:1"])),
    ]  # fmt: skip
    assert [way.at_once for *_, way in asked] == [True, True, False]


def test_what_became_of_it_is_told(asked: list[Any]) -> None:
    arguments = ("correct", "p1", "--field", "email", "--value", "zqx@x.org")
    assert "carried out and published" in run(*arguments).output
    assert "counts with the next run. Another run is going." in run(*arguments, "--later").output
    assert json.loads(run(*arguments, "--json").stdout) == {**FACTS, "carried_out": True, "reason": None}


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--field", "email"), "1 field(s) need as many values, but there are 0"),
        (("--field", "email", "--value", "zqx", "--value", "zqx"), "but there are 2"),
        (("--field", "email", "--value", "zqx", "--empty", "email"), "named twice"),
        (("--field", "email", "--value", "zqx", "--values-file", "none.txt"), "not both"),
        (("--field", "email", "--values-file", "none.txt"), "none.txt cannot be read"),
    ],
)
def test_fields_and_values_have_to_go_together(asked: list[Any], arguments: tuple[str, ...], sentence: str) -> None:
    done = run("correct", "p1", *arguments, code=1)
    assert sentence in str(done.exception) and asked == []
