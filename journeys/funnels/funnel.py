"""Counts a funnel: who gets how far, how long it takes, by which property.

All attempts advance together, one step at a time: each looks up the next touchpoint of the step. Attempts that arrive
at the same touchpoint go on as one, the latest of them, which has most of the window left; so the work shrinks from
step to step and is a few passes over the arrays.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.funnels.definition import Breakdown, Funnel
from journeys.funnels.names import ENTRIES, TOUCHPOINTS, Names, condition, mask
from journeys.funnels.timeline import Flags, Hashes, Ints, Rows, Timeline, fetch
from journeys.measures import Frozen, Measure, Query, share
from journeys.naming import unknown
from journeys.scope import Scope

MOST_GROUPS = 20
# Groups of a breakdown that are no value of it, and attempts that belong to none.
OTHER, UNKNOWN, NOWHERE = 0, -1, -2
_NODE = re.compile(r"^(?:step\.(?P<step>\d{1,2})\.(?P<what>reached|dropped)(?:@(?P<group>.+))?|(?P<struck>excluded))$")


class StepResult(Frozen):
    """One step: units that got this far, as a share of step 1 and of the step before, and the median way from there.

    `dropped` are those who reached the step before and not this one. `node` with `.reached` or `.dropped` (those who
    stopped here) names the people behind.
    """

    name: str
    node: str
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


@dataclass(frozen=True)
class _Run:
    """A funnel that has run: attempts that count, those that an exclusion struck out, values of the breakdown."""

    timeline: Timeline
    attempts: _Attempts
    struck: Ints
    groups: list[str]
    query: Query


def count(connection: duckdb.DuckDBPyConnection, scope: Scope, funnel: Funnel) -> FunnelResult:
    """The funnel over the people in scope."""
    run = _run(connection, scope, funnel)
    timeline, attempts = run.timeline, run.attempts
    names = [step.title for step in funnel.steps]
    started, excluded = len(attempts.unit), len(run.struck)
    whole = attempts.at[attempts.reached == len(funnel.steps)]
    spans = timeline.time[whole[:, -1]] - timeline.time[whole[:, 0]]
    return FunnelResult(
        steps=_results(timeline, attempts, names),
        conversion=share(len(whole), started, "share of units", "funnel"),
        median_seconds=_median(spans),
        excluded=Measure(value=excluded, n=started + excluded, unit="units", query="funnel"),
        groups=_grouped(run, funnel.breakdown, names) if funnel.breakdown else {},
        queries={"funnel": run.query, **scope.traces},
    )


def people(connection: duckdb.DuckDBPyConnection, scope: Scope, funnel: Funnel, node: str) -> Hashes:
    """Hashes of the people behind a number: `step.2.reached`, `step.2.dropped@mobile` of one group, `excluded`.

    InputError for what is no node of this funnel.
    """
    found = _NODE.match(node)
    step = int(found["step"] or 0) if found else 0
    last = len(funnel.steps) - (found is not None and found["what"] == "dropped")
    if found is None or not (found["struck"] or 1 <= step <= last):
        raise InputError(
            f"`{node[:80]}` is no number of this funnel: write step.N.reached (N up to {len(funnel.steps)}), "
            f"step.N.dropped (N up to {len(funnel.steps) - 1}), with @VALUE of the breakdown, or excluded."
        )
    run = _run(connection, scope, funnel)
    if found["struck"]:
        return run.timeline.people[np.unique(run.struck)]
    attempts = run.attempts
    chosen = attempts.reached >= step if found["what"] == "reached" else attempts.reached == step
    if found["group"] is not None:
        chosen &= _group_of(run, funnel, found["group"])
    return np.unique(run.timeline.people[attempts.unit[chosen]])


def _group_of(run: _Run, funnel: Funnel, value: str) -> Flags:
    if funnel.breakdown is None:
        raise InputError(f"This funnel has no breakdown, so there is no group `{value[:60]}`.")
    codes = _codes(run, funnel.breakdown)
    labels = {label: code for code, label in _labels(run.groups).items() if code in codes}
    if value not in labels:
        raise InputError(unknown("group", value, labels))
    return np.asarray(codes == labels[value], dtype=np.bool_)


def _run(connection: duckdb.DuckDBPyConnection, scope: Scope, funnel: Funnel) -> _Run:
    funnel.checked()
    names = Names(connection)
    steps = [names.find(step) for step in funnel.steps]
    exclusions = [names.find(exclusion) for exclusion in funnel.exclusions]
    everything = [*steps, *exclusions]
    if funnel.unit == "visit" and any(each.has_stages for each in everything):
        raise InputError("Stages are entered by people, so a funnel with stages counts profiles, not visits.")
    values: dict[str, Any] = {}
    split = funnel.breakdown
    groups = _values(connection, names.require_property(split.by)) if split else []
    if split:
        values["groups"] = groups

    def rows(alias: str) -> Rows:
        mask_of_steps, matching = mask(steps, alias, values)
        tests = [condition(each, alias, values) for each in exclusions]
        columns = {"steps": mask_of_steps}
        columns |= {f"excluded_{index}": f"({test})" for index, test in enumerate(tests)}
        if split:
            columns["property"] = _property(split, alias)
        whole = funnel.mode == "strict" or funnel.unit == "visit"
        return Rows(columns, keep=None if whole else " or ".join([matching, *tests]))

    timeline, query = fetch(
        connection,
        scope,
        values,
        touchpoints=rows(TOUCHPOINTS) if any(each.has_touchpoints for each in everything) else None,
        entries=rows(ENTRIES) if any(each.has_stages for each in everything) else None,
        visits=funnel.unit == "visit",
    )
    attempts, struck = _exclude(timeline, funnel, _follow(timeline, funnel))
    return _Run(timeline, attempts, struck, groups, query)


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


def _exclude(timeline: Timeline, funnel: Funnel, attempts: _Attempts) -> tuple[_Attempts, Ints]:
    """Attempts without those an exclusion strikes out, and the units of those."""
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
    rest = _Attempts(attempts.unit[kept], attempts.reached[kept], attempts.at[kept])
    return rest, attempts.unit[struck].astype(np.int64)


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
                node=f"step.{index + 1}",
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


def _property(split: Breakdown, alias: str) -> str:
    """The number of a row's group: its place in the list, OTHER when it is rarer, UNKNOWN without a value.

    Entering a stage has the property of the touchpoint of that moment, which brought the person there.
    """
    value = f"t.{split.by}::varchar"
    if alias == ENTRIES:
        value = (
            f"(select min({value}) from marts.touchpoints as t "
            "where t.profile_id = e.profile_id and t.occurred_at = e.entered_at)"
        )
    return f"coalesce(list_position($groups, {value}), if({value} is null, {UNKNOWN}, {OTHER}))::integer"


def _labels(groups: list[str]) -> dict[int, str]:
    return {OTHER: "other", UNKNOWN: "unknown", **{index + 1: value for index, value in enumerate(groups)}}


def _codes(run: _Run, split: Breakdown) -> Ints:
    """The group of every attempt that counts; NOWHERE where the step that decides was not reached."""
    attempts = run.attempts
    if split.at == "first":
        place = attempts.at[:, 0]
    elif split.at == "last":
        place = np.take_along_axis(attempts.at, (attempts.reached - 1)[:, None], axis=1)[:, 0]
    else:
        place = attempts.at[:, (split.step or 1) - 1]
    if len(run.timeline.unit) == 0:
        return np.empty(0, dtype=np.int64)
    return np.where(place >= 0, run.timeline.columns["property"][place], NOWHERE).astype(np.int64)


def _grouped(run: _Run, split: Breakdown, names: list[str]) -> dict[str, tuple[StepResult, ...]]:
    """The funnel by value, the most frequent value first."""
    codes = _codes(run, split)
    labels = _labels(run.groups)
    found, sizes = np.unique(codes[codes != NOWHERE], return_counts=True)
    ranked = found[np.argsort(-sizes, kind="stable")]
    return {labels[int(code)]: _results(run.timeline, run.attempts, names, codes == code) for code in ranked}
