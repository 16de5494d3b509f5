"""Counts a funnel: who gets how far, how long it takes, by which property.

All attempts advance together, one step at a time: each looks up the next touchpoint of the step. Attempts that arrive
at the same touchpoint go on as one, the latest of them, which has most of the window left; so the work shrinks from
step to step and is a few passes over the arrays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from journeys.funnels.definition import Breakdown, Funnel, Step
from journeys.funnels.timeline import Flags, Ints, Names, Timeline, fetch, mask, matches
from journeys.measures import Frozen, Measure, Query, share
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
    steps, any_step = mask(names, funnel.steps, values)
    columns = {"steps": steps}
    tests = [matches(names, Step(events=exclusion.events), values) for exclusion in funnel.exclusions]
    for index, test in enumerate(tests):
        columns[f"excluded_{index}"] = f"({test})"
    groups: list[str] = []
    if funnel.breakdown:
        groups = _values(connection, funnel.breakdown.by)
        values["groups"] = groups
        columns["property"] = f"coalesce(list_position($groups, t.{funnel.breakdown.by}::varchar), 0)::integer"
    everything = funnel.mode == "strict" or funnel.unit == "visit"
    keep = None if everything else " or ".join([any_step, *tests])
    timeline, query = fetch(connection, scope, columns, values, keep=keep, visits=funnel.unit == "visit")
    attempts = _follow(timeline, funnel)
    attempts, excluded = _exclude(timeline, funnel, attempts)
    names_of_steps = [step.title for step in funnel.steps]
    result = _results(timeline, attempts, names_of_steps)
    started = int((attempts.reached >= 1).sum())
    whole = attempts.at[attempts.reached == len(funnel.steps)]
    spans = timeline.time[whole[:, -1]] - timeline.time[whole[:, 0]]
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
    matched = timeline.columns["steps"]
    count_of_steps = len(funnel.steps)
    if funnel.mode == "any":
        return _any_order(timeline, matched, count_of_steps, window)
    chains = [np.flatnonzero((matched & 1) != 0)[:, None]]
    for step in range(1, count_of_steps):
        chain, places = chains[-1], np.flatnonzero((matched & (1 << step)) != 0)
        which, place = _meetings(timeline, chain[:, -1], places)
        begin = chain[which, 0]
        valid = timeline.unit[place] == timeline.unit[begin]
        valid &= timeline.time[place] - timeline.time[begin] <= window
        if funnel.mode == "strict":
            valid &= place == chain[which, -1] + 1
        chains.append(np.column_stack([chain[which[valid]], place[valid]]))
    return _furthest(timeline, chains)


def _meetings(timeline: Timeline, position: Ints, places: Ints) -> tuple[Ints, Ints]:
    """Pairs (index into `position`, place): the first place after a position when no other position lies between."""
    if timeline.rank is None and len(position) > len(places):
        # Counting the positions before each place beats searching when there are many.
        marked = np.zeros(len(timeline.unit), dtype=np.int8)
        marked[position] = 1
        which = (np.cumsum(marked, dtype=np.int32)[places] - marked[places] - 1).astype(np.int64)
    else:
        which = np.searchsorted(timeline.ranks(position), timeline.ranks(places), side="left") - 1
    near = which >= 0
    near[1:] &= which[1:] != which[:-1]
    return which[near], places[near]


def _later(timeline: Timeline, places: Ints, position: Ints) -> Ints:
    """The first of `places` later than each `position`; -1 where there is none."""
    following = np.searchsorted(timeline.ranks(places), timeline.ranks(position), side="right")
    return np.append(places, -1)[following]


def _furthest(timeline: Timeline, chains: list[Ints]) -> _Attempts:
    """Of every unit the chain that got furthest, of equals the first to get there."""
    steps = len(chains)
    taken = np.zeros(timeline.units, dtype=bool)
    units, reached, rows = [], [], []
    for chain in reversed(chains):
        unit = timeline.unit[chain[:, 0]]
        first = np.append(True, unit[1:] != unit[:-1])[: len(unit)] & ~taken[unit]
        taken[unit[first]] = True
        units.append(unit[first])
        reached.append(np.full(int(first.sum()), chain.shape[1], dtype=np.int64))
        rows.append(np.pad(chain[first], ((0, 0), (0, steps - chain.shape[1])), constant_values=-1))
    return _Attempts(np.concatenate(units), np.concatenate(reached), np.concatenate(rows))


def _any_order(timeline: Timeline, matched: NDArray[Any], steps: int, window: int) -> _Attempts:
    """Every matching touchpoint opens a window; the steps seen in it are put in order of time."""
    starts = np.flatnonzero(matched)
    at = np.full((len(starts), steps), -1, dtype=np.int64)
    for step in range(steps):
        places = np.flatnonzero(matched & (1 << step))
        if len(places) == 0:
            continue
        found = np.append(places, -1)[np.searchsorted(places, starts, side="left")]
        valid = found >= 0
        valid &= timeline.unit[found] == timeline.unit[starts]
        valid &= timeline.time[found] - timeline.time[starts] <= window
        at[valid, step] = found[valid]
    never = np.iinfo(np.int64).max
    ordered = np.sort(np.where(at < 0, never, at), axis=1)
    reached = (ordered < never).sum(axis=1)
    chains = []
    for level in range(1, steps + 1):
        chain = ordered[reached >= level, :level]
        # Of windows that are complete at the same touchpoint the latest one took the shortest way.
        last = chain[:, -1]
        latest = np.append(last[1:] != last[:-1], True)[: len(last)]
        chains.append(chain[latest])
    return _furthest(timeline, chains)


def _exclude(timeline: Timeline, funnel: Funnel, attempts: _Attempts) -> tuple[_Attempts, int]:
    """Attempts without those an exclusion strikes out, and how many those are."""
    struck = np.zeros(len(attempts.unit), dtype=bool)
    window = int(funnel.window.total_seconds() * 1_000_000)
    for index, exclusion in enumerate(funnel.exclusions):
        places = np.flatnonzero(timeline.columns[f"excluded_{index}"])
        begun = np.flatnonzero(attempts.reached >= exclusion.after)
        if len(begun) == 0:
            continue
        begin = attempts.at[begun, exclusion.after - 1]
        finish = attempts.at[begun, exclusion.before - 1]
        limit = np.where(finish >= 0, timeline.time[finish], timeline.time[attempts.at[begun, 0]] + window + 1)
        found = _later(timeline, places, begin)
        hit = (found >= 0) & (timeline.unit[found] == timeline.unit[begin]) & (timeline.time[found] < limit)
        struck[begun[hit]] = True
    kept = ~struck
    return _Attempts(attempts.unit[kept], attempts.reached[kept], attempts.at[kept]), int(struck.sum())


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


def _values(connection: duckdb.DuckDBPyConnection, column: str) -> list[str]:
    """The values of a property with most touchpoints; what is rarer counts as `other`."""
    sql = f"""
        select {column}::varchar as value from marts.touchpoints
        where {column} is not null
        group by value
        order by count(*) desc, value
        limit {MOST_GROUPS}
    """
    return [row[0] for row in connection.execute(sql).fetchall()]


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
