"""A definition as a sentence that a colleague reads without knowing the system.

Every kind of condition has its phrase after "People …"; groups within groups stand in parentheses. The words follow the
meaning exactly: `!=` says "is known and not", because an unknown value satisfies no comparison.
"""

from __future__ import annotations

from functools import singledispatch
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
    "=": "{be} {value}", "!=": "{be} known and not {value}",
    "<": "{be} less than {value}", "<=": "{be} at most {value}",
    ">": "{be} more than {value}", ">=": "{be} at least {value}",
    "contains": "contain{s} {value}", "starts with": "start{s} with {value}", "ends with": "end{s} with {value}",
}  # fmt: skip
_AGO = {
    "=": "{be} the day {value} ago", "!=": "{be} known and not the day {value} ago",
    "<": "lie{s} more than {value} ago", "<=": "lie{s} {value} ago or more",
    ">": "lie{s} less than {value} ago", ">=": "lie{s} in the last {value}",
}  # fmt: skip
_MOMENTS = {
    "=": "{be} {value}", "!=": "{be} known and not {value}",
    "<": "lie{s} before {value}", "<=": "lie{s} not after {value}",
    ">": "lie{s} after {value}", ">=": "lie{s} not before {value}",
}  # fmt: skip
_COUNTS = {
    "=": "exactly", "!=": "not exactly", "<": "less than", "<=": "at most", ">": "more than", ">=": "at least",
}  # fmt: skip
_MEASURES = {"sum": "total", "average": "average", "minimum": "smallest", "maximum": "largest"}
_MOVES = {
    "start": "started the journey", "forward": "moved forward", "back": "went back",
    "restart": "restarted", "lapse": "lapsed",
}  # fmt: skip
_NAMES = {
    "first_seen_at": "first touchpoint", "last_seen_at": "last touchpoint",
    "satisfaction_good": "good marks", "satisfaction_bad": "bad marks",
}  # fmt: skip
_CHANNELS = {"email": "e-mail", "phone": "phone", "post": "post"}


def sentence(node: Any) -> str:
    """`People …` with a full stop."""
    return f"People {phrase(node)}."


@singledispatch
def phrase(node: Any) -> str:
    """One condition as what follows `People`, for tables and lists too."""
    raise TypeError(f"no phrase for {type(node).__name__}")


@phrase.register
def _(node: And) -> str:
    return _joined(node.of, "and")


@phrase.register
def _(node: Or) -> str:
    return _joined(node.of, "or")


@phrase.register
def _(node: Not) -> str:
    inner = phrase(node.of)
    if isinstance(node.of, SegmentRef | Rank | Sample | Experiment | Consent | Reachable | Sequence):
        return f"not {inner}"
    return f"except those ({inner})" if _compound(node.of) else f"except those {inner}"


@phrase.register
def _(_: Everyone) -> str:
    return "of every kind"


@phrase.register
def _(node: Trait) -> str:
    if node.op == "=" and isinstance(node.value, bool):
        name = node.trait.removeprefix("is_").replace("_", " ")
        return f"who are {'' if node.value else 'not '}{name}" if node.trait.startswith("is_") else (
            f"with {name}" if node.value else f"known to be without {name}"
        )  # fmt: skip
    return f"whose {_name(node.trait)} {_test(node, _name(node.trait))}"


@phrase.register
def _(node: Prediction) -> str:
    return f"whose predicted {_name(node.prediction)} {_test(node)}"


@phrase.register
def _(node: Event) -> str:
    events, window = _events(node), _window(node.window)
    if node.measure in ("count", "days"):
        return _counted(node, events, window)
    if node.measure in ("first", "last"):
        what = f"known {_name(node.of_property)} of {events}" if node.of_property is not None else events
        return f"whose {node.measure} {what}{window} {_test(node)}"
    return f"whose {_MEASURES[node.measure]} {_name(node.of_property or '')} of {events}{window} {_test(node)}"


@phrase.register
def _(node: Sequence) -> str:
    parts = [_events(node.steps[0])]
    for step in node.steps[1:]:
        within = f" within {moments.duration_words(step.within)}" if step.within is not None else ""
        without = f" with no {_events(step.without)} between" if step.without is not None else ""
        parts.append(f"then {_events(step)}{within}{without}")
    if node.then_no is not None:
        within = f" for {moments.duration_words(node.then_no.within)}" if node.then_no.within is not None else " since"
        parts.append(f"then no {_events(node.then_no)}{within}")
    window = f", all{_window(node.window)}" if node.window is not None else ""
    return f"with {', '.join(parts)}{window}"


@phrase.register
def _(node: Stage) -> str:
    where = " or ".join(node.stages)
    if node.time is None:
        return f"whose stage is {where}"
    words = {">=": "for at least", ">": "for more than", "<": "for less than", "<=": "for at most"}
    return f"whose stage is {where} {words[node.time.op]} {moments.duration_words(node.time.value)}"


@phrase.register
def _(node: Transition) -> str:
    move = _MOVES[node.move] if node.move is not None else "changed stage"
    ends = (f" from {node.from_stage}" if node.from_stage else "") + (f" to {node.to_stage}" if node.to_stage else "")
    window = _window(node.window)
    if (node.op, node.value) == (">=", 1):
        return f"who {move}{ends}{window}"
    if (node.op, node.value) == ("=", 0):
        return f"who never {move}{ends}{window}"
    return f"who {move}{ends} {_COUNTS[node.op]} {_times(node.value)}{window}"


@phrase.register
def _(node: SegmentRef) -> str:
    return f"in the segment {node.key}"


@phrase.register
def _(node: Consent) -> str:
    said = {"given": "agreeing to", "refused": "refusing", "unknown": "without a word about"}
    return f"{said[node.state]} {node.purpose}"


@phrase.register
def _(node: Reachable) -> str:
    purpose = f" for {node.purpose}" if node.purpose is not None else ""
    return f"reachable by {_CHANNELS[node.channel]}{purpose}"


@phrase.register
def _(node: Sample) -> str:
    share = f"{node.from_percent:g} % to {node.to_percent:g} %" if node.from_percent else f"{node.to_percent:g} %"
    return f"in the {share} drawn as {_quoted(node.salt)}"


@phrase.register
def _(node: Rank) -> str:
    of = f" among people {phrase(node.among)}" if node.among is not None else ""
    return f"in the {node.side} {node.percent:g} % by {_name(node.trait)}{of}"


@phrase.register
def _(node: Experiment) -> str:
    arm = f", arm {_quoted(node.arm)}" if node.arm is not None else ""
    return f"assigned to the experiment {_quoted(node.experiment)}{arm}"


def _joined(nodes: tuple[Any, ...], word: str) -> str:
    parts = [f"({phrase(node)})" if _compound(node) else phrase(node) for node in nodes]
    text = parts[0]
    for part in parts[1:]:
        if part.startswith("except ") and word == "and":
            text += f", {part}"
        else:
            # With more than two, each word stays before its part, so that nothing is read as a mere list.
            text += f" {word} {part}" if len(parts) == 2 else f", {word} {part}"
    return text


def _compound(node: Any) -> bool:
    return (isinstance(node, And | Or) and len(node.of) > 1) or (isinstance(node, Rank) and node.among is not None)


def _counted(node: Event, events: str, window: str) -> str:
    if node.measure == "days":
        return f"with {events} on {_number(node)} days{window}"
    if node.op == "=" and node.value == 0:
        return f"without {events}{window}"
    if node.op == ">=" and node.value == 1:
        return f"with {events}{window}"
    return f"with {events} {_number(node)} times{window}"


def _number(node: Event) -> str:
    values = node.value if isinstance(node.value, tuple) else (node.value,)
    if node.op == "between":
        return f"{values[0]} to {values[1]}"
    listed = " or ".join(str(value) for value in values)
    if node.op in ("in", "not in"):
        return listed if node.op == "in" else f"neither {listed}"
    return f"{_COUNTS[node.op]} {listed}" if node.op in _COUNTS else f"a number that {node.op} of"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _events(match: Match) -> str:
    named = match.event if match.touchpoint is None else match.touchpoint
    name = _quoted(named) if named is not None else "any event"
    filters = " and ".join(f"{_name(one.property)} {_test(one, _name(one.property))}" for one in match.where)
    return f"{name} (where {filters})" if filters else name


def _window(window: Window | None) -> str:
    if window is None:
        return ""
    if window.last is not None:
        return f" in the last {moments.duration_words(window.last)}"
    since = f" since {_value(window.since, moment=True)}" if window.since is not None else ""
    return since + (f" before {_value(window.until, moment=True)}" if window.until is not None else "")


def _test(test: Compared, name: str = "") -> str:
    words = name.split(" ")
    plural = any(word.endswith("s") and not word.endswith("ss") for word in (words[0], words[-1]))
    be, s = ("are", "") if plural else ("is", "s")
    if test.op in ("is missing", "is known"):
        return f"{be} {'missing' if test.op == 'is missing' else 'known'}"
    values = test.value if isinstance(test.value, tuple) else (test.value,)
    if test.op == "between":
        return f"{be} between {_value(values[0])} and {_value(values[1])}"
    if test.op in ("in", "not in"):
        listed = ", ".join(_value(value) for value in values)
        return f"{be} one of {listed}" if test.op == "in" else f"{be} known and none of {listed}"
    value = values[0]
    if isinstance(value, Ago):
        return _AGO[test.op].format(be=be, s=s, value=moments.duration_words(value.ago))
    said = _MOMENTS if isinstance(value, str) and test.op in ("<", "<=", ">", ">=") else _COMPARISONS
    template = said[test.op].replace("{be}", be).replace("{s}", s)
    return template.replace("{value}", _value(value, moment=said is _MOMENTS))


def _value(value: Any, *, moment: bool = False) -> str:
    match value:
        case Ago():
            return f"{moments.duration_words(value.ago)} ago"
        case bool():
            return "true" if value else "false"
        case str():
            return value if moment else _quoted(value)
    return f"{value}"


def _quoted(text: str) -> str:
    return f"“{text}”"


def _name(column: str) -> str:
    return _NAMES.get(column) or column.removesuffix("_at").replace("_", " ")
