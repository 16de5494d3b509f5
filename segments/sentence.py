"""A definition as a sentence that a colleague reads without knowing the system.

Every node kind has its phrase; `not` and `or` are bracketed by words, not by parentheses, wherever they stand alone.
"""

from __future__ import annotations

from typing import Any

from segments import moments
from segments.definition import (
    Ago,
    And,
    Compared,
    Consent,
    Event,
    Everyone,
    Experiment,
    Match,
    Not,
    Or,
    Prediction,
    Rank,
    Reachable,
    Sample,
    SegmentRef,
    Sequence,
    Stage,
    Trait,
    Transition,
    Window,
)

_COMPARISONS = {
    "=": "is",
    "!=": "is known and not",
    "<": "is less than",
    "<=": "is at most",
    ">": "is more than",
    ">=": "is at least",
    "contains": "contains",
    "starts with": "starts with",
    "ends with": "ends with",
}
_TIMES = {
    "=": "is",
    "!=": "is not",
    "<": "is before",
    "<=": "is not after",
    ">": "is after",
    ">=": "is not before",
}
_COUNTS = {
    "=": "exactly",
    "!=": "not exactly",
    "<": "less than",
    "<=": "at most",
    ">": "more than",
    ">=": "at least",
}
_MEASURES = {
    "sum": "the sum of {property} over {events}",
    "average": "the average {property} of {events}",
    "minimum": "the smallest {property} of {events}",
    "maximum": "the largest {property} of {events}",
}
_MOVES = {
    "start": "started the journey",
    "forward": "moved forward",
    "back": "went back",
    "restart": "restarted",
    "lapse": "lapsed",
}


def sentence(node: Any) -> str:
    """`People who …` with a full stop."""
    return f"People {_clause(node)}."


def phrase(node: Any) -> str:
    """One condition as a clause without its subject, for tables and lists."""
    return _clause(node)


def _clause(node: Any) -> str:  # noqa: C901, PLR0911, PLR0912 - one arm per kind of node
    match node:
        case And():
            return _join(node.of, "and")
        case Or():
            return _join(node.of, "or")
        case Not():
            return f"for whom it is not so that they are people {_clause(node.of)}" if _compound(node.of) else (
                f"not counting those {_clause(node.of)}"
            )  # fmt: skip
        case Everyone():
            return "of every kind"
        case Trait():
            return f"whose {_name(node.trait)} {_compared(node)}"
        case Prediction():
            return f"whose predicted {_name(node.prediction)} {_compared(node)}"
        case Event():
            return _event(node)
        case Sequence():
            return _sequence(node)
        case Stage():
            return _stage(node)
        case Transition():
            return _transition(node)
        case SegmentRef():
            return f"in the segment {node.key}"
        case Consent():
            said = {"given": "who agreed to", "refused": "who refused", "unknown": "who never said anything about"}
            return f"{said[node.state]} {node.purpose}"
        case Reachable():
            return f"who can be reached by {node.channel}" + (f" for {node.purpose}" if node.purpose else "")
        case Sample():
            return f"drawn by hash {_quoted(node.salt)} from {node.from_percent:g} % to {node.to_percent:g} % of all profiles"
        case Rank():
            of = f" among people {_clause(node.among)}" if node.among is not None else ""
            return f"in the {node.side} {node.percent:g} % by {_name(node.trait)}{of}"
        case Experiment():
            arm = f", arm {_quoted(node.arm)}" if node.arm is not None else ""
            return f"assigned to the experiment {_quoted(node.experiment)}{arm}"
    raise TypeError(f"no phrase for {type(node).__name__}")


def _join(nodes: tuple[Any, ...], word: str) -> str:
    parts = [f"({_clause(node)})" if _compound(node) else _clause(node) for node in nodes]
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} {word} {parts[-1]}"


def _compound(node: Any) -> bool:
    return isinstance(node, And | Or) and len(node.of) > 1


def _event(node: Event) -> str:
    events, window = _events(node), _window(node.window)
    if node.measure == "count":
        if node.op == "=" and node.value == 0:
            return f"without any {events}{window}"
        if node.op == ">=" and node.value == 1:
            return f"with {events}{window}"
        return f"with {_number(node)} times {events}{window}"
    if node.measure == "days":
        return f"with {events} on {_number(node)} days{window}"
    if node.measure in ("first", "last"):
        if node.of_property is None:
            return f"whose {node.measure} {events}{window} {_compared(node)}"
        return f"whose {node.measure} known {_name(node.of_property)} of {events}{window} {_compared(node)}"
    said = _MEASURES[node.measure].format(property=_name(node.of_property or ""), events=events)
    return f"for whom {said}{window} {_compared(node)}"


def _number(node: Compared | Transition) -> str:
    values = node.value if isinstance(node.value, tuple) else (node.value,)
    if node.op == "between":
        return f"{values[0]} to {values[1]}"
    if node.op in ("in", "not in"):
        return f"{'' if node.op == 'in' else 'not '}{' or '.join(str(value) for value in values)}"
    return f"{_COUNTS[node.op]} {values[0]}" if node.op in _COUNTS else node.op


def _events(match: Match) -> str:
    name = _quoted(match.event or match.touchpoint) if match.event or match.touchpoint else "any event"
    filters = " and ".join(f"{_name(one.property)} {_compared(one)}" for one in match.where)
    return f"{name} (where {filters})" if filters else name


def _sequence(node: Sequence) -> str:
    parts = [_events(node.steps[0])]
    for step in node.steps[1:]:
        within = f" within {moments.duration_words(step.within)}" if step.within is not None else ""
        without = f" without {_events(step.without)} between" if step.without is not None else ""
        parts.append(f"then {_events(step)}{within}{without}")
    return f"with {', '.join(parts)}{_window(node.window)}"


def _stage(node: Stage) -> str:
    where = " or ".join(node.stages)
    if node.time is None:
        return f"whose stage is {where}"
    words = {">=": "for at least", ">": "for more than", "<": "for less than", "<=": "for at most"}
    return f"whose stage is {where} {words[node.time.op]} {moments.duration_words(node.time.value)}"


def _transition(node: Transition) -> str:
    move = _MOVES[node.move] if node.move is not None else "changed stage"
    ends = (f" from {node.from_stage}" if node.from_stage else "") + (f" to {node.to_stage}" if node.to_stage else "")
    window = _window(node.window)
    if (node.op, node.value) == (">=", 1):
        return f"who {move}{ends}{window}"
    if (node.op, node.value) == ("=", 0):
        return f"who never {move}{ends}{window}"
    return f"who {move}{ends} {_number_of(node)} times{window}"


def _number_of(node: Transition) -> str:
    return f"{_COUNTS[node.op]} {node.value}"


def _window(window: Window | None) -> str:
    if window is None:
        return ""
    if window.last is not None:
        return f" in the last {moments.duration_words(window.last)}"
    since = f" since {_moment(window.since)}" if window.since is not None else ""
    return since + (f" before {_moment(window.until)}" if window.until is not None else "")


def _compared(test: Compared) -> str:
    if test.op in ("is missing", "is known"):
        return test.op
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    if test.op == "between":
        return f"is between {_value(values[0])} and {_value(values[1])}"
    if test.op in ("in", "not in"):
        listed = ", ".join(_value(value) for value in values)
        return f"is one of {listed}" if test.op == "in" else f"is known and none of {listed}"
    words = _TIMES if isinstance(values[0], Ago) else _COMPARISONS
    return f"{words[test.op]} {_value(values[0])}"


def _value(value: Any) -> str:
    match value:
        case Ago():
            return _moment(value)
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
    return f"{value}"


def _moment(value: Any) -> str:
    return f"{moments.duration_words(value.ago)} ago" if isinstance(value, Ago) else str(value)


def _quoted(text: str | None) -> str:
    return f"“{text}”"


def _name(column: str) -> str:
    return column.replace("_", " ")
