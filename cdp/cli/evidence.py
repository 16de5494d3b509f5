"""Commands about what the data shows and what to do: breaks, touchpoints, experiments, feeling, findings, actions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from cdp.cli import journey_options as options
from cdp.cli import journey_tables as tables
from cdp.cli.data import Json
from cdp.cli.journeys import ask, tell_written
from cdp.cli.output import emit_json, note, say, table
from cdp.cli.state import load_settings
from cdp.errors import InputError
from cdp.wording import counted

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.measures import Effect, Measure
    from journeys.questions import Question


def register(journey: typer.Typer) -> None:
    """Add this module's commands to `cdp journey`."""
    for name, command in (
        ("breaks", breaks), ("touchpoints", touchpoints), ("experiments", experiments), ("holdout", holdout),
        ("feeling", feeling), ("findings", findings), ("interventions", interventions), ("plan", plan),
    ):  # fmt: skip
        journey.command(name)(command)


@options.about()
def breaks(*, asked: options.Asked, as_json: bool = Json) -> None:
    """Where the path loses people: drop-off per stage and step, bottlenecks, acquisition, loops."""
    from journeys import evidence

    tell(evidence.breaks(), asked, as_json, _show_breaks)


def _show_breaks(found: Any) -> None:
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


@options.about()
def touchpoints(
    *,
    asked: options.Asked,
    window: int = typer.Option(30, "--window", help="Days in which a stay must go forward after the touchpoint."),
    as_json: bool = Json,
) -> None:
    """What each type of touchpoint does: reach, place, cost, conversion with it and at the same time without it."""
    from journeys import evidence
    from journeys.touchpoints import costs

    question = evidence.touchpoints(days=window, costs=load_settings().home / costs.FILE)
    tell(question, asked, as_json, _show_touchpoints)


def _show_touchpoints(found: Any) -> None:
    table(
        ("touchpoint", "people", "of people", "of journeys", "place", "cost"),
        [
            (
                kind.type, f"{kind.reach.value * kind.reach.n:,.0f}" if kind.reach.value is not None else "–",
                _share(kind.reach), _share(kind.journeys),
                "–" if kind.position.value is None else f"{kind.position.value:g}",
                f"{kind.cost.total:,.2f} {kind.cost.currency}" if kind.cost else "–",
            )
            for kind in found.types
        ],
    )  # fmt: skip
    rows = [
        (
            kind.type, cell.stage, _share(cell.conversion), _effect(cell.difference),
            f"{cell.difference.n_exposed:,} / {cell.difference.n_compared:,}",
        )
        for kind in found.types
        for cell in kind.stages
        if cell.difference is not None
    ]  # fmt: skip
    say()
    table(("touchpoint", "stage", f"go forward in {found.window_days} d", "than without it", "n with / without"), rows)


@options.about()
def experiments(
    *,
    asked: options.Asked,
    by: str | None = typer.Option(None, "--by", help="stage, first_channel, customer or quarter, at assignment."),
    as_json: bool = Json,
) -> None:
    """Uplift of randomised experiments, with intervals."""
    from journeys import evidence

    def show(found: Any) -> None:
        for result in found.results:
            part = f"{result.details['part']}: " if by else ""
            named = f"{result.subject}: " if result.reason else ""
            say(f"{part}{named}{result.sentence or result.reason}  [{result.basis}]")
        if found.note:
            say(found.note)

    tell(evidence.experiments(by=by), asked, as_json, show)


@options.about(people=True)
def holdout(
    *,
    asked: options.Asked,
    key: str = typer.Argument(..., help="The holdout's key, as in the segment condition sample('KEY', 5%)."),
    share: float = typer.Option(..., "--share", help="Percent of people who are held out."),
    since: str | None = typer.Option(None, "--since", help="When what they are spared began, as 2025-03-01."),
    days: int = typer.Option(90, "--days", help="Days in which purchases count."),
    as_json: bool = Json,
) -> None:
    """Draw a holdout (--node held_out --segment-out FILE), or say what people who were not held out bought more."""
    from journeys import evidence
    from pipelines.segments import segments_drawing

    def show(found: Any) -> None:
        verb = "is" if found.held_out.value == 1 else "are"
        among = counted(found.held_out.n, "person", "people")
        say(f"{found.held_out.value:,.0f} of {among} {verb} held out by {found.condition}")
        say(found.sentence or found.reason or "")

    began = _moment(since) if since else None
    tell(evidence.holdout(key=key, percent=share, since=began, days=days), asked, as_json, show)
    if not segments_drawing(load_settings(), key):
        # Every key draws some people, so a mistyped one would pass for the holdout that was meant.
        note(f"No segment uses the key `{key}` in a sample condition yet; a mistyped key draws other people.")


@options.about()
def feeling(*, asked: options.Asked, as_json: bool = Json) -> None:
    """How people feel in each stage, from ratings first and text second, and how much of it is backed by data."""
    from journeys import evidence

    tell(evidence.feeling(), asked, as_json, _show_feeling)


def _show_feeling(found: Any) -> None:
    rows = [
        (
            c.stage, _share(c.good), "–" if c.score.value is None else f"{c.score.value:+.2f}", c.score.n, c.rated,
            c.from_text, c.no_verdict, "–" if c.backed is None else f"{c.backed:.0%}",
        )
        for c in found.cells
    ]  # fmt: skip
    table(("stage", "good", "score", "n", "rated", "from text", "no verdict", "backed"), rows)
    speaks = ", ".join(found.model.speaks) or found.model.reason or "no language surely enough"
    say(f"beside English, texts are read in: {speaks}")


@options.about()
def findings(*, asked: options.Asked, as_json: bool = Json) -> None:
    """After what customers defect, and what experiments proved; with intervals and correction for many tests."""
    from journeys import evidence

    def show(found: Any) -> None:
        for finding in found.findings:
            say(f"{finding.sentence}  [{finding.basis}]")
        if not found.findings:
            say(f"Nothing passed: {found.tested} hypotheses were tested.")

    tell(evidence.findings(), asked, as_json, show)


@options.about(people=True)
def interventions(
    *, asked: options.Asked, lang: str = typer.Option("en", "--lang", help="en or zh."), as_json: bool = Json
) -> None:
    """What to change first, for how many people, and what it is worth at most; --node KEY writes whom to begin with."""
    from journeys import evidence
    from pipelines.evidence import write_audience
    from pipelines.journeys import answer

    settings = load_settings()
    if asked.people is not None:
        key, out = asked.people
        tell_written(write_audience(settings, key, asked.audience, out), as_json=as_json)
        return
    found = evidence.ranked(
        answer(settings, evidence.findings(), asked.audience, asked.compare),
        lang=lang,
        edits=settings.home / "interventions.yaml",
    )
    if as_json:
        emit_json(evidence.flat(found))
        return
    for side in tables.sides(found):
        table(
            ("key", "what to change", "stage", "people", "at stake", "basis", "status"),
            [
                (i.key, i.title, i.stage, i.people, _stake(i.worth), i.basis, i.status)
                for i in side.result.interventions
            ],
        )
    say("People are those it happened to; `--node KEY --segment-out FILE` writes whom to begin with today.")


def plan(
    *,
    key: str = typer.Argument(..., help="The intervention's key; `cdp journey interventions` shows them."),
    investment: str | None = typer.Option(None, help="What it takes, in your words."),
    difficulty: int | None = typer.Option(None, help="1 easy, 2, 3 hard."),
    period_days: int | None = typer.Option(None, "--period-days", help="Days until it works."),
    status: str | None = typer.Option(None, help="open, planned, running, done or dropped."),
    as_json: bool = Json,
) -> None:
    """Fill in what an intervention takes; it is kept and changes the order."""
    from pipelines.evidence import edit_intervention

    given = {"investment": investment, "difficulty": difficulty, "period_days": period_days, "status": status}
    changes = {name: value for name, value in given.items() if value is not None}
    if not changes:
        raise InputError("Nothing to keep: give --investment, --difficulty, --period-days or --status.")
    entry = edit_intervention(load_settings(), key, changes)
    if as_json:
        emit_json(entry.to_json())
        return
    say(
        f"{entry.key}: investment {entry.investment}, difficulty {entry.difficulty}, period {entry.period_days} days, "
        f"{entry.status}"
    )


def tell(question: Question[Any], asked: options.Asked, as_json: bool, show: Any) -> None:
    """Ask and tell: one flat document, or each side in tables."""
    from journeys.evidence import flat

    def both(found: Answer[Any]) -> None:
        for side in tables.sides(found):
            show(side.result)

    ask(question, asked, as_json, both, flat)


def _moment(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(f"{text!r} is no date: write it as 2025-03-01.") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _share(measure: Measure) -> str:
    return "–" if measure.value is None else f"{100 * measure.value:.0f} %"


def _stake(worth: Measure) -> str:
    if worth.value is None:
        return "not measured"
    return f"up to {worth.value:,.0f} ({worth.low or 0:,.0f} to {worth.high or 0:,.0f})"


def _effect(effect: Effect | None) -> str:
    if effect is None:
        return "–"
    return f"{100 * effect.value:+.0f} points ({100 * effect.low:+.0f} to {100 * effect.high:+.0f})"
