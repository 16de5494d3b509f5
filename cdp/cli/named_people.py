"""A file that names many people for one command: a person a line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer

from cdp.errors import InputError

People = typer.Option(None, "--people", help="File with one person a line: identifiers with blanks between.")


def read_people(path: Path, identifiers: Sequence[str] = ()) -> list[list[str]]:
    """The identifiers of each person; blank lines are passed over.

    InputError for a file that cannot be read, for a line with what is no identifier, with its number, and when people
    are named on the command line too.
    """
    from pipelines.erasing.freezing import parse

    if identifiers:
        raise InputError("Name people either with --identifier or with --people, not both.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise InputError(f"{path.name} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path.name} is no text in UTF-8.") from None
    for number, line in enumerate(lines, start=1):
        for text in line.split():
            try:
                parse(text)
            except InputError as error:
                raise InputError(f"{path.name}, line {number}: {error.message}") from None
    return [line.split() for line in lines if line.strip()]
