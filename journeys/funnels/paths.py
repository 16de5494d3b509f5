"""Paths: what people do after, before or between anchors, as the most travelled sequences and as flows per step.

The first anchor of each unit counts (a funnel takes the furthest attempt: the two differ by design). Sequences are
packed into integers, so counting them is one sort.
"""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from journeys.funnels.definition import Paths
from journeys.funnels.timeline import Ints, Names, Timeline, fetch, matches
from journeys.measures import Frozen, Measure, Query, share
from journeys.scope import Scope

# A path that ends before its depth is filled up with this code.
END = 0


class Path(Frozen):
    """One sequence of touchpoint types, anchors included, and the units that took it."""

    steps: tuple[str, ...]
    ended: bool
    units: Measure
    share: Measure


class Flow(Frozen):
    """Units that went from one touchpoint type to the next between two positions of a path: a Sankey's band."""

    position: int
    from_type: str
    to_type: str
    units: Measure


class PathsResult(Frozen):
    """The most travelled paths, the flows of all of them, and how many units had the anchor."""

    paths: tuple[Path, ...]
    flows: tuple[Flow, ...]
    anchored: Measure
    queries: dict[str, Query]


def count(connection: duckdb.DuckDBPyConnection, scope: Scope, question: Paths) -> PathsResult:
    """Paths of the people in scope."""
    question.checked()
    kinds = _kinds(connection, question.hide)
    names, values = Names(connection), dict[str, Any]()
    anchors = {
        key: f"({matches(names, step, values)})"
        for key, step in (("start_anchor", question.start), ("end_anchor", question.end))
        if step is not None
    }
    values["kinds"] = kinds
    columns = {"kind": "coalesce(list_position($kinds, t.touchpoint_type), 0)::usmallint", **anchors}
    visits = question.unit == "visit"
    keep = " or ".join(["list_contains($kinds, t.touchpoint_type)", *anchors.values()]) if question.hide else None
    timeline, query = fetch(connection, scope, columns, values, keep=None if visits else keep, visits=visits)
    timeline = _thin(timeline, collapse=question.collapse)
    matrix, ended, anchored = _sequences(timeline, question)
    labels = {END: "", **{index + 1: kind for index, kind in enumerate(kinds)}}
    return PathsResult(
        paths=_ranked(matrix, ended, labels, question.limit, backward=question.start is None),
        flows=_flows(matrix, labels, backward=question.start is None),
        anchored=Measure(value=anchored, n=timeline.units, unit="units", query="paths"),
        queries={"paths": query},
    )


def _kinds(connection: duckdb.DuckDBPyConnection, hidden: tuple[str, ...]) -> list[str]:
    rows = connection.execute("select distinct touchpoint_type from marts.touchpoints order by 1").fetchall()
    return [row[0] for row in rows if row[0] not in hidden]


def _thin(timeline: Timeline, *, collapse: bool) -> Timeline:
    """Without hidden touchpoints, and with repeats of the same type collapsed into their first."""
    kind = timeline.columns["kind"]
    kept = kind > 0
    for name in ("start_anchor", "end_anchor"):
        if name in timeline.columns:
            kept |= timeline.columns[name].astype(bool)
    if not kept.all():
        timeline = _pick(timeline, kept)
    if collapse and len(timeline.unit):
        kind = timeline.columns["kind"]
        same = (kind[1:] == kind[:-1]) & (timeline.unit[1:] == timeline.unit[:-1])
        for name in ("start_anchor", "end_anchor"):
            if name in timeline.columns:
                flag = timeline.columns[name]
                same &= flag[1:] == flag[:-1]
        timeline = _pick(timeline, np.append(True, ~same))
    return timeline


def _pick(timeline: Timeline, kept: NDArray[Any]) -> Timeline:
    columns = {name: column[kept] for name, column in timeline.columns.items()}
    rank = None if timeline.rank is None else timeline.rank[kept]
    return Timeline(timeline.unit[kept], timeline.time[kept], rank, columns, timeline.units)


def _sequences(timeline: Timeline, question: Paths) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Codes of each anchored unit's path (units x depth, END-filled), whether it ended, how many had the anchor."""
    backward = question.start is None
    flags = timeline.columns["end_anchor" if backward else "start_anchor"].astype(bool)
    places = np.flatnonzero(flags)
    _, first = np.unique(timeline.unit[places], return_index=True)
    anchors = places[first]
    offsets = np.arange(question.depth) * (-1 if backward else 1)
    grid = anchors[:, None] + offsets[None, :]
    inside = (grid >= 0) & (grid < len(timeline.unit))
    grid = np.clip(grid, 0, max(len(timeline.unit) - 1, 0))
    inside &= timeline.unit[grid] == timeline.unit[anchors][:, None]
    if question.window is not None:
        limit = int(question.window.total_seconds() * 1_000_000)
        inside &= np.abs(timeline.time[grid] - timeline.time[anchors][:, None]) <= limit
    ended = np.zeros(len(anchors), dtype=bool)
    anchored = len(anchors)
    if not backward and question.end is not None:
        inside, ended, kept = _until_end(timeline, grid, inside, question.depth)
        grid, inside, ended = grid[kept], inside[kept], ended[kept]
    codes = np.where(inside, timeline.columns["kind"][grid], END)
    if question.end is None or backward:
        ended = ~inside[:, -1]
    return codes, ended, anchored


def _until_end(
    timeline: Timeline, grid: NDArray[Any], inside: NDArray[Any], depth: int
) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Cuts sequences behind the first end anchor after the start; those without one within the depth are dropped."""
    hits = timeline.columns["end_anchor"].astype(bool)[grid] & inside
    hits[:, 0] = False
    found = hits.any(axis=1)
    last = np.where(found, hits.argmax(axis=1), depth)
    inside = inside & (np.arange(depth)[None, :] <= last[:, None])
    return inside, found, found


def _ranked(
    matrix: NDArray[Any], ended: NDArray[Any], labels: dict[int, str], limit: int, *, backward: bool
) -> tuple[Path, ...]:
    if len(matrix) == 0:
        return ()
    packed = _pack(matrix, ended, len(labels))
    codes, first, units = np.unique(packed, return_index=True, return_counts=True)
    order = np.lexsort((codes, -units))[:limit]
    ranked = []
    for index in order:
        row = [labels[int(code)] for code in matrix[first[index]] if code != END]
        hits = int(units[index])
        ranked.append(
            Path(
                steps=tuple(reversed(row)) if backward else tuple(row),
                ended=bool(ended[first[index]]),
                units=Measure(value=hits, n=len(matrix), unit="units", query="paths"),
                share=share(hits, len(matrix), "share of units", "paths"),
            )
        )
    return tuple(ranked)


def _pack(matrix: NDArray[Any], ended: NDArray[Any], base: int) -> NDArray[Any]:
    """One number per row. Ten positions of up to 80 types fit 64 bits; beyond that rows are numbered by sorting."""
    if base ** matrix.shape[1] * 2 < 2**63:
        packed: Ints = np.zeros(len(matrix), dtype=np.int64)
        for column in matrix.T:
            packed = packed * base + column
        return np.asarray(packed * 2 + ended, dtype=np.int64)
    _, numbers = np.unique(np.column_stack([matrix, ended]), axis=0, return_inverse=True)
    return np.asarray(numbers, dtype=np.int64).reshape(-1)


def _flows(matrix: NDArray[Any], labels: dict[int, str], *, backward: bool) -> tuple[Flow, ...]:
    flows = []
    base = len(labels)
    for position in range(matrix.shape[1] - 1):
        left, right = matrix[:, position].astype(np.int64), matrix[:, position + 1]
        pairs = (left * base + right)[left != END]
        codes, units = np.unique(pairs, return_counts=True)
        for code, hits in zip(codes, units, strict=True):
            ends = labels[int(code) // base], labels[int(code) % base]
            flows.append(
                Flow(
                    position=-position - 1 if backward else position + 1,
                    from_type=ends[1] if backward else ends[0],
                    to_type=ends[0] if backward else ends[1],
                    units=Measure(value=int(hits), n=len(matrix), unit="units", query="paths"),
                )
            )
    return tuple(flows)
