"""Commands of the marketer: journey maps and segments."""

from __future__ import annotations

from pathlib import Path

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings

journey = typer.Typer(help="Where customers are and where they get stuck.", no_args_is_help=True)
segment = typer.Typer(help="Groups of people with a definition.", no_args_is_help=True)


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


@segment.command("preview")
def segment_preview(
    definition: Path = typer.Argument(..., help="YAML or JSON file with the definition."), as_json: bool = Json
) -> None:
    """How many people a definition selects, whom it may reach, and what each condition removes."""
    from dataclasses import asdict

    from pipelines.insights import preview_segment

    found = preview_segment(load_settings(), definition)
    if as_json:
        emit_json(asdict(found))
        return
    say(found.sentence)
    say(f"{found.size:,} of {found.profiles:,} profiles ({found.share:.1%}); {found.exportable:,} may be exported")
    table(("channel", "reachable"), list(found.reachable.items()))


@segment.command("export")
def segment_export(
    key: str = typer.Argument(..., help="The segment's key."),
    file_format: str = typer.Option("csv", "--format", help="csv, ndjson or parquet."),
    out: Path = typer.Option(..., "--out", help="File to write."),
    as_json: bool = Json,
) -> None:
    """Write exactly the exportable members of a segment."""
    from dataclasses import asdict

    from pipelines.insights import export_segment

    written = export_segment(load_settings(), key, file_format, out)
    if as_json:
        emit_json(asdict(written))
        return
    say(f"{written.rows:,} people written to {written.path}; {written.held_back:,} held back for want of consent.")
