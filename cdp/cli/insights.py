"""Commands of the marketer: journey maps and segments."""

from __future__ import annotations

from pathlib import Path

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError

journey = typer.Typer(help="Where customers are and where they get stuck.", no_args_is_help=True)
segment = typer.Typer(help="Groups of people with a definition.", no_args_is_help=True)


@journey.command("map")
def journey_map(
    out: Path = typer.Option(..., "--out", help="File to write."),
    file_format: str | None = typer.Option(None, "--format", help="svg, png, pdf, html, json, xlsx, mermaid."),
    segment_key: str | None = typer.Option(None, "--segment", help="Only people of this segment."),
    lang: str = typer.Option("en", "--lang", help="en or zh."),
) -> None:
    """Draw the one-page journey map."""
    from pipelines.insights import Language, write_map

    if lang not in ("en", "zh"):
        raise InputError(f"There is no map in {lang!r}: use --lang en or --lang zh.")
    chosen: Language = "zh" if lang == "zh" else "en"
    written = write_map(load_settings(), out, file_format=file_format, segment=segment_key, lang=chosen)
    say(f"{written.title}\n{written.path}")


@segment.command("list")
def segment_list(as_json: bool = Json) -> None:
    """All segments with their size."""
    from pipelines.insights import list_segments

    found = list_segments(load_settings())
    if as_json:
        emit_json(found)
        return
    table(("key", "title", "size", "exportable"), [(s["key"], s["title"], s["size"], s["exportable"]) for s in found])


@segment.command("members")
def segment_members(
    key: str = typer.Argument(..., help="The segment's key."),
    limit: int = typer.Option(100, min=1, max=1_000_000, help="At most so many."),
    as_json: bool = Json,
) -> None:
    """Profile ids in a segment."""
    from pipelines.insights import list_members

    members = list_members(load_settings(), key, limit)
    if as_json:
        emit_json(members)
        return
    for member in members:
        say(member)
