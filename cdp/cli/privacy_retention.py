"""The command about rules of retention: what they would take out, and letting one take out a lot."""

from __future__ import annotations

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.privacy_requests import operator
from cdp.cli.state import load_settings


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command("retention")(retention)


def retention(
    dry_run: bool = typer.Option(True, "--dry-run", help="Show only; it is runs that carry rules out."),
    allow_many: list[str] = typer.Option(
        [], "--allow-many", metavar="RULE", help="Let this rule take out a large share in the next run; repeatable."
    ),
    as_json: bool = Json,
) -> None:
    """What each rule of retention would take out now: yours, and those of files. Runs do it, with a receipt."""
    from pipelines.retaining import due

    settings = load_settings()
    allowed = due.allow(settings, allow_many, operator()) if allow_many else []
    found = due.show(settings)
    if as_json:
        emit_json(found)
        return
    for name in allowed:
        say(f"The next run may carry out {name}, however much it takes out.")
    table(
        ("rule", "of", "older than", "rows", "go", "in quarantine", "held", "waits"),
        [
            (one["rule"], one["of"], one["older_than"], one["there"], one["goes"], one["quarantined"], one["held"],
             "for --allow-many" if one["waits_to_be_allowed"] else "")
            for one in found
        ],
    )  # fmt: skip
