"""Answers about journeys as tables on a terminal. Nothing is computed here but shares of what is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cdp.cli.output import say, table

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.measures import Measure

_UNITS = ((1.0, "s", 120.0), (60.0, "min", 7_200.0), (3_600.0, "h", 172_800.0), (86_400.0, "d", float("inf")))
_ARROWS = {"forward": "→", "back": "←", "same": "↻", "lapse": "⇣", "restart": "⇡", None: " "}


def funnel(found: Answer[Any]) -> None:
    """Steps with conversion, drop-off and time; the same by group."""
    for side in sides(found):
        result = side.result
        _steps(result.steps)
        struck = f"; {_count(result.excluded)} excluded" if result.excluded.value else ""
        say(f"{_interval(result.conversion)} get to the last step, in {_time(result.median_seconds)}{struck}")
        for name, steps in result.groups.items():
            say(f"\n{name}")
            _steps(steps)


def _steps(steps: tuple[Any, ...]) -> None:
    table(
        ("step", "", "reached", "of first", "of step before", "dropped", "median time", "node"),
        [
            (
                number,
                step.name,
                int(step.units.value or 0),
                _interval(step.of_first),
                _interval(step.of_previous) if number > 1 else None,
                int(step.dropped.value or 0) if number > 1 else None,
                _time(step.median_seconds) if number > 1 else None,
                step.node,
            )
            for number, step in enumerate(steps, start=1)
        ],
    )


def paths(found: Answer[Any]) -> None:
    """The most travelled paths."""
    for side in sides(found):
        result = side.result
        say(f"{_count(result.anchored)} units have the anchor")
        backward = any(flow.position < 0 for flow in result.flows)
        table(
            ("path", "units", "share", "node"),
            [
                (_path(path, backward), int(path.units.value or 0), _interval(path.share), path.node)
                for path in result.paths
            ],
        )


def _path(path: Any, backward: bool) -> str:
    """The steps, with dots where the path goes on beyond what is shown."""
    steps = " > ".join(path.steps)
    return steps if path.ended else f"… > {steps}" if backward else f"{steps} > …"


def transitions(found: Answer[Any], limit: int) -> None:
    """The most travelled transitions, and the loops."""
    for side in sides(found):
        table(
            ("from", "", "to", "moves", "of moves from there", "node"),
            [
                (
                    edge.from_node,
                    _ARROWS.get(edge.direction, " "),
                    edge.to_node or "(no further)",
                    int(edge.moves.value or 0),
                    _interval(edge.share),
                    edge.node,
                )
                for edge in side.result.edges[:limit]
            ],
        )
        loops = [(" ⇄ ".join(turn.between), int(turn.times.value or 0), turn.people.n) for turn in side.result.loops]
        if loops:
            say()
            table(("loop", "times", "people"), loops[:limit])


def happy_path(found: Answer[Any]) -> None:
    """Planned, actual, deviation."""
    for side in sides(found):
        result = side.result
        say(f"planned: {' > '.join(result.planned)}")
        say(f"walked whole: {_interval(result.happy)}; on it so far or whole: {_interval(result.begun)}")
        table(("deviation", "people"), [(kind, _interval(each)) for kind, each in result.deviations.items()])
        say()
        table(
            ("real path", "people", "fitness", "deviates by", "node"),
            [
                (
                    " > ".join(v.stages),
                    v.people.value and int(v.people.value),
                    v.fitness,
                    ", ".join(v.deviations),
                    v.node,
                )
                for v in result.variants
            ],
        )


def attribution(found: Answer[Any]) -> None:
    """Conversions and revenue by channel and model."""
    for side in sides(found):
        result = side.result
        for name, total in (("conversions", result.conversions), ("value", result.value)):
            say(f"{'purchases' if name == 'conversions' else 'revenue'} by channel, of {_count(total)} in all")
            table(
                ("channel", *result.models),
                [
                    (row.channel, *(_count(getattr(row, name)[model]) for model in result.models))
                    for row in result.channels
                ],
            )
            say()
        say(
            f"{_count(result.unattributed)} purchases had no touch within {result.window_days} days; "
            "--json holds the interval of each credit."
        )


def value(found: Answer[Any]) -> None:
    """What customers are expected to buy."""
    for side in sides(found):
        result = side.result
        table(
            ("", "expected", "95 % interval", "n"),
            [
                (name, _number(each), _ends(each), each.n)
                for name, each in (
                    ("still customers, mean probability", result.alive),
                    (f"purchases in {result.horizon_days} days", result.expected_purchases),
                    (f"revenue in {result.horizon_days} days", result.expected_revenue),
                    ("revenue per customer", result.mean_value),
                )
            ],
        )


def sides(found: Answer[Any]) -> Any:
    """Each side, announced when there are two or it is not everybody."""
    for number, side in enumerate(found.sides):
        if number:
            say()
        if len(found.sides) > 1 or not side.audience.is_everybody or side.audience.since:
            say(f"— {told(side.audience)}, {side.people:,} people —")
        yield side


def told(audience: Audience) -> str:
    """Whom an answer is about, in words."""
    parts = [
        f"segment {audience.segment_title or audience.segment}" if audience.segment else "",
        f"persona {audience.persona_titles.get('en', audience.persona)}" if audience.persona else "",
        f"came through {audience.channel} first" if audience.channel else "",
        f"active from {audience.hours[0]} to {audience.hours[1]} h UTC" if audience.hours else "",
        audience.who or "",
    ]
    since = f"{audience.since:%Y-%m-%d}" if audience.since else ""
    until = f"{audience.until:%Y-%m-%d}" if audience.until else ""
    if since or until:
        parts.append(f"{since} – {until}".strip())
    return ", ".join(part for part in parts if part) or "everybody"


def _count(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:,.0f}"


def _number(measure: Measure) -> str:
    return "–" if measure.value is None else f"{measure.value:,.3g}" if measure.value < 10 else f"{measure.value:,.0f}"


def _ends(measure: Measure) -> str:
    if measure.low is None or measure.high is None:
        return "–"
    return (
        f"{measure.low:,.3g} – {measure.high:,.3g}"
        if measure.high < 10
        else f"{measure.low:,.0f} – {measure.high:,.0f}"
    )


def _interval(measure: Measure) -> str:
    if measure.value is None:
        return "–"
    ends = "" if measure.low is None else f" [{100 * measure.low:.1f}, {100 * (measure.high or 0.0):.1f}]"
    return f"{100 * measure.value:.1f} %{ends}"


def _time(measure: Measure) -> str:
    if measure.value is None:
        return "–"
    for size, name, limit in _UNITS:
        if measure.value < limit:
            return f"{measure.value / size:.1f}".removesuffix(".0") + f" {name}"
    return "–"
