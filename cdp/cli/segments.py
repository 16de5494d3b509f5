"""Commands about segments: who is in, who came and left, and segments of one's own."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError
from cdp.wording import counted

if TYPE_CHECKING:
    from cdp.store.base import SegmentRow
    from pipelines.segments import Shown
    from segments.authoring import Saved
    from segments.preview import Preview

app = typer.Typer(help="Groups of people with a definition.", no_args_is_help=True)

Key = typer.Argument(..., help="The segment's key.")
Source = typer.Argument(None, help="YAML or JSON file, or a file with the text form; - reads standard input.")
Title = typer.Option(None, "--title", help="What people call it.")
Where = typer.Option(None, "--where", help="The definition in the text form.")
Description = typer.Option(None, "--description", help="What it is good for.")
Purpose = typer.Option(None, "--purpose", help="marketing, personalisation, analytics, service or sharing.")
Owner = typer.Option(None, "--owner", help="Who answers for it.")
Author = typer.Option(None, "--author", help="Who wrote it.")
Tags = typer.Option(None, "--tag", help="A tag; repeat for several.")
IfVersion = typer.Option(None, "--if-version", min=1, help="Only when the segment is at this version.")


@app.command("list")
def list_command(as_json: bool = Json) -> None:
    """All segments with their size."""
    from pipelines.segments import list_segments

    found = list_segments(load_settings())
    if as_json:
        emit_json([{"key": s.key, "title": s.title, "size": s.size, "exportable": s.exportable} for s in found])
        return
    table(("key", "title", "size", "exportable", ""), [(s.key, s.title, s.size, s.exportable, _mark(s)) for s in found])
    for one in found:
        if one.problem:
            note(f"{one.key} keeps its members of {one.evaluated_at:%Y-%m-%d %H:%M}: {one.problem}")


@app.command("show")
def show(key: str = Key, as_json: bool = Json) -> None:
    """One segment: its sentence, text form, definition and versions."""
    from pipelines.segments import show_segment

    found = show_segment(load_settings(), key)
    if as_json:
        emit_json(_facts(found))
        return
    row = found.row
    say(f"{row.title} ({row.key}, version {row.version}, {row.origin}, for {row.purpose})")
    say(row.sentence)
    say(found.text)
    for name, value in _about(found.row):
        say(f"{name}: {value}")
    people = counted(row.size, "person", "people")
    say(f"{people}, {row.exportable:,} of them may be reached; evaluated {row.evaluated_at:%Y-%m-%d %H:%M}")
    if row.problem:
        say(f"Broken, so members are those of then: {row.problem}")
    for reason in row.blocking:
        say(f"Not for single profiles: {reason}")
    if found.versions:
        table(("version", "by", "at", "sentence"), [_version(one) for one in found.versions])


@app.command("create")
def create(
    source: str | None = Source,
    *,
    key: str | None = typer.Option(None, "--key", help="Lower-case letters, digits, underscores."),
    title: str | None = Title,
    where: str | None = Where,
    description: str | None = Description,
    purpose: str | None = Purpose,
    owner: str | None = Owner,
    author: str | None = Author,
    tags: list[str] | None = Tags,
    as_json: bool = Json,
) -> None:
    """Create a segment; its members are there at once."""
    from pipelines.segments import create_segment

    given = _given(title=title, where=where, description=description, purpose=purpose, owner=owner, author=author)
    content = {**_read(source), **given, **({"key": key} if key else {}), **({"tags": tags} if tags else {})}
    _saved(create_segment(load_settings(), content), as_json)


@app.command("update")
def update(
    key: str = Key,
    source: str | None = Source,
    *,
    title: str | None = Title,
    where: str | None = Where,
    description: str | None = Description,
    purpose: str | None = Purpose,
    owner: str | None = Owner,
    author: str | None = Author,
    tags: list[str] | None = Tags,
    if_version: int | None = IfVersion,
    as_json: bool = Json,
) -> None:
    """Change a segment of one's own: what is named changes, the rest stays."""
    from pipelines.segments import change_segment

    given = _given(title=title, where=where, description=description, purpose=purpose, owner=owner, author=author)
    content = {**_read(source), **given, **({"tags": tags} if tags else {})}
    if not content:
        raise InputError("Say what changes: a file, or options such as --where.")
    _saved(change_segment(load_settings(), key, content, expected=if_version), as_json)


@app.command("delete")
def delete(key: str = Key, if_version: int | None = IfVersion, as_json: bool = Json) -> None:
    """Delete a segment of one's own; everybody leaves it, its history stays."""
    from pipelines.segments import delete_segment

    moved = delete_segment(load_settings(), key, expected=if_version)
    if as_json:
        emit_json({"key": key, "deleted": True, "exited": moved.exited})
        return
    say(f"Segment {key} is deleted; {moved.exited:,} people left it.")


@app.command("preview")
def preview(
    definition: str = typer.Argument(..., help="A YAML or JSON file, a file with the text form, or the text form."),
    purpose: str | None = Purpose,
    as_json: bool = Json,
) -> None:
    """How many people a definition selects, whom it may reach, and what each condition removes."""
    from pipelines.segments import preview_segment

    found = preview_segment(load_settings(), {**_read(definition, text=True), **_given(purpose=purpose)})
    if as_json:
        emit_json(asdict(found))
        return
    _tell(found)


@app.command("members")
def members(
    key: str = Key,
    *,
    limit: int = typer.Option(100, min=1, max=1_000_000, help="At most so many."),
    as_of: str | None = typer.Option(None, "--as-of", help="Who was in then: 2025-12-31 or 2025-12-31T12:00:00Z."),
    exportable: bool | None = typer.Option(
        None, "--exportable/--held-back", help="Only those who may (not) be reached."
    ),
    details: bool = typer.Option(False, "--details", help="With since when, and whether they may be reached."),
    as_json: bool = Json,
) -> None:
    """Profile ids in a segment, now or at a moment of the past."""
    from pipelines.segments import list_members

    found = list_members(load_settings(), key, limit, as_of=_moment(as_of), exportable=exportable)
    if details:
        if as_json:
            emit_json(found)
        else:
            table(tuple(found[0]) if found else ("profile_id",), [tuple(member.values()) for member in found])
        return
    ids = [member["profile_id"] for member in found]
    if as_json:
        emit_json(ids)
        return
    if not ids:
        note("Nobody.")
    for one in ids:
        say(one)


@app.command("changes")
def changes(
    key: str = Key,
    cursor: int = typer.Option(0, min=0, help="Only what came after this place; the answer says the next one."),
    limit: int = typer.Option(1000, min=1, max=100_000, help="At most so many."),
    as_json: bool = Json,
) -> None:
    """Who came into a segment and who left it, in order."""
    from pipelines.segments import list_changes

    found, place = list_changes(load_settings(), key, cursor, limit)
    if as_json:
        emit_json({"changes": found, "cursor": place})
        return
    rows = [
        (c["at"].strftime("%Y-%m-%d %H:%M"), c["change"], c["profile_id"], c["reason"], c["former_id"]) for c in found
    ]
    table(("at", "change", "profile", "reason", "instead of"), rows)
    note(f"Go on with --cursor {place}")


@app.command("export")
def export(
    key: str = Key,
    *,
    file_format: str = typer.Option("csv", "--format", help="csv, ndjson or parquet."),
    out: Path = typer.Option(..., "--out", help="File to write."),
    fields: str | None = typer.Option(None, "--fields", help="Traits to write, with commas between them."),
    purpose: str | None = typer.Option(None, "--for", help="What it is exported for, when narrower than its purpose."),
    everybody: bool = typer.Option(False, "--everybody", help="Allow a segment that selects everybody."),
    as_json: bool = Json,
) -> None:
    """Write exactly the exportable members of a segment."""
    from pipelines.segments import export_segment

    def progress(rows: int, expected: int) -> None:
        note(f"{rows:,} of {expected:,} people written")

    chosen = tuple(one.strip() for one in fields.split(",")) if fields else None
    written = export_segment(
        load_settings(), key, file_format, out, fields=chosen, purpose=purpose, everybody=everybody, progress=progress
    )
    if as_json:
        emit_json({"path": out, **asdict(written)})
        return
    say(f"{written.rows:,} people written to {out}; {written.held_back:,} held back for want of consent.")


def _read(source: str | None, *, text: bool = False) -> dict[str, Any]:
    """The document in a file, on standard input, or (with `text`) in the argument itself."""
    from segments.document import content

    if source is None:
        return {}
    if source == "-":
        return content(typer.get_text_stream("stdin").read())
    path = Path(source)
    if text and ("\n" in source or len(source) > 250 or not path.exists()):
        if path.suffix.lower() in (".yaml", ".yml", ".json", ".txt"):
            raise InputError(f"There is no file {source}.")
        return content(source)
    try:
        return content(path.read_text(encoding="utf-8"), subject=f"The segment in {path.name}")
    except OSError as error:
        raise InputError(f"{source} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{source} is no text in UTF-8.") from None


def _given(**options: str | None) -> dict[str, str]:
    return {name: value for name, value in options.items() if value is not None}


def _moment(text: str | None) -> datetime | None:
    from segments import moments

    try:
        return None if text is None else moments.moment(text)
    except ValueError as error:
        raise InputError(f"--as-of: {error}.") from None


def _saved(saved: Saved, as_json: bool) -> None:
    row = saved.row
    if as_json:
        facts = {"key": row.key, "version": row.version, "changed": saved.changed, "sentence": row.sentence}
        emit_json({**facts, "size": row.size, "exportable": row.exportable, **vars(saved.moved)})
        return
    say(f"{row.title} ({row.key}) is at version {row.version}{'' if saved.changed else ', nothing changed'}.")
    say(row.sentence)
    moved = f"{saved.moved.entered:,} came, {saved.moved.exited:,} left"
    say(f"{counted(row.size, 'person', 'people')}, {row.exportable:,} may be reached; {moved}")


def _tell(found: Preview) -> None:
    say(found.sentence)
    say(f"{found.size:,} of {found.profiles:,} profiles ({found.share:.1%}); {found.exportable:,} may be exported")
    table(("channel", "reachable"), list(found.reachable.items()))
    say()
    parts = [(one.condition, one.alone, one.remaining, one.removed) for one in found.drop_off]
    table(("condition", "alone", "left", "removed"), parts)
    shared = [(one.key, one.size, one.both) for one in found.overlap if one.both]
    if shared:
        say()
        table(("also in", "its size", "both"), shared)
    if found.sample:
        say()
        table(tuple(found.sample[0]), [tuple(one.values()) for one in found.sample])
    for reason in found.blocking:
        say(f"Not for single profiles: {reason}")
    note(f"{found.rows_scanned:,} rows scanned in {found.seconds:.2f} s")


def _about(row: SegmentRow) -> list[tuple[str, str]]:
    """What people wrote beside the definition, as far as they did."""
    import json

    written = {**json.loads(row.definition), "description": row.description}
    written["tags"] = ", ".join(written.get("tags", []))
    return [(name, written[name]) for name in ("description", "owner", "author", "tags") if written.get(name)]


def _facts(found: Shown) -> dict[str, Any]:
    import json

    facts = {**vars(found.row), "definition": json.loads(found.row.definition)}
    return {**facts, "text": found.text, "versions": found.versions}


def _version(one: dict[str, Any]) -> tuple[Any, ...]:
    return one["version"], one["saved_by"], one["saved_at"].strftime("%Y-%m-%d %H:%M"), one["sentence"]


def _mark(row: Any) -> str:
    return "broken" if row.problem else "yours" if row.origin == "user" else ""
