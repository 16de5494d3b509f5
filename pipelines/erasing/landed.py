"""What of a landed file is about erased people, told by what is known of its lines instead of reading them all again.

Each line of a loaded file of JSON lines is in raw or in quarantine under its number, unless it said the same as an
earlier one. What the key tables say of those rows holds for their lines, so only the others are looked at as records.
Lines keep their numbers for good: what went before has left them blank. Files of other forms, those that wait to be
loaded and deliveries in the inbox are read as records throughout.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cdp.errors import InputError
from pipelines.ingest.encoding import open_text
from pipelines.ingest.rewriting import Layout
from pipelines.ingest.screening import Found, Screen
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping
from pipelines.sources.registry import format_of

if TYPE_CHECKING:
    import duckdb

# Where more of the lines than this are repeated ones, the whole file is read instead.
MOST_UNKNOWN = 0.5


class Landed:
    """Looks at files through a warehouse attached as `old`, whose key tables are filled; `scratch` is a folder."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, screen: Screen, landing: Path, scratch: Path) -> None:
        self._connection = connection
        self._screen = screen
        self._landing = landing
        self._scratch = scratch

    def concerns(self, entity: Entity) -> bool:
        """As `Screen.concerns`."""
        return self._screen.concerns(entity)

    def look(self, entity: Entity, mapping: EntityMapping, path: Path, file: str) -> Found:
        """As `Screen.look`."""
        plain = (mapping.format or format_of(file)) == "jsonl" and entity.person.separator is None
        lines = self._lines(entity, path) if plain and path.is_relative_to(self._landing) else {}
        if not lines:
            return self._screen.look(entity, mapping, path, file)
        unknown = _unknown(path, file, mapping.encoding, lines)
        among = self._among(entity, mapping, unknown) if unknown is not None else None
        if among is None:
            return self._screen.look(entity, mapping, path, file)
        found = Found(Layout("jsonl", mapping.encoding))
        found.changes.gone = dict.fromkeys([*(line for line, goes in lines.items() if goes), *among], 1)
        found.rows[0] = found.gone
        return found

    def _lines(self, entity: Entity, path: Path) -> dict[int, bool]:
        """The lines of a loaded file that are in raw or quarantine, and whether they go."""
        landed = path.relative_to(self._landing).as_posix()
        batches = self._connection.execute(
            "select batch_seq from old.ops.batches where landed_path = ? and kind = 'file'", [landed]
        ).fetchall()
        if not batches:
            return {}
        # As numbers in the text, so that blocks of other batches are not read.
        within = f"batch_seq in ({', '.join(str(batch) for (batch,) in batches)})"
        rows = self._connection.execute(
            f"""
            with here as (
                select line, rowid in (select row_no from erase_rows where name = '{entity.table}') as goes
                from old.{entity.table} where {within}
                union all
                select line, rowid in (select row_no from erase_rows where name = 'quarantine.rows')
                from old.quarantine.rows
                where source = '{entity.source}' and entity = '{entity.entity}' and {within}
            )
            select line, bool_or(goes) from here group by line
            """
        ).fetchall()
        return dict(rows)

    def _among(self, entity: Entity, mapping: EntityMapping, unknown: dict[int, str]) -> list[int] | None:
        """Which of these lines are about the erased, looked at as a file of their own; None when they cannot be one."""
        if not unknown:
            return []
        numbers = list(unknown)
        part = self._scratch / "unknown-lines.jsonl"
        try:
            part.write_text("".join(unknown.values()), encoding="utf-8", newline="")
            found = self._screen.look(entity, mapping, part, part.name)
        except InputError:
            return None
        finally:
            part.unlink(missing_ok=True)
        return [numbers[line - 1] for line in found.changes.gone]


def _unknown(path: Path, file: str, encoding: str | None, lines: dict[int, bool]) -> dict[int, str] | None:
    """The other lines with their text; None when they are many, or not to be taken out of the file they are in."""
    unknown: dict[int, str] = {}
    number = 0
    with open_text(path, file, encoding=encoding, newline="\n", may_be_blank=True) as text:
        if not text.encoding.startswith("utf-8"):
            return None
        for number, line in enumerate(text.lines, start=1):
            if number not in lines and not line.isspace():
                unknown[number] = line if line.endswith("\n") else line + "\n"
    # Bytes that are no UTF-8 may be another encoding, which only the whole file tells.
    readable = all(_is_text(line) for line in unknown.values())
    return unknown if readable and len(unknown) <= MOST_UNKNOWN * number else None


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True
