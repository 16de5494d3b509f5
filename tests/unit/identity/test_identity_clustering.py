"""Clustering holds its promises for any graph: constraints, order, and nothing joined without evidence."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity import clustering
from identity.clustering import CONTRADICTED, NEVER, ONE_PER_SOURCE, TOO_LARGE, Graph
from identity.config import MatchConfig

CONFIG = MatchConfig(cluster_cap=6)


def graph_of(size, edges, source=None, always=(), never=()):
    edges = sorted((min(a, b), max(a, b), w) for a, b, w in edges)
    return Graph(
        size=size,
        source=np.array(source if source is not None else [-1] * size, dtype=np.int64),
        a=np.array([a for a, _, _ in edges], dtype=np.int64),
        b=np.array([b for _, b, _ in edges], dtype=np.int64),
        weight=np.array([w for _, _, w in edges], dtype=float),
        always=np.array(sorted(always), dtype=np.int64).reshape(-1, 2),
        never=np.array(sorted(never), dtype=np.int64).reshape(-1, 2),
    )


def clustered(graph, config=CONFIG):
    component = clustering.components(graph, config.join_weight)
    tense = clustering.contradicted(graph, component, [], config)
    return clustering.cluster(graph, tense, component, config)


@st.composite
def graphs(draw):
    size = draw(st.integers(2, 14))
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    chosen = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=40))
    weights = draw(st.lists(st.floats(-12, 15).map(lambda w: round(w, 2)), min_size=len(chosen), max_size=len(chosen)))
    source = draw(st.lists(st.integers(-1, 2), min_size=size, max_size=size))
    never = draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    edges = [(a, b, w) for (a, b), w in zip(chosen, weights, strict=True)]
    return size, edges, source, never


@given(graphs())
@settings(max_examples=300, deadline=None)
def test_constraints_hold_and_clusters_are_connected(case):
    size, edges, source, never = case
    graph = graph_of(size, edges, source, never=never)
    result = clustered(graph)
    members = {label: np.flatnonzero(result.label == label).tolist() for label in set(result.label.tolist())}
    component = clustering.components(graph, CONFIG.join_weight)
    for label, records in members.items():
        assert label == min(records)
        assert len(set(component[records])) == 1
        assert len(records) <= CONFIG.cluster_cap
        unique = [source[r] for r in records if source[r] >= 0]
        assert len(unique) == len(set(unique))
    for a, b in never:
        assert result.label[a] != result.label[b]
    refused = {position for position, _ in result.refused}
    for position, weight in enumerate(graph.weight):
        apart = result.label[graph.a[position]] != result.label[graph.b[position]]
        assert (position in refused) == (apart and weight >= CONFIG.join_weight)


@given(graphs(), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_renaming_and_shuffling_change_nothing(case, rng):
    """Records are numbered by their keys, so only edges and links can come in another order."""
    size, edges, source, never = case
    shuffled, turned = list(edges), list(never)
    rng.shuffle(shuffled)
    rng.shuffle(turned)
    flipped = [(b, a, w) for a, b, w in shuffled]
    one = clustered(graph_of(size, edges, source, never=never))
    other = clustered(graph_of(size, flipped, source, never=turned))
    assert one.label.tolist() == other.label.tolist()
    assert one.refused == other.refused


@given(graphs())
@settings(max_examples=100, deadline=None)
def test_a_component_alone_is_clustered_as_among_others(case):
    """Only touched components are redone: the rest of the graph must not matter."""
    size, edges, source, never = case
    whole = clustered(graph_of(size, edges, source, never=never))
    graph = graph_of(size, edges, source, never=never)
    component = clustering.components(graph, CONFIG.join_weight)
    for root in set(component.tolist()):
        records = np.flatnonzero(component == root).tolist()
        number = {record: place for place, record in enumerate(records)}
        part = clustered(
            graph_of(
                len(records),
                [(number[a], number[b], w) for a, b, w in edges if a in number and b in number],
                [source[r] for r in records],
                never=[(number[a], number[b]) for a, b in never if a in number and b in number],
            )
        )
        assert [records[label] for label in part.label] == whole.label[records].tolist()


@given(graphs(), st.data())
@settings(max_examples=100, deadline=None)
def test_always_links_hold_against_everything_but_never(case, data):
    size, edges, source, _ = case
    pairs = [(a, b) for a in range(size) for b in range(a + 1, size)]
    always = data.draw(st.lists(st.sampled_from(pairs), unique=True, max_size=4))
    result = clustered(graph_of(size, edges, source, always=always))
    for a, b in always:
        assert result.label[a] == result.label[b]


def test_without_contradiction_a_component_is_one_person():
    result = clustered(graph_of(4, [(0, 1, 3.0), (1, 2, 2.0)]))
    assert result.label.tolist() == [0, 0, 0, 3]
    assert result.refused == []


def test_best_first_wins_where_a_source_keeps_a_person_once():
    result = clustered(graph_of(3, [(0, 2, 2.0), (1, 2, 9.0)], source=[0, 0, 1]))
    assert result.label.tolist() == [0, 1, 1]
    assert result.refused == [(0, ONE_PER_SOURCE)]


def test_a_weak_edge_does_not_join_groups_that_contradict_each_other():
    edges = [(0, 1, 9.0), (2, 3, 9.0), (1, 2, 1.0), (0, 2, -6.0), (0, 3, -6.0), (1, 3, -6.0)]
    result = clustered(graph_of(4, edges))
    assert result.label.tolist() == [0, 0, 2, 2]
    assert [reason for _, reason in result.refused] == [CONTRADICTED]


def test_a_chain_stops_at_the_cap():
    result = clustered(graph_of(9, [(n, n + 1, 5.0) for n in range(8)]))
    assert max(np.bincount(result.label)) <= CONFIG.cluster_cap
    assert {reason for _, reason in result.refused} == {TOO_LARGE}


def test_a_never_link_holds_when_a_bridge_appears():
    edges = [(0, 1, 4.0), (0, 2, 9.0), (1, 2, 8.0)]
    result = clustered(graph_of(3, edges, never=[(0, 1)]))
    assert result.label[0] != result.label[1]
    assert result.label[2] == result.label[0]
    assert NEVER in [reason for _, reason in result.refused]


def test_fifty_orders_of_a_crowded_component_agree():
    rng = random.Random(7)
    edges = [(a, b, rng.uniform(-8, 10)) for a in range(30) for b in range(a + 1, 30) if rng.random() < 0.4]
    source = [rng.randint(-1, 3) for _ in range(30)]
    config = replace(CONFIG, cluster_cap=8)
    expected = clustered(graph_of(30, edges, source), config).label.tolist()
    for _ in range(50):
        rng.shuffle(edges)
        assert clustered(graph_of(30, edges, source), config).label.tolist() == expected


@pytest.mark.parametrize("size", [0, 1])
def test_nothing_to_cluster(size):
    result = clustered(graph_of(size, []))
    assert result.label.tolist() == list(range(size))


def test_standing_marks_what_only_a_name_holds():
    graph = graph_of(6, [(0, 1, 8.0), (1, 2, 3.0), (3, 4, 2.0)])
    result = clustered(graph)
    standing = clustering.standing(graph, result.label, np.array([False, True, True]), CONFIG.join_weight)
    assert standing.provisional.tolist() == [False, False, True, True, True, False]
    assert standing.confidence[0] == pytest.approx(1 / (1 + 2**-8))
    assert standing.confidence[2] == pytest.approx(1 / (1 + 2**-3))
    assert standing.confidence[5] == 1.0
