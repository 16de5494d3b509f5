"""From a number on the map back to SQL: which rows of which queries it is read from, and by what method.

A query of the map answers a whole row of the page; a `cell` reads one number from it. Nothing is computed here, so that
what is told can be held against what was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from journeys.measures import Measure

COUNTED = "counted"
WILSON = "share with its Wilson score interval"
SHARE = "share, counted"
KAPLAN_MEIER = "Kaplan-Meier quartile with its log-log interval"
RANKS = "median with its binomial rank interval"
FEELING = "share of good ratings, and of good verdicts of texts without a rating, with its Wilson score interval"
WORTH = "people affected times the gap in purchases a person, measured on the units of the query; interval of the gap"


@dataclass(frozen=True)
class Trace:
    """`cell` selects `value` and `n` from `NAME_rows` of each query in `reads`; null where SQL alone cannot say it."""

    method: str
    reads: tuple[str, ...]
    cell: str | None

    def statement(self, queries: Mapping[str, str]) -> str | None:
        """The whole statement, for the SQL of the queries by name; their parameters apply."""
        if self.cell is None:
            return None
        tables = ",\n".join(f"{name}_rows as (\n{queries[name].strip()}\n)" for name in self.reads)
        return f"with {tables}\n{self.cell}"


def traced(key: str, measure: Measure, *, path: Sequence[str]) -> Trace:
    """The trace of the number with this key; `path` holds the stages of the path in order."""
    kind, _, rest = key.partition(".")
    if kind == "intervention":
        return Trace(WORTH, (measure.query,), None)
    if kind == "totals":
        return Trace(COUNTED, ("totals",), f"select {rest} as value, {_N_OF_TOTALS[rest]} as n from totals_rows")
    stage, _, what = rest.partition(".")
    return _KINDS[kind](stage, what, path)


_N_OF_TOTALS = {"people": "people", "anonymous": "people", "touchpoints": "touchpoints"}


def _people(stage: str, what: str, path: Sequence[str]) -> Trace:
    if what == "steps_on":
        return _steps(stage, path)
    reached = "(select people from totals_rows)" if what == "reached" else _sum("reached")
    reads = ("people", "totals") if what == "reached" else ("people",)
    return Trace(COUNTED, reads, f"select {_sum(what)} as value, {reached} as n from people_rows {_of(stage)}")


def _steps(stage: str, path: Sequence[str]) -> Trace:
    """People who went straight on to the next stage of the path; after the last one nobody can."""
    if stage not in path or stage == path[-1]:
        return Trace("not defined here", (), None)
    following = path[path.index(stage) + 1]
    cell = (
        f"select {_sum('people')} as value, (select {_sum('reached')} from people_rows {_of(stage)}) as n "
        f"from steps_rows {_of(stage)} and next_stage = {_quoted(following)}"
    )
    return Trace(COUNTED, ("steps", "people"), cell)


def _moves(stage: str, what: str, path: Sequence[str]) -> Trace:
    if stage in path:
        hits = f"coalesce(sum(moves) filter (move = {_quoted(what)}), 0)"
        of = f"from moves_rows {_of(stage)}"
        return Trace(WILSON, ("moves",), f"select {hits} / nullif(sum(moves), 0) as value, sum(moves) as n {of}")
    stays = f"(select stays from people_rows {_of(stage)})"
    back = "coalesce(sum(moves) filter (move <> 'service'), 0)"
    hits = back if what == "restart" else f"({stays} - {back})"
    return Trace(
        WILSON,
        ("moves", "people"),
        f"select {hits} / nullif({stays}, 0) as value, {stays} as n from moves_rows {_of(stage)}",
    )


def _time(stage: str, what: str, path: Sequence[str]) -> Trace:
    del path
    cell = f"select any_value({what}) as value, {_sum('stays')} as n from time_rows {_of(stage)}"
    return Trace(KAPLAN_MEIER, ("time",), cell)


def _feeling(stage: str, what: str, path: Sequence[str]) -> Trace:
    del path
    shares = {"": ("good", "felt"), "backed": ("felt", "tickets"), "text_share": ("from_text", "felt")}
    if what in shares:
        part, whole = shares[what]
        value, n = f"sum({part}) / nullif(sum({whole}), 0)", _sum(whole)
    else:
        value, n = _sum(what), _sum("tickets")
    method = FEELING if not what else SHARE if what in shares else COUNTED
    return Trace(method, ("feeling",), f"select {value} as value, {n} as n from feeling_rows {_of(stage)}")


def _touchpoint(stage: str, what: str, path: Sequence[str]) -> Trace:
    del path
    reached = f"(select {_sum('reached')} from people_rows {_of(stage)})"
    where = f"{_of(stage)} and touchpoint_type = {_quoted(what)}"
    cell = f"select {_sum('people')} as value, {reached} as n from touchpoints_rows {where}"
    return Trace(COUNTED, ("touchpoints", "people"), cell)


def _service(stage: str, what: str, path: Sequence[str]) -> Trace:
    del path
    reached = f"(select {_sum('reached')} from people_rows {_of(stage)})"
    of = f"from service_rows {_of(stage)}"
    if what == "people":
        return Trace(COUNTED, ("service", "people"), f"select {_sum('people')} as value, {reached} as n {of}")
    if what == "share":
        share = f"{_sum('people')} / nullif({reached}, 0)"
        return Trace(WILSON, ("service", "people"), f"select {share} as value, {reached} as n {of}")
    if what == "hours":
        return Trace(RANKS, ("service",), f"select any_value(hours) as value, {_sum('solved')} as n {of}")
    if what == "slow":
        slow = f"sum(slow) / nullif(sum(tickets), 0) as value, {_sum('tickets')} as n"
        return Trace(WILSON, ("service",), f"select {slow} {of}")
    return Trace(COUNTED, ("service",), f"select {_sum('tickets')} as value, {_sum('tickets')} as n {of}")


_KINDS: dict[str, Callable[[str, str, Sequence[str]], Trace]] = {
    "people": _people,
    "moves": _moves,
    "time": _time,
    "feeling": _feeling,
    "touchpoint": _touchpoint,
    "service": _service,
}


def _sum(column: str) -> str:
    """A stage that nobody reached has no row: zero."""
    return f"coalesce(sum({column}), 0)"


def _of(stage: str) -> str:
    return f"where stage = {_quoted(stage)}"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
