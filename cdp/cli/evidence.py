"""Commands about where journeys break, what touchpoints and experiments do, and how people feel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import typer

from cdp.cli.data import Json
from cdp.cli.output import emit_json, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError

if TYPE_CHECKING:
    from journeys.measures import Effect, Measure

SEGMENT = typer.Option(None, "--segment", help="Only people of this segment.")


def register(journey: typer.Typer) -> None:
    """Add this module's commands to `cdp journey`."""
    for name, command in (
        ("breaks", breaks), ("touchpoints", touchpoints), ("experiments", experiments), ("holdout", holdout),
        ("feeling", feeling), ("plan", plan),
    ):  # fmt: skip
        journey.command(name)(command)


def breaks(segment_key: str | None = SEGMENT, as_json: bool = Json) -> None:
    """Where the path loses people: drop-off per stage and step, bottlenecks, acquisition, loops."""
    from pipelines.evidence import find_breaks

    found = find_breaks(load_settings(), segment_key)
    if as_json:
        emit_json(found.to_json())
        return
    rows = [(d.stage, f"{d.reached.value:,.0f}", _share(d.stopped), f"{d.days}") for d in found.drop_off]
    table(("stage", "people", "got no further", "within days"), rows)
    worst = sorted(found.steps, key=lambda step: step.stopped.value or 0.0, reverse=True)[:10]
    steps = [(s.stage, s.step, f"{s.stays.value:,.0f}", _share(s.stopped)) for s in worst]
    table(("stage", "step", "stays", "last before leaving"), steps)
    for row in found.bottlenecks:
        if row.is_bottleneck:
            say(f"bottleneck: {row.stage}; {_share(row.onward)} of its stays go forward")
    loops = [
        (f"{one.from_stage} → {one.to_stage}", f"{one.people.value:,.0f}", _share(one.went_on)) for one in found.loops
    ]
    table(("loop", "people", "got beyond it later"), loops)
    stuck = [(a.source, a.channel, f"{a.people.value:,.0f}", _share(a.stuck)) for a in found.acquisition]
    table(("source", "first channel", "newcomers", "got nowhere"), stuck)


def touchpoints(
    segment_key: str | None = SEGMENT,
    window: int = typer.Option(30, "--window", help="Days in which a stay must go forward after the touchpoint."),
    as_json: bool = Json,
) -> None:
    """What each type of touchpoint does: reach, place, cost, conversion with it and at the same time without it."""
    from pipelines.evidence import measure_touchpoints

    found = measure_touchpoints(load_settings(), segment_key, days=window)
    if as_json:
        emit_json(found.to_json())
        return
    rows = [
        (kind.type, cell.stage, _share(kind.reach), _share(cell.conversion), _effect(cell.difference))
        for kind in found.types
        for cell in kind.stages
        if cell.difference is not None
    ]
    table(("touchpoint", "stage", "reach", "go forward", "than without it"), rows)


def experiments(
    segment_key: str | None = SEGMENT,
    by: str | None = typer.Option(None, "--by", help="stage, first_channel, customer or quarter, at assignment."),
    as_json: bool = Json,
) -> None:
    """Uplift of randomised experiments, with intervals."""
    from pipelines.evidence import measure_experiments

    found = measure_experiments(load_settings(), segment_key, by=by)
    if as_json:
        emit_json(found.to_json())
        return
    for result in found.results:
        part = f"{result.details['part']}: " if by else ""
        say(f"{part}{result.sentence or result.reason}  [{result.basis}]")
    if found.note:
        say(found.note)


def holdout(
    key: str = typer.Argument(..., help="The holdout's key, as in the segment condition sample('KEY', 5%)."),
    share: float = typer.Option(..., "--share", help="Percent of people who are held out."),
    since: str = typer.Option(..., "--since", help="When what they are spared began, as 2025-03-01."),
    days: int = typer.Option(90, "--days", help="Days in which purchases count."),
    as_json: bool = Json,
) -> None:
    """What people who were not held out bought more."""
    from pipelines.evidence import measure_holdout

    found = measure_holdout(load_settings(), key, share=share / 100, since=_moment(since), days=days)
    if as_json:
        emit_json(found.to_json())
        return
    say(found.sentence or found.reason or "")


def feeling(segment_key: str | None = SEGMENT, as_json: bool = Json) -> None:
    """How people feel in each stage, from ratings first and text second, and how much of it is backed by data."""
    from pipelines.evidence import measure_feeling

    found = measure_feeling(load_settings(), segment_key)
    if as_json:
        emit_json(found.to_json())
        return
    rows = [
        (
            c.stage, "–" if c.score.value is None else f"{c.score.value:+.2f}", c.score.n, c.rated, c.from_text,
            c.no_verdict, "–" if c.backed is None else f"{c.backed:.0%}",
        )
        for c in found.cells
    ]  # fmt: skip
    table(("stage", "score", "n", "rated", "from text", "no verdict", "backed"), rows)
    speaks = ", ".join(found.model.speaks) or found.model.reason or "no language surely enough"
    say(f"beside English, texts are read in: {speaks}")


def plan(
    key: str = typer.Argument(..., help="The intervention's key; `cdp journey interventions --json` shows them."),
    investment: str | None = typer.Option(None, help="What it takes, in your words."),
    difficulty: int | None = typer.Option(None, help="1 easy, 2, 3 hard."),
    period_days: int | None = typer.Option(None, "--period-days", help="Days until it works."),
    as_json: bool = Json,
) -> None:
    """Fill in what an intervention takes; it is kept and changes the order."""
    from pipelines.evidence import edit_intervention

    given = {"investment": investment, "difficulty": difficulty, "period_days": period_days}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError("Nothing to keep: give --investment, --difficulty or --period-days.")
    entry = edit_intervention(load_settings(), key, changes)
    if as_json:
        emit_json(entry.to_json())
        return
    say(f"{entry.key}: investment {entry.investment}, difficulty {entry.difficulty}, period {entry.period_days} days")


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no date: write it as 2025-03-01.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _share(measure: Measure) -> str:
    return "–" if measure.value is None else f"{100 * measure.value:.0f} %"


def _effect(effect: Effect | None) -> str:
    if effect is None:
        return "–"
    return f"{100 * effect.value:+.0f} points ({100 * effect.low:+.0f} to {100 * effect.high:+.0f})"
