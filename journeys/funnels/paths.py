"""Paths: what people do after, before or between anchors, as the most travelled sequences and as flows per step.

The first anchor of each unit counts (a funnel takes the furthest attempt: the two differ by design). Sequences are
packed into integers, so counting them is one sort.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from cdp.errors import InputError
from journeys.funnels.definition import Paths
from journeys.funnels.names import ENTRIES, TOUCHPOINTS, Found, Names, bind, condition
from journeys.funnels.timeline import Hashes, Ints, Rows, Timeline, fetch
from journeys.measures import Frozen, Measure, Query, share
from journeys.naming import unknown
from journeys.scope import Scope

# A path that ends before its depth is filled up with this code.
END = 0


class Path(Frozen):
    """One sequence, anchors included, and the units that took it; `node` names the people behind."""

    steps: tuple[str, ...]
    ended: bool
    units: Measure
    share: Measure
    node: str


class Flow(Frozen):
    """Units that went from one step to the next between two positions of a path: a Sankey's band.

    `to_type` is empty (`from_type` in paths before an anchor) where the path ended there.
    """

    position: int
    from_type: str
    to_type: str
    units: Measure
    node: str


class PathsResult(Frozen):
    """The most travelled paths, the flows of all of them, and how many units had the anchor."""

    paths: tuple[Path, ...]
    flows: tuple[Flow, ...]
    anchored: Measure
    queries: dict[str, Query]


@dataclass(frozen=True)
class _Run:
    """Paths that were followed: codes by anchored unit and position, whether they ended, the person behind each."""

    matrix: NDArray[Any]
    ended: NDArray[Any]
    people: Hashes
    labels: dict[int, str]
    anchored: int
    units: int
    query: Query


def count(connection: duckdb.DuckDBPyConnection, scope: Scope, question: Paths) -> PathsResult:
    """Paths of the people in scope."""
    run = _run(connection, scope, question)
    backward = question.start is None
    return PathsResult(
        paths=_ranked(run, question.limit, backward=backward),
        flows=_flows(run.matrix, run.labels, backward=backward),
        anchored=Measure(value=run.anchored, n=run.units, unit="units", query="paths"),
        queries={"paths": run.query, **scope.traces},
    )


def people(connection: duckdb.DuckDBPyConnection, scope: Scope, question: Paths, node: str) -> Hashes:
    """Hashes of the people behind a listed path (`path.1`), a band (`flow.1.home>product`) or a step (`at.2.cart`).

    Positions of paths before an anchor are negative, the anchor is position 1 (or -1). InputError for anything else.
    """
    run = _run(connection, scope, question)
    backward = question.start is None
    kind, _, rest = node.partition(".")
    number, _, name = rest.partition(".")
    try:
        position = int(number)
        chosen = {"path": _on_path, "at": _at, "flow": _on_flow}[kind](run, question, position, name)
    except (ValueError, KeyError, IndexError):
        raise InputError(
            f"`{node[:80]}` is no node of these paths: write path.N as listed, at.POSITION.NAME or "
            f"flow.POSITION.FROM>TO{' with negative positions' if backward else ''}."
        ) from None
    return np.unique(run.people[chosen])


def _on_path(run: _Run, question: Paths, position: int, name: str) -> NDArray[Any]:
    del name
    packed, _, _, order = _counted(run)
    return np.asarray(packed == np.unique(packed)[order[: question.limit][_from_one(position)]])


def _at(run: _Run, question: Paths, position: int, name: str) -> NDArray[Any]:
    return np.asarray(_column(run, question, position) == _code(run, name))


def _on_flow(run: _Run, question: Paths, position: int, name: str) -> NDArray[Any]:
    for cut in (index for index, character in enumerate(name) if character == ">"):
        left, right = name[:cut], name[cut + 1 :]
        if {left, right} <= set(run.labels.values()):
            ends = (right, left) if question.start is None else (left, right)
            here, following = (_code(run, end) for end in ends)
            further = position + (-1 if question.start is None else 1)
            first, second = _column(run, question, position), _column(run, question, further)
            return np.asarray((first == here) & (second == following))
    raise KeyError(name)


def _column(run: _Run, question: Paths, position: int) -> NDArray[Any]:
    return np.asarray(run.matrix[:, _from_one(-position if question.start is None else position)])


def _from_one(number: int) -> int:
    if number < 1:
        raise IndexError(number)
    return number - 1


def _code(run: _Run, name: str) -> int:
    return next(code for code, label in run.labels.items() if label == name) if name in run.labels.values() else -1


def _run(connection: duckdb.DuckDBPyConnection, scope: Scope, question: Paths) -> _Run:
    question.checked()
    names, values = Names(connection), dict[str, Any]()
    anchors = {
        key: names.find(step)
        for key, step in (("start_anchor", question.start), ("end_anchor", question.end))
        if step is not None
    }
    staged = any(anchor.has_stages for anchor in anchors.values())
    if question.of == "stage" and any(anchor.has_touchpoints for anchor in anchors.values()):
        raise InputError("Paths of stages begin and end with stages; leave `of` out for paths of touchpoints.")
    if staged and question.unit == "visit":
        raise InputError("Stages are entered by people, so paths from a stage count profiles, not visits.")
    kinds = _kinds(connection, question, anchors)
    values["kinds"] = kinds

    def rows(alias: str) -> Rows:
        tests = {key: f"({condition(anchor, alias, values)})" for key, anchor in anchors.items()}
        whole = question.of == "stage" or alias == TOUCHPOINTS
        label = _LABEL[question.of] if whole else _LABEL["anchor"]
        shown = "true" if whole else "false"
        if whole and question.hide:
            shown = f"not list_contains({bind(list(question.hide), values)}, {label})"
        keep = None if shown == "true" else " or ".join([shown, *tests.values()])
        columns = {"kind": f"coalesce(list_position($kinds, {label}), 0)::usmallint", "shown": f"({shown})", **tests}
        return Rows(columns, keep=None if question.unit == "visit" else keep)

    timeline, query = fetch(
        connection,
        scope,
        values,
        touchpoints=rows(TOUCHPOINTS) if question.of != "stage" else None,
        entries=rows(ENTRIES) if staged else None,
        visits=question.unit == "visit",
    )
    timeline = _thin(timeline, collapse=question.collapse)
    matrix, ended, units, anchored = _sequences(timeline, question)
    labels = {END: "", **{index + 1: kind for index, kind in enumerate(kinds)}}
    return _Run(matrix, ended, timeline.people[units], labels, anchored, timeline.units, query)


# What a step of a path is called, by the node of the question; the anchor of another kind is marked as a stage.
_LABEL = {
    "touchpoint_type": "t.touchpoint_type",
    "event_name": "coalesce(t.event_name, 'unknown')",
    "channel": "coalesce(t.channel, 'unknown')",
    "stage": "e.stage",
    "anchor": "'stage:' || e.stage",
}


def _kinds(connection: duckdb.DuckDBPyConnection, question: Paths, anchors: dict[str, Found]) -> list[str]:
    table = "marts.stage_episodes as e" if question.of == "stage" else "marts.touchpoints as t"
    rows = connection.execute(f"select distinct {_LABEL[question.of]} as kind from {table} order by kind").fetchall()
    kinds = [row[0] for row in rows]
    held = {name for anchor in anchors.values() for names in anchor.names.values() for name in names}
    for hidden in question.hide:
        if hidden in held:
            raise InputError(f"`{hidden}` is an anchor of these paths, so it cannot be hidden.")
        if hidden not in kinds:
            raise InputError(unknown(f"{question.of.replace('_', ' ')} to hide", hidden, kinds))
    if question.of == "stage":
        return kinds
    return kinds + sorted({f"stage:{stage}" for anchor in anchors.values() for stage in anchor.names.get("stage", ())})


def _thin(timeline: Timeline, *, collapse: bool) -> Timeline:
    """Without hidden touchpoints, and with repeats of the same type collapsed into their first."""
    kept = timeline.columns["shown"].astype(bool)
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
    return Timeline(timeline.unit[kept], timeline.time[kept], rank, columns, timeline.people)


def _sequences(timeline: Timeline, question: Paths) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], int]:
    """Codes of each path (paths x depth, END-filled), whether it ended, its unit, and how many units had the anchor."""
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
    anchored, units = len(anchors), timeline.unit[anchors]
    if not backward and question.end is not None:
        inside, ended, kept = _until_end(timeline, grid, inside, question.depth)
        grid, inside, ended, units = grid[kept], inside[kept], ended[kept], units[kept]
    codes = np.where(inside, timeline.columns["kind"][grid], END)
    if question.end is None or backward:
        ended = ~inside[:, -1]
    return codes, ended, units, anchored


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


def _counted(run: _Run) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The packed path of each unit; of the distinct ones the first place, the units, and the order to list them in."""
    packed = _pack(run.matrix, run.ended, len(run.labels))
    codes, first, units = np.unique(packed, return_index=True, return_counts=True)
    return packed, first, units, np.lexsort((codes, -units))


def _ranked(run: _Run, limit: int, *, backward: bool) -> tuple[Path, ...]:
    if len(run.matrix) == 0:
        return ()
    _, first, units, order = _counted(run)
    ranked = []
    for rank, index in enumerate(order[:limit], start=1):
        row = [run.labels[int(code)] for code in run.matrix[first[index]] if code != END]
        hits = int(units[index])
        ranked.append(
            Path(
                steps=tuple(reversed(row)) if backward else tuple(row),
                ended=bool(run.ended[first[index]]),
                units=Measure(value=hits, n=len(run.matrix), unit="units", query="paths"),
                share=share(hits, len(run.matrix), "share of units", "paths"),
                node=f"path.{rank}",
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
            place = -position - 1 if backward else position + 1
            begin, finish = ends[::-1] if backward else ends
            flows.append(
                Flow(
                    position=place,
                    from_type=begin,
                    to_type=finish,
                    node=f"flow.{place}.{begin}>{finish}",
                    units=Measure(value=int(hits), n=len(matrix), unit="units", query="paths"),
                )
            )
    return tuple(flows)
