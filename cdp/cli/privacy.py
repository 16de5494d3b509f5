"""Commands of the privacy officer."""

from __future__ import annotations

from enum import StrEnum

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say
from cdp.cli.state import load_settings
from cdp.errors import CheckFailed

app = typer.Typer(help="Personal data: where it is, and what becomes of it.", no_args_is_help=True)


class InventoryFormat(StrEnum):
    """How the inventory is printed."""

    MD = "md"
    CSV = "csv"
    JSON = "json"


@app.command("inventory")
def inventory(
    file_format: InventoryFormat = typer.Option(InventoryFormat.MD, "--format", help="md, csv or json."),
    check: bool = typer.Option(False, "--check", help="Say what this state home holds that nobody declared."),
    as_json: bool = Json,
) -> None:
    """Records of processing (Art. 30): every column and file class with category, purpose, legal basis, retention."""
    from pipelines.inventory import find_gaps, read_inventory
    from privacy.inventory import processing

    settings = load_settings()
    if check:
        found = find_gaps(settings)
        if as_json or file_format is InventoryFormat.JSON:
            emit_json({"gaps": found})
        elif not found:
            say("Everything in this state home is declared.")
        if found:
            more = f" and {len(found) - 3} more" if len(found) > 3 else ""
            raise CheckFailed(f"{len(found)} gap(s) in the inventory: {' '.join(found[:3])}{more}")
        return
    declared = read_inventory(settings)
    if as_json or file_format is InventoryFormat.JSON:
        emit_json(processing.to_json(declared))
    elif file_format is InventoryFormat.CSV:
        say(processing.to_csv(declared).rstrip())
    else:
        say(processing.to_markdown(declared).rstrip())
