"""Commands of the data engineer: run, status, profile, quarantine, preview, doctor."""

from __future__ import annotations

import signal
from pathlib import Path

import typer

from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings

Json = typer.Option(False, "--json", help="Print exactly one JSON document.")

quarantine = typer.Typer(help="Rows that could not be taken in.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's root commands."""
    app.command("run")(run)
    app.command("status")(status)
    app.command("profile")(profile)
    app.command("preview")(preview)
    app.command("doctor")(doctor)


def run(
    delivered: Path | None = typer.Option(None, "--from", help="Folder with the delivered files."),
    full_refresh: bool = typer.Option(False, "--full-refresh", help="Rebuild everything from raw."),
    renew_model: bool = typer.Option(
        False, "--renew-model", help="Train the matching model anew, with what people decided; ids stay."
    ),
    partial: bool = typer.Option(
        False, "--partial", help="Go on when a source's first delivery lacks some of its files."
    ),
    as_json: bool = Json,
) -> None:
    """Run the whole pipeline on a delivered folder; without one, on what has landed and on what people decided."""
    # Being stopped by a supervisor is told like being stopped by hand; Dagster does the same while it is at work.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    from pipelines.run import run_pipeline

    report = run_pipeline(
        load_settings(), delivered, full_refresh=full_refresh, renew_model=renew_model, partial=partial, progress=note
    )
    if as_json:
        emit_json({"changed": report.changed, "seconds": report.seconds, "steps": report.steps})
        return
    if not report.changed:
        say(f"Nothing new: what is served is up to date ({report.seconds:.1f} s).")
        return
    table(("step", "rows", "seconds", ""), [(s.step, s.rows, s.seconds, s.detail) for s in report.steps])
    say(f"Done in {report.seconds:.1f} s.")


def status(as_json: bool = Json) -> None:
    """What is in the warehouse and what is served."""
    from pipelines.status import read_status

    facts = read_status(load_settings())
    if as_json:
        emit_json(facts)
        return
    say(f"{facts['profiles']:,} profiles from {facts['source_records']:,} source records")
    if facts["running"]:
        say("A run is going; what follows is from before it, or not final.")
    if facts["raw"] is not None:
        counted = list(next(iter(facts["raw"].values())))
        table(("source", *counted), [(name, *counts.values()) for name, counts in facts["raw"].items()])
    say()
    table(("stage", "people"), list(facts["stages"].items()))
    if any(facts["requests"].values()):
        counted = facts["requests"]
        say(
            f"\nSubject requests: {sum(counted.values())} open, of which {counted['due_soon']} due soon and "
            f"{counted['overdue']} overdue; `cdp privacy list --open` shows them."
        )
    for item in facts["freshness"] or ():
        if item["stale"]:
            say(f"\n{item['source']} is stale: its newest record is {item['age_days']:,.0f} days old.")
    last = facts["last_run"]
    if last:
        say(f"\nLast publication {last['run_id']}, as of {last['as_of']}, served from {last['snapshot_file']}.")


def profile(
    profile_id: str | None = typer.Argument(None, help="A profile id."),
    identifier: str | None = typer.Option(None, "--identifier", help="TYPE:VALUE instead, for example email:a@b.org."),
    as_json: bool = Json,
) -> None:
    """Show one profile: who, which stage, what happened."""
    from pipelines.status import read_profile

    document = read_profile(load_settings(), profile_id, identifier)
    if as_json:
        emit_json(document)
        return
    for section, values in document.items():
        if isinstance(values, dict):
            say(f"{section}:")
            for name, value in values.items():
                parts = value.values() if isinstance(value, dict) else [value]
                if value is not None:
                    say(f"  {name:<22} {' '.join(str(part) for part in parts if part is not None)}")
        else:
            say(f"{section}: {values}")


def preview(
    environment: str = typer.Argument("dev", help="Name of the development environment."),
    as_json: bool = Json,
) -> None:
    """Plan the dbt project in a development environment beside production: what would change, and by how much."""
    from pipelines.preview_run import run_preview

    report = run_preview(load_settings(), environment, progress=note)
    if as_json:
        emit_json(report)
        return
    for line in report.lines():
        say(line)


def doctor(as_json: bool = Json) -> None:
    """Check this installation: packages that work together, state home, store, warehouse."""
    from pipelines.doctor import examine

    findings = examine(load_settings())
    if as_json:
        emit_json([{"check": f.check, "ok": f.ok, "message": f.message} for f in findings])
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.check}: {finding.message}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@quarantine.command("list")
def quarantine_list(as_json: bool = Json) -> None:
    """All rows in quarantine, with the reason."""
    from pipelines.status import read_quarantine

    rows = read_quarantine(load_settings())
    if as_json:
        emit_json(rows)
        return
    table(
        ("source", "entity", "record", "file", "line", "reason"),
        [(r["source"], r["entity"], r["record_id"], r["file"], r["line"], r["reason"]) for r in rows],
    )


@quarantine.command("replay")
def quarantine_replay(
    corrections: Path | None = typer.Option(None, "--corrections", help="File with corrected rows."),
    ids: list[str] = typer.Option([], "--id", help="Only these quarantine ids."),
    as_json: bool = Json,
) -> None:
    """Judge quarantined rows again, under today's mappings and contracts or with corrected values."""
    from pipelines.replay import replay_quarantine

    report = replay_quarantine(load_settings(), ids=ids or None, corrections=corrections)
    if as_json:
        emit_json(report)
        return
    say(f"{report.accepted} row(s) taken in, {report.remaining} remain; the next `cdp run` puts them to use.")
