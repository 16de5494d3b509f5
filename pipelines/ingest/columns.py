"""Whether a file has the columns its entity needs, found out before any of its records is judged.

A table export (CSV, Parquet) has a header, so a missing column is told even when it is optional, if another one looks
like it: a renamed column must not turn into empty values. In JSON lines empty fields may be left out, so a column
counts as there when some record has it.
"""

from __future__ import annotations

import difflib
import re

from cdp.errors import InputError
from pipelines.sources.entity import Entity
from pipelines.sources.mapping import EntityMapping


def check_columns(entity: Entity, mapping: EntityMapping, file: str, present: list[str], *, header: bool) -> None:
    """Raises InputError naming file (and mapping file), column, and the columns that look like it or exist.

    A first line that resembles no column at all is taken for a record, whose values are nobody's business.
    """
    if header and not _is_header(entity, mapping, present):
        wanted = ", ".join(mapping.theirs(name) or name for name in entity.required)
        raise InputError(
            f"The first line of {file} names no column of {entity.entity} of {entity.source} ({wanted}, …); add the"
            " header, or name your columns in a mapping file."
        )
    for column in entity.columns:
        theirs = mapping.theirs(column.name)
        if theirs is None or _has(present, theirs):
            continue
        if column.name in mapping.renamed:
            if header or column.required:
                raise InputError(
                    f"Mapping file {mapping.origin}, entity {entity.entity}: column {theirs!r} (for {column.name}) is"
                    f" not in {file}, which has {shown(present)}."
                )
            continue
        spare = [name for name in present if name not in entity.column_names and name not in mapping.renamed.values()]
        near = _looks_like(theirs, spare, loose=header)
        if near is not None:
            raise InputError(
                f"{file} has no column {theirs!r}, but {near!r} looks like it; rename it or map it in a mapping file"
                f" (entity {entity.entity} of {entity.source})."
            )
        if column.required:
            raise InputError(
                f"{file} has no column {theirs!r}; it has {shown(present)}. Rename one or name yours in a mapping"
                f" file (entity {entity.entity} of {entity.source})."
            )


def shown(names: list[str]) -> str:
    """Column names for a message: at most thirty, each cut short, nothing unprintable."""
    parts = ["".join(mark for mark in name if mark.isprintable())[:40] for name in names[:30]]
    return ", ".join(parts) + (", …" if len(names) > 30 else "")


def _is_header(entity: Entity, mapping: EntityMapping, present: list[str]) -> bool:
    wanted = {_plain(theirs) for name in entity.column_names if (theirs := mapping.theirs(name))}
    return any(_plain(name) in wanted for name in present) or any(
        _has(present, theirs) for name in entity.column_names if (theirs := mapping.theirs(name))
    )


def _has(present: list[str], theirs: str) -> bool:
    return theirs in present or theirs.split(".", maxsplit=1)[0] in present


def _looks_like(wanted: str, spare: list[str], *, loose: bool) -> str | None:
    plain = {_plain(name): name for name in reversed(spare)}
    target = _plain(wanted)
    if target in plain:
        return plain[target]
    if not loose:
        return None
    reordered = [name for name in spare if _words(name) == _words(wanted)]
    contained = [name for key, name in plain.items() if _contains(target, key) or _contains(key, target)]
    close = [plain[key] for key in difflib.get_close_matches(target, plain, n=1, cutoff=0.75)]
    return next(iter([*reordered, *close, *contained]), None)


def _contains(whole: str, part: str) -> bool:
    return len(part) >= 4 and part in whole


def _words(name: str) -> frozenset[str]:
    return frozenset(re.findall(r"[a-z0-9]+", name.lower())) - {"of", "the"}


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
