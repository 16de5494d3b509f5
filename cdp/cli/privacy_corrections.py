"""Commands with which values about people are put right (Art. 16 GDPR), and looked after."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.privacy_requests import operator
from cdp.cli.state import load_settings
from cdp.errors import InputError

if TYPE_CHECKING:
    from pipelines.rectifying import Corrected, Way
    from privacy.corrections import Wanted

Fields = typer.Option([], "--field", help="What is wrong: email, phone, birth_date, last_name, …; repeat for more.")
Values = typer.Option(
    [], "--value", help="The right value of each field in order; `-` reads them from stdin, a line each."
)
FromFile = typer.Option(None, "--values-file", help="A file with the right values, a line each.")
Empty = typer.Option([], "--empty", help="A field of which there is no right value: it was never theirs.")
Records = typer.Option([], "--record", help="SOURCE:ID; else every record that states what the profile shows.")
UntilChanged = typer.Option(False, "--until-changed", help="Only until the source says something else by itself.")
AtOnce = typer.Option(True, "--apply/--later", help="Carry it out at once, or leave it to the next run.")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("correct")(correct)
    app.command("rectify")(rectify)
    app.command("corrections")(corrections)
    app.command("withdraw-correction")(withdraw)


def correct(
    profile: str = typer.Argument(..., help="A profile id."),
    *,
    fields: list[str] = Fields,
    values: list[str] = Values,
    values_file: Path | None = FromFile,
    empty: list[str] = Empty,
    records: list[str] = Records,
    until_changed: bool = UntilChanged,
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Put a value of a person right; it outlasts deliveries, runs and rebuilds until it is withdrawn."""
    from pipelines import rectifying

    wanted = _wanted(_texts(fields, values, values_file, empty), records, until_changed=until_changed)
    _tell(rectifying.correct(load_settings(), profile, wanted, _way(apply)), as_json)


def rectify(
    name: str = typer.Argument(..., metavar="REQUEST", help="An approved request for rectification."),
    *,
    fields: list[str] = Fields,
    values: list[str] = Values,
    values_file: Path | None = FromFile,
    empty: list[str] = Empty,
    records: list[str] = Records,
    until_changed: bool = UntilChanged,
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Put a value of the person of a request right; `cdp privacy complete` notes that they were answered."""
    from pipelines import rectifying

    wanted = _wanted(_texts(fields, values, values_file, empty), records, until_changed=until_changed)
    _tell(rectifying.rectify(load_settings(), name, wanted, _way(apply)), as_json)


def corrections(
    *,
    name: str | None = typer.Option(None, "--request", help="Those that this request asked for."),
    differing: bool = typer.Option(False, "--differing", help="Those of which a source now says something else."),
    with_values: bool = typer.Option(False, "--values", help="Show the right values; audited."),
    before: str | None = typer.Option(None, "--before", help="Go on after this one, the last that was shown."),
    limit: int = typer.Option(200, "--limit", min=1, max=10_000, help="How many at most."),
    as_json: bool = Json,
) -> None:
    """What was put right, newest first, and what the sources say meanwhile."""
    from pipelines import rectifying

    found = rectifying.listed(
        load_settings(), request=name, differing=differing, with_values=with_values, before=before, limit=limit
    )
    if as_json:
        emit_json(found)
        return
    headers = ("correction", "field", "record", "source says", "effective", "written", "by")
    table(
        (*headers, "value") if with_values else headers,
        [
            (one["correction"], place["field"], f"{place['source']}:{place['source_record_id']}",
             (place["standing"] or "").removeprefix("source_"), one["effective"], f"{one['recorded_at']:%Y-%m-%d}",
             one["recorded_by"], *([place["value"]] if with_values else []))
            for one in found for place in one["where"]
        ],
    )  # fmt: skip


def withdraw(
    correction: str = typer.Argument(..., help="The id of a correction."),
    apply: bool = AtOnce,
    as_json: bool = Json,
) -> None:
    """Take a correction back: what the source says counts again."""
    from pipelines import rectifying

    _tell(rectifying.withdraw(load_settings(), correction, _way(apply)), as_json)


def _way(apply: bool) -> Way:
    from pipelines.rectifying import Way

    return Way(operator(), apply, note)


def _wanted(texts: dict[str, str | None], records: list[str], *, until_changed: bool) -> Wanted:
    from privacy.corrections import Wanted

    return Wanted(texts, "until_changed" if until_changed else "for_good", records)


def _texts(fields: list[str], values: list[str], values_file: Path | None, empty: list[str]) -> dict[str, str | None]:
    """The right text of each field, None for the empty ones. InputError when fields and values do not go together."""
    told = _lines(values, values_file)
    if len(told) != len(fields):
        raise InputError(f"{len(fields)} field(s) need as many values, but there are {len(told)}; give one for each.")
    given: dict[str, str | None] = dict(zip(fields, told, strict=True))
    if len(given) < len(fields) or not given.keys().isdisjoint(empty):
        raise InputError("A field is named twice; give one value for each.")
    return {**given, **dict.fromkeys(empty)}


def _lines(values: list[str], file: Path | None) -> list[str]:
    if file is not None and values:
        raise InputError("Give the values with --value or in --values-file, not both.")
    if file is None and values != ["-"]:
        return values
    try:
        text = file.read_text(encoding="utf-8-sig") if file is not None else sys.stdin.read()
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{file.name if file else 'stdin'} cannot be read as text.") from None
    return text.splitlines()


def _tell(made: Corrected, as_json: bool) -> None:
    facts: dict[str, Any] = made.correction
    if as_json:
        emit_json({**facts, "carried_out": made.carried_out, "reason": made.reason})
        return
    where = len({(place["source"], place["source_record_id"]) for place in facts["where"]})
    done = "withdrawn" if facts["withdrawn_at"] else "written"
    say(f"Correction {facts['correction']} of {', '.join(facts['fields'])} on {where} record(s): {done}.")
    if made.carried_out:
        say("It is carried out and published.")
    else:
        say(f"It counts with the next run.{f' {made.reason}' if made.reason else ''}")
