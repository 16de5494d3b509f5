"""Commands about who is who."""

from __future__ import annotations

from pathlib import Path

import typer

from cdp.cli import people
from cdp.cli.data import Json
from cdp.cli.identity_quality import show_agreement, show_models, show_quality, show_scores
from cdp.cli.output import emit_json, note, say
from cdp.cli.state import load_settings
from cdp.wording import counted

app = typer.Typer(help="Which source records are one person.", no_args_is_help=True)
people.register(app)


@app.command("evaluate")
def evaluate(
    truth: Path | None = typer.Option(None, "--truth", help="CSV with source, source_record_id, person_id."),
    as_json: bool = Json,
) -> None:
    """Measure the identity map against known truth, or its plausibility without."""
    from pipelines.status import evaluate_identity

    result = evaluate_identity(load_settings(), truth)
    if as_json:
        emit_json(result)
        return
    show = show_scores if truth else show_quality
    show(result)
    show_agreement(result["decisions"])


@app.command("models")
def models(as_json: bool = Json) -> None:
    """The matching models kept, and how the one in force drifted; `cdp run --renew-model` makes a new one."""
    from pipelines.status import identity_models

    found = identity_models(load_settings())
    if as_json:
        emit_json(found)
        return
    show_models(found)


@app.command("resolve")
def resolve(
    records: Path = typer.Option(..., "--records", help="CSV or Parquet file with one person record a row."),
    mapping: Path = typer.Option(..., "--mapping", help="YAML file that says what the columns mean."),
    out: Path = typer.Option(..., "--out", help="CSV file to write: record_id, profile_id, confidence."),
    truth: str | None = typer.Option(None, "--truth", help="Column with the true person, to evaluate."),
    as_json: bool = Json,
) -> None:
    """Resolve any table of people, without the pipeline."""
    from dataclasses import asdict

    from identity.resolve import resolve_table

    settings = load_settings()
    report = resolve_table(
        records,
        mapping,
        out,
        truth,
        progress=note,
        threads=settings.threads,
        memory_limit=settings.memory_limit,
    )
    if as_json:
        emit_json(report.evaluation or asdict(report))
        return
    say(f"{counted(report.profiles, 'person', 'people')} in {counted(report.records, 'record')}, written to {out}")
    alone = counted(report.provisional, "record rests", "records rest")
    say(f"{alone} on a name alone; {counted(report.refusals, 'join was', 'joins were')} refused")
