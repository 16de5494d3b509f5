"""Commands on the packages of access and portability requests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say
from cdp.cli.privacy_requests import Name, operator
from cdp.cli.state import load_settings

NOTHING_HELD = "Nothing is held about this person."


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("package")(package)


def package(
    name: str = Name,
    out: Path = typer.Option(..., "--out", help="File to write, FILE.zip; it must not be there yet."),
    as_json: bool = Json,
) -> None:
    """Write the package of a completed access or portability request as a ZIP for the person; audited as a read."""
    from pipelines.packaging import making

    record = making.told(making.write(load_settings(), name, out, actor=operator()))
    if as_json:
        emit_json({**record, "file": str(out)})
        return
    say(
        f"{out.name}: {record['rows']:,} rows of {record['tables']} tables. It is not encrypted; hand it to the person."
    )


def answer(record: dict[str, Any]) -> str:
    """What a carried out request gave, in a sentence."""
    if record["nothing_held"]:
        return NOTHING_HELD
    kept = f"{record['rows']:,} rows of {record['tables']} tables, kept encrypted until {record['expires_at'][:10]}"
    left = f" {record['doubtful']} doubtful record(s) are not in it." if record["doubtful"] else ""
    return f"{kept}: `cdp privacy package {record['request']} --out FILE.zip` writes it.{left}"
