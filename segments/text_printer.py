"""The text form of a condition, written: what `segments.text_parser` reads back to the same tree."""

from __future__ import annotations

import re
from functools import singledispatch
from typing import Any

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

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@singledispatch
def print_text(node: Any) -> str:
    """One condition in the text form, on one line."""
    raise TypeError(f"no text form for {type(node).__name__}")


@print_text.register
def _(node: And) -> str:
    return _joined(node.of, "and", "all")


@print_text.register
def _(node: Or) -> str:
    return _joined(node.of, "or", "any")


@print_text.register
def _(node: Not) -> str:
    return f"not {_operand(node.of)}"


@print_text.register
def _(_: Everyone) -> str:
    return "everyone"


@print_text.register
def _(node: Trait) -> str:
    return f"trait.{_name(node.trait)} {_test(node)}"


@print_text.register
def _(node: Prediction) -> str:
    return f"prediction.{_name(node.prediction)} {_test(node)}"


@print_text.register
def _(node: Event) -> str:
    matched, window = _match(node), _window(node.window)
    if node.measure == "count":
        if (node.op, node.value) == (">=", 1) and isinstance(node.value, int):
            return matched + window
        if (node.op, node.value) == ("=", 0) and isinstance(node.value, int):
            return f"no {matched}{window}"
    property_ = _name(node.of_property) if node.of_property is not None else ""
    return f"{matched}.{node.measure}({property_}) {_test(node)}{window}"


@print_text.register
def _(node: Sequence) -> str:
    steps = [_match(node.steps[0])]
    for step in node.steps[1:]:
        within = f" within {step.within}" if step.within is not None else ""
        without = f" without {_match(step.without)}" if step.without is not None else ""
        steps.append(f"{_match(step)}{within}{without}")
    if node.then_no is not None:
        within = f" within {node.then_no.within}" if node.then_no.within is not None else ""
        steps.append(f"no {_match(node.then_no)}{within}")
    return f"sequence({' then '.join(steps)}){_window(node.window)}"


@print_text.register
def _(node: Stage) -> str:
    listed = ", ".join(_quoted(stage) for stage in node.stages)
    where = f"stage = {listed}" if len(node.stages) == 1 else f"stage in ({listed})"
    return where if node.time is None else f"{where} for {node.time.op} {node.time.value}"


@print_text.register
def _(node: Transition) -> str:
    parts = [_quoted(node.move)] if node.move is not None else []
    parts += [f"from {_quoted(node.from_stage)}"] if node.from_stage is not None else []
    parts += [f"to {_quoted(node.to_stage)}"] if node.to_stage is not None else []
    moved, window = f"moved({' '.join(parts)})", _window(node.window)
    if (node.op, node.value) == (">=", 1):
        return moved + window
    if (node.op, node.value) == ("=", 0):
        return f"no {moved}{window}"
    return f"{moved}.count() {node.op} {node.value}{window}"


@print_text.register
def _(node: SegmentRef) -> str:
    return f"segment({_quoted(node.key)})"


@print_text.register
def _(node: Consent) -> str:
    said = f"consent({_quoted(node.purpose)})"
    return said if node.state == "given" else f"{said} = {_quoted(node.state)}"


@print_text.register
def _(node: Reachable) -> str:
    purpose = f" for {_quoted(node.purpose)}" if node.purpose is not None else ""
    return f"reachable({_quoted(node.channel)}{purpose})"


@print_text.register
def _(node: Sample) -> str:
    lower = f"{_percent(node.from_percent)} to " if node.from_percent else ""
    return f"sample({_quoted(node.salt)}, {lower}{_percent(node.to_percent)})"


@print_text.register
def _(node: Rank) -> str:
    among = f" among ({print_text(node.among)})" if node.among is not None else ""
    return f"{node.side} {_percent(node.percent)} by trait.{_name(node.trait)}{among}"


@print_text.register
def _(node: Experiment) -> str:
    arm = f" = {_quoted(node.arm)}" if node.arm is not None else ""
    return f"experiment({_quoted(node.experiment)}){arm}"


def _joined(nodes: tuple[Any, ...], word: str, function: str) -> str:
    if len(nodes) == 1:
        return f"{function}({print_text(nodes[0])})"
    return f" {word} ".join(_operand(node) for node in nodes)


def _operand(node: Any) -> str:
    text = print_text(node)
    return f"({text})" if isinstance(node, And | Or) and len(node.of) > 1 else text


def _match(match: Match) -> str:
    word = "event" if match.touchpoint is None else "touchpoint"
    name = match.event if match.touchpoint is None else match.touchpoint
    parts = [_quoted(name)] if name is not None else []
    if match.where:
        parts.append("where " + " and ".join(f"{_name(one.property)} {_test(one)}" for one in match.where))
    return f"{word}({' '.join(parts)})"


def _test(test: Compared) -> str:
    if test.value is None:
        return test.op
    if test.op == "between":
        return f"between {_scalar(test.value[0])} and {_scalar(test.value[1])}"
    if isinstance(test.value, tuple):
        return f"{test.op} ({', '.join(_scalar(value) for value in test.value)})"
    return f"{test.op} {_scalar(test.value)}"


def _window(window: Window | None) -> str:
    if window is None:
        return ""
    if window.last is not None:
        return f" in {window.last}"
    since = f" since {_scalar(window.since)}" if window.since is not None else ""
    return since + (f" until {_scalar(window.until)}" if window.until is not None else "")


def _scalar(value: Any) -> str:
    match value:
        case Ago():
            return f"{value.ago} ago"
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
    return repr(value)


def _percent(value: float) -> str:
    return f"{int(value) if value == int(value) else repr(value)}%"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _name(name: str) -> str:
    return name if _PLAIN_NAME.fullmatch(name) else '"' + name.replace('"', '""') + '"'
