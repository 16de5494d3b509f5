"""Commands about the audit log: who did what, who saw whom, and whether the log is what it was."""

from __future__ import annotations

from pathlib import Path

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from cdp.errors import CheckFailed

app = typer.Typer(help="Who did what and who saw whom, in a log that cannot be changed unseen.", no_args_is_help=True)

Since = typer.Option(None, "--since", help="From then on: a date or a time with zone.")
Until = typer.Option(None, "--until", help="Before then: a date or a time with zone.")


@app.command("list")
def list_entries(
    action: str | None = typer.Option(None, "--action", help="Only this action, such as profile.read."),
    object: str | None = typer.Option(None, "--object", help="Only this object, such as a profile id or a segment."),
    after: int = typer.Option(0, "--after", min=0, help="Go on after this number."),
    limit: int = typer.Option(100, "--limit", min=1, help="How many."),
    as_json: bool = Json,
) -> None:
    """Entries of the log, oldest first."""
    from pipelines import auditing

    rows = auditing.rows(load_settings(), action=action, object=object, after=after, limit=limit)
    if as_json:
        emit_json([{"seq": row.seq, **vars(row.entry), "hash": row.hash} for row in rows])
        return
    table(
        ("number", "when", "who", "what", "about"),
        [
            (row.seq, f"{row.entry.at:%Y-%m-%d %H:%M:%S}", row.entry.actor, row.entry.action, row.entry.object)
            for row in rows
        ],
    )


@app.command("seen")
def seen(
    profile: str = typer.Argument(..., help="A profile id."),
    since: str | None = Since,
    until: str | None = Until,
    limit: int = typer.Option(1000, "--limit", min=1, help="How many."),
    as_json: bool = Json,
) -> None:
    """Who saw a person's profile: itself, in a list or an export, also under ids that it had before."""
    from pipelines import auditing
    from segments.moments import asked

    found = auditing.seen(
        load_settings(), profile, since=asked(since, "--since"), until=asked(until, "--until"), limit=limit
    )
    if as_json:
        emit_json([vars(one) for one in found])
        return
    if not found:
        say("Nobody saw this profile in that time.")
        return
    shown = {True: "in the clear", False: "masked", None: ""}
    table(
        ("when", "who", "what", "about", "how", "values"),
        [
            (f"{one.at:%Y-%m-%d %H:%M:%S}", one.actor, one.action, one.object, one.how, shown[one.personal])
            for one in found
        ],
    )


@app.command("checkpoint")
def checkpoint(as_json: bool = Json) -> None:
    """Sign where the log ends now, in the privacy folder; runs and the server do it by themselves."""
    from pipelines import auditing

    written = auditing.checkpoint(load_settings())
    if as_json:
        emit_json({"written": written})
        return
    say("Signed." if written else "Nothing was added since the last checkpoint.")


@app.command("verify")
def verify(
    copy: Path | None = typer.Option(None, "--copy", help="A copy of audit-checkpoints.jsonl, kept elsewhere."),
    public_key: Path | None = typer.Option(None, "--public-key", help="The key that signs, as it was kept elsewhere."),
    as_json: bool = Json,
) -> None:
    """Whether the log holds: its chain, and every place that was signed. Exit code 1 when it does not."""
    from pipelines import auditing

    problems = auditing.verify(load_settings(), public_key=public_key, copy=copy)
    if as_json:
        emit_json({"holds": not problems, "problems": problems})
    elif not problems:
        say("The audit log holds.")
    if problems:
        raise CheckFailed(" ".join(problems))
