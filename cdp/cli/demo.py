"""Commands of the demo world: synthetic people with known truth."""

from __future__ import annotations

from pathlib import Path

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings

app = typer.Typer(help="Synthetic people with known truth.", no_args_is_help=True)


@app.command("generate")
def generate(
    scenario: str = typer.Option("small", help="small, medium, large, null or a YAML file."),
    people: int | None = typer.Option(None, min=1, help="How many people, instead of the scenario's number."),
    seed: int = typer.Option(1, help="Same seed, same bytes."),
    out: Path = typer.Option(..., "--out", help="Folder to write."),
    as_json: bool = Json,
) -> None:
    """Write the five sources of a synthetic world, with the truth beside them."""
    from demo.generate import generate as write_world

    report = write_world(scenario, seed=seed, out=out, people=people, progress=note)
    if as_json:
        emit_json(report)
        return
    table(("kind", "rows"), list(report.counts.items()))
    say(f"Written to {out} in {report.seconds:.1f} s.")


@app.command("run")
def run(
    scenario: str = typer.Option("small", help="Which world."),
    seed: int = typer.Option(1, help="Same seed, same world."),
) -> None:
    """Generate the demo world, run the whole pipeline on it and say what it found."""
    from pipelines.demonstration import demonstrate

    for line in demonstrate(load_settings(), scenario=scenario, seed=seed, progress=note):
        say(line)
