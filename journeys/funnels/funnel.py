"""Counts a funnel: who gets how far, how long it takes, by which property.

For every step the position of its next occurrence is known for every touchpoint (one backward pass each); an attempt
follows these pointers. All attempts advance together, so the work is a few passes over the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from journeys.breaks import share
from journeys.funnels.definition import Breakdown, Funnel
from journeys.funnels.timeline import Flags, Ints, Names, Timeline, fetch, step_mask
from journeys.measures import Frozen, Measure, Query
from journeys.scope import Scope

MOST_GROUPS = 20


class StepResult(Frozen):
    """One step: units that got this far, as a share of step 1 and of the step before, and the median way from there."""

    name: str
    units: Measure
    of_first: Measure
    of_previous: Measure
    dropped: Measure
    median_seconds: Measure


class FunnelResult(Frozen):
    """A counted funnel; `groups` holds the same by value of the breakdown."""

    steps: tuple[StepResult, ...]
    conversion: Measure
    median_seconds: Measure
    excluded: Measure
    groups: dict[str, tuple[StepResult, ...]]
    queries: dict[str, Query]


@dataclass(frozen=True)
class _Attempts:
    """The attempt that counts of every unit that started: how far, and the positions of its steps (-1: not reached)."""

    unit: Ints
    reached: Ints
    at: Ints


def count(connection: duckdb.DuckDBPyConnection, scope: Scope, funnel: Funnel) -> FunnelResult:
    """The funnel over the people in scope."""
    funnel.checked()
    names = Names(connection)
    values: dict[str, Any] = {}
    columns = {"steps": f"({step_mask(names, funnel.steps, values)})::integer"}
    tests = [names.condition(exclusion.events, {}, values) for exclusion in funnel.exclusions]
    for index, test in enumerate(tests):
        columns[f"excluded_{index}"] = f"({test})"
    groups: list[str] = []
    if funnel.breakdown:
        groups = _values(connection, scope, funnel.breakdown.by)
        values["groups"] = groups
        columns["property"] = f"coalesce(list_position($groups, t.{funnel.breakdown.by}::varchar), 0)::integer"
    everything = funnel.mode == "strict" or funnel.unit == "visit"
    keep = None if everything else " or ".join([f"{columns['steps']} <> 0", *tests])
    timeline, query = fetch(connection, scope, columns, values, keep=keep, visits=funnel.unit == "visit")
    attempts = _follow(timeline, funnel)
    attempts, excluded = _exclude(timeline, funnel, attempts)
    names_of_steps = [step.title for step in funnel.steps]
    result = _results(timeline, attempts, names_of_steps)
    started = int((attempts.reached >= 1).sum())
    whole = attempts.at[attempts.reached == len(funnel.steps)]
    spans = timeline.time[whole.max(axis=1)] - timeline.time[whole.min(axis=1)] if len(whole) else np.empty(0)
    return FunnelResult(
        steps=result,
        conversion=share(len(whole), started, "share of units", "funnel"),
        median_seconds=_median(spans),
        excluded=Measure(value=excluded, n=started + excluded, unit="units", query="funnel"),
        groups=_grouped(timeline, attempts, funnel.breakdown, groups, names_of_steps) if funnel.breakdown else {},
        queries={"funnel": query},
    )


def _follow(timeline: Timeline, funnel: Funnel) -> _Attempts:
    window = int(funnel.window.total_seconds() * 1_000_000)
    mask = timeline.columns["steps"]
    if funnel.mode == "any":
        return _any_order(timeline, mask, len(funnel.steps), window)
    starts = np.flatnonzero(mask & 1)
    at = np.full((len(starts), len(funnel.steps)), -1, dtype=np.int64)
    at[:, 0] = starts
    alive = np.arange(len(starts))
    position = starts
    for step in range(1, len(funnel.steps)):
        following = _next_strict if funnel.mode == "strict" else _next_later
        found = following(timeline, mask, step, position)
        begin = starts[alive]
        valid = found >= 0
        valid[valid] &= timeline.unit[found[valid]] == timeline.unit[begin[valid]]
        valid[valid] &= timeline.time[found[valid]] - timeline.time[begin[valid]] <= window
        alive, position = alive[valid], found[valid]
        at[alive, step] = position
        if len(alive) == 0:
            break
    return _furthest(timeline, starts, at)


def _next_later(timeline: Timeline, mask: NDArray[Any], step: int, position: Ints) -> Ints:
    """Position of the first touchpoint of `step` that is strictly later than each `position`; -1 at the end."""
    places = np.flatnonzero(mask & (1 << step))
    if len(places) == 0:
        return np.full(len(position), -1, dtype=np.int64)
    following = np.append(places, -1)[np.searchsorted(places, position, side="right")]
    # Touchpoints of one moment are not later than each other: move on past them.
    while True:
        tied = (following >= 0) & (timeline.unit[following] == timeline.unit[position])
        tied &= timeline.time[following] <= timeline.time[position]
        if not tied.any():
            return following
        following[tied] = np.append(places, -1)[np.searchsorted(places, following[tied], side="right")]


def _next_strict(timeline: Timeline, mask: NDArray[Any], step: int, position: Ints) -> Ints:
    """The very next touchpoint where it is of `step` and strictly later; -1 otherwise."""
    following = position + 1
    inside = following < len(mask)
    found = np.full(len(position), -1, dtype=np.int64)
    candidates = following[inside]
    fits = (mask[candidates] & (1 << step)) != 0
    fits &= timeline.time[candidates] > timeline.time[position[inside]]
    found[np.flatnonzero(inside)[fits]] = candidates[fits]
    return found


def _any_order(timeline: Timeline, mask: NDArray[Any], steps: int, window: int) -> _Attempts:
    """Every matching touchpoint opens a window; the steps seen in it are put in order of time."""
    starts = np.flatnonzero(mask)
    at = np.full((len(starts), steps), -1, dtype=np.int64)
    for step in range(steps):
        places = np.flatnonzero(mask & (1 << step))
        if len(places) == 0:
            continue
        found = np.append(places, -1)[np.searchsorted(places, starts, side="left")]
        valid = found >= 0
        valid[valid] &= timeline.unit[found[valid]] == timeline.unit[starts[valid]]
        valid[valid] &= timeline.time[found[valid]] - timeline.time[starts[valid]] <= window
        at[valid, step] = found[valid]
    ordered = np.sort(np.where(at < 0, np.iinfo(np.int64).max, at), axis=1)
    return _furthest(timeline, starts, np.where(ordered == np.iinfo(np.int64).max, -1, ordered))


def _furthest(timeline: Timeline, starts: Ints, at: Ints) -> _Attempts:
    """Of every unit the attempt that gets furthest, the earliest of equals. `starts` are in order of units and time."""
    reached = (at >= 0).sum(axis=1)
    unit = timeline.unit[starts]
    if len(unit) == 0:
        return _Attempts(unit, reached, at)
    firsts = np.flatnonzero(np.append(True, unit[1:] != unit[:-1]))
    best = np.maximum.reduceat(reached, firsts)
    is_best = reached == np.repeat(best, np.diff(np.append(firsts, len(unit))))
    candidates = np.flatnonzero(is_best)
    _, first_of_unit = np.unique(unit[candidates], return_index=True)
    chosen = candidates[first_of_unit]
    return _Attempts(unit[chosen], reached[chosen], at[chosen])


def _exclude(timeline: Timeline, funnel: Funnel, attempts: _Attempts) -> tuple[_Attempts, int]:
    """Attempts without those an exclusion strikes out, and how many those are."""
    struck = np.zeros(len(attempts.unit), dtype=bool)
    window = int(funnel.window.total_seconds() * 1_000_000)
    for index, exclusion in enumerate(funnel.exclusions):
        places = np.flatnonzero(timeline.columns[f"excluded_{index}"])
        begun = np.flatnonzero(attempts.reached >= exclusion.after)
        if len(places) == 0 or len(begun) == 0:
            continue
        begin = attempts.at[begun, exclusion.after - 1]
        finish = attempts.at[begun, exclusion.before - 1]
        limit = np.where(finish >= 0, timeline.time[finish], timeline.time[attempts.at[begun, 0]] + window + 1)
        found = np.append(places, -1)[np.searchsorted(places, begin, side="right")]
        found = _past(timeline, places, found, begin)
        hit = (found >= 0) & (timeline.unit[found] == timeline.unit[begin]) & (timeline.time[found] < limit)
        struck[begun[hit]] = True
    kept = ~struck
    return _Attempts(attempts.unit[kept], attempts.reached[kept], attempts.at[kept]), int(struck.sum())


def _past(timeline: Timeline, places: Ints, found: Ints, begin: Ints) -> Ints:
    """Moves `found` on to places strictly later than `begin`."""
    while True:
        tied = (
            (found >= 0)
            & (timeline.unit[found] == timeline.unit[begin])
            & (timeline.time[found] <= timeline.time[begin])
        )
        if not tied.any():
            return found
        found[tied] = np.append(places, -1)[np.searchsorted(places, found[tied], side="right")]


def _results(
    timeline: Timeline, attempts: _Attempts, names: list[str], which: Flags | None = None
) -> tuple[StepResult, ...]:
    reached = attempts.reached if which is None else attempts.reached[which]
    at = attempts.at if which is None else attempts.at[which]
    counts = [int((reached > index).sum()) for index in range(len(names))]
    results = []
    for index, name in enumerate(names):
        units, before = counts[index], counts[max(index - 1, 0)]
        done = at[reached > index]
        spans = timeline.time[done[:, index]] - timeline.time[done[:, max(index - 1, 0)]]
        results.append(
            StepResult(
                name=name,
                units=Measure(value=units, n=counts[0], unit="units", query="funnel"),
                of_first=share(units, counts[0], "share of units", "funnel"),
                of_previous=share(units, before, "share of units", "funnel"),
                dropped=Measure(value=before - units, n=before, unit="units", query="funnel"),
                median_seconds=_median(spans if index else spans[:0]),
            )
        )
    return tuple(results)


def _median(spans: NDArray[Any]) -> Measure:
    value = float(np.median(spans)) / 1e6 if len(spans) else None
    return Measure(value=value, n=len(spans), unit="seconds", query="funnel")


def _values(connection: duckdb.DuckDBPyConnection, scope: Scope, column: str) -> list[str]:
    """The values of a property with most touchpoints."""
    sql = f"""
        with {{people}}
        select t.{column}::varchar as value
        from marts.touchpoints as t
        inner join people using (profile_id)
        where t.{column} is not null and t.occurred_at >= $since and t.occurred_at <= $until
        group by value
        order by count(*) desc, value
        limit {MOST_GROUPS}
    """
    return [row["value"] for row in scope.fetch(connection, sql)[0]]


def _grouped(
    timeline: Timeline, attempts: _Attempts, split: Breakdown, groups: list[str], names: list[str]
) -> dict[str, tuple[StepResult, ...]]:
    if split.at == "first":
        place = attempts.at[:, 0]
    elif split.at == "last":
        place = np.take_along_axis(attempts.at, (attempts.reached - 1)[:, None], axis=1)[:, 0]
    else:
        place = attempts.at[:, (split.step or 1) - 1]
    codes = np.where(place >= 0, timeline.columns["property"][place], -1)
    named = {0: "other", **{index + 1: value for index, value in enumerate(groups)}}
    return {
        named[int(code)]: _results(timeline, attempts, names, codes == code) for code in np.unique(codes[codes >= 0])
    }
