"""Commands of the marketer about journeys: funnels, paths, transitions, the happy path, attribution, value, the map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli import journey_options as options
from cdp.cli import journey_tables as tables
from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say
from cdp.cli.state import load_settings
from cdp.errors import InputError
from cdp.wording import counted

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.questions import Question
    from pipelines.journeys import WrittenSegment


def register(journey: typer.Typer) -> None:
    """Add this module's commands to `cdp journey`."""
    journey.command("map")(journey_map)
    journey.command("funnel")(funnel)
    journey.command("paths")(paths)
    journey.command("transitions")(transitions)
    journey.command("happy-path")(happy_path)
    journey.command("attribution")(attribution)
    journey.command("value")(value)


@options.about(people=True)
def journey_map(
    *,
    asked: options.Asked,
    out: Path | None = typer.Option(None, "--out", help="File to write."),
    file_format: str | None = typer.Option(
        None, "--format", help="svg, png, pdf, html, json, xlsx, mermaid; by default what the file's name ends in."
    ),
    lang: str = typer.Option("en", "--lang", help="en or zh."),
    as_json: bool = Json,
) -> None:
    """Draw the one-page journey map, or write the people behind one of its numbers."""
    from journeys.questions import journey_map as question
    from pipelines.journeys import write_map

    if out is None and asked.people is None:
        raise InputError("Where should the map go? Name a file with --out, for example --out map.png.")
    if out is not None:
        found = write_map(
            load_settings(), out, file_format=file_format, audience=asked.audience, compare=asked.compare, lang=lang
        )
        if as_json:
            emit_json({"title": found.title, "path": found.path})
        else:
            say(f"{found.title}\n{found.path}")
    if asked.people is not None:
        write_people(question(), asked, as_json=as_json and out is None)


@options.about(people=True)
def funnel(
    *,
    asked: options.Asked,
    step: list[str] = typer.Option(
        [], "--step", help="A touchpoint type, stage or event; A|B for either; A[device=x]."
    ),
    definition: Path | None = typer.Option(None, "--definition", help="YAML or JSON file with the funnel instead."),
    mode: str = typer.Option("ordered", "--mode", help="ordered, strict (nothing between) or any (order)."),
    window: str = typer.Option("7d", "--window", help="From step 1: 30min, 12h, 7d, 2w."),
    exclude: list[str] = typer.Option([], "--exclude", help="NAME@1-2: nobody who has it between steps 1 and 2."),
    unit: str = typer.Option("profile", "--unit", help="profile or visit."),
    by: str | None = typer.Option(
        None, "--by", help="Split by device, channel, source, campaign, acquisition_channel."
    ),
    at: str = typer.Option("first", "--at", help="The property at the first step, the last one reached, or step N."),
    as_json: bool = Json,
) -> None:
    """How many people get how far, where they drop off, and how long it takes."""
    from journeys import questions
    from journeys.funnels.definition import parse_funnel

    content: dict[str, Any] = {
        "steps": [options.step(each) for each in step],
        "mode": mode,
        "window": window,
        "exclusions": [options.exclusion(each) for each in exclude],
        "unit": unit,
        "breakdown": options.breakdown(by, at),
    }
    asked_for = parse_funnel(_definition(definition, given=bool(step)) or content)
    ask(questions.funnel(asked_for), asked, as_json, tables.funnel)


@options.about(people=True)
def paths(
    *,
    asked: options.Asked,
    after: str | None = typer.Option(None, "--after", help="Paths begin here: a touchpoint type, stage or event."),
    before: str | None = typer.Option(None, "--before", help="Paths end here; with --after: paths between the two."),
    depth: int = typer.Option(5, "--depth", min=1, max=10, help="Steps of a path, anchors included."),
    window: str | None = typer.Option(None, "--window", help="Longest distance from the anchor: 30min, 12h, 7d, 2w."),
    repeats: bool = typer.Option(False, "--repeats", help="Keep repeats; by default they count once."),
    hide: list[str] = typer.Option([], "--hide", help="Pass over this, as if it were not there."),
    of: str = typer.Option("touchpoint_type", "--of", help="touchpoint_type, event_name, channel or stage."),
    unit: str = typer.Option("profile", "--unit", help="profile or visit."),
    limit: int = typer.Option(20, "--limit", min=1, max=1000, help="Paths to list."),
    as_json: bool = Json,
) -> None:
    """What people do after, before or between two moments."""
    from journeys import questions
    from journeys.funnels.definition import parse_paths

    content: dict[str, Any] = {
        "start": options.step(after) if after else None,
        "end": options.step(before) if before else None,
        "depth": depth,
        "window": window,
        "collapse": not repeats,
        "hide": hide,
        "of": of,
        "unit": unit,
        "limit": limit,
    }
    ask(questions.paths(parse_paths(content)), asked, as_json, tables.paths)


@options.about(people=True)
def transitions(
    *,
    asked: options.Asked,
    of: str = typer.Option("stage", "--of", help="stage, touchpoint_type, event_name or channel."),
    unit: str = typer.Option("profile", "--unit", help="profile or visit (not for stages)."),
    limit: int = typer.Option(30, "--limit", min=1, max=100_000, help="Transitions to print; --json holds all."),
    as_json: bool = Json,
) -> None:
    """Which way people go from each stage or touchpoint, back edges and loops included."""
    from journeys import questions
    from journeys.funnels.graphs import parse

    ask(questions.transitions(parse(of, unit)), asked, as_json, lambda found: tables.transitions(found, limit))


@options.about(people=True)
def happy_path(
    *,
    asked: options.Asked,
    planned: str | None = typer.Option(None, "--planned", help="Stages of the plan, as in awareness,decision,use."),
    limit: int = typer.Option(15, "--limit", min=1, max=1000, help="Real paths to list."),
    as_json: bool = Json,
) -> None:
    """The planned path against the real ones: who walks it, and how the others deviate."""
    from journeys import questions

    plan = tuple(stage.strip() for stage in planned.split(",")) if planned else None
    ask(questions.happy_path(plan, limit), asked, as_json, tables.happy_path)


@options.about()
def attribution(
    *,
    asked: options.Asked,
    window: str = typer.Option("30d", "--window", help="Touches so long before a purchase count: 7d, 4w."),
    half_life: str = typer.Option("7d", "--half-life", help="Time decay halves the credit of a touch this much older."),
    model: list[str] = typer.Option(
        [], "--model", help="first, last, linear, position, time_decay, markov, shapley; all by default."
    ),
    as_json: bool = Json,
) -> None:
    """Which channels the purchases and the revenue are owed to, under seven models side by side."""
    from journeys import questions
    from journeys.period import days, duration

    half = duration(half_life).total_seconds() / 86_400
    question = questions.attribution(days=days(duration(window)), half_life=half, models=tuple(model) or None)
    ask(question, asked, as_json, tables.attribution)


@options.about()
def value(
    *,
    asked: options.Asked,
    horizon: str = typer.Option("365d", "--horizon", help="How far to look ahead: 90d, 52w."),
    as_json: bool = Json,
) -> None:
    """What customers will still buy: purchases and revenue expected, with intervals."""
    from journeys import questions
    from journeys.period import days, duration

    ask(questions.value(horizon_days=days(duration(horizon))), asked, as_json, tables.value)


def ask(
    question: Question[Any],
    asked: options.Asked,
    as_json: bool,
    show: Callable[[Answer[Any]], None],
    document: Callable[[Answer[Any]], dict[str, Any]] | None = None,
) -> None:
    """Answer the question, or write the people behind one of its numbers. `document` is how it looks as JSON."""
    from pipelines.journeys import answer

    if asked.people is not None:
        write_people(question, asked, as_json=as_json)
        return
    found = answer(load_settings(), question, asked.audience, asked.compare)
    if as_json:
        emit_json(document(found) if document else found.to_json())
        return
    show(found)


def write_people(question: Question[Any], asked: options.Asked, *, as_json: bool) -> None:
    """Write the people behind `--node` to `--segment-out`."""
    from pipelines.journeys import write_segment

    if asked.people is None:
        return
    node, out = asked.people
    written = write_segment(load_settings(), question, asked.audience, node=node, out=out, purpose=asked.purpose)
    tell_written(written, as_json=as_json)


def tell_written(written: WrittenSegment, *, as_json: bool) -> None:
    """What was written, for whom, and how many were held back."""
    if as_json:
        emit_json(written)
    elif written.kind == "definition":
        say(f"{counted(written.size, 'person', 'people')}; the segment {written.key} is defined in {written.path}")
    else:
        say(f"{counted(written.size - written.held_back, 'person', 'people')} listed in {written.path}")
    if written.held_back:
        note(f"{written.held_back:,} of {written.size:,} may not be used for {written.purpose}.")


def _definition(path: Path | None, *, given: bool) -> dict[str, Any] | None:
    if path is None:
        return None
    if given:
        raise InputError("A funnel is either a --definition or steps, not both.")
    from pipelines.journeys import read_definition

    return read_definition(path)
