from __future__ import annotations

import json
from itertools import combinations
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cdp.errors import InputError, NotFoundError
from identity.evaluation import evaluate, evaluate_warehouse, quality_without_truth, read_truth


def predicted(records: dict[str, str]) -> pa.Table:
    return pa.table(
        {
            "record_key": pa.array(list(records), pa.string()),
            "profile_id": pa.array(list(records.values()), pa.string()),
        }
    )


def truth(records: dict[str, str]) -> pa.Table:
    return pa.table(
        {
            "source": pa.array([key.partition(":")[0] for key in records], pa.string()),
            "source_record_id": pa.array([key.partition(":")[2] for key in records], pa.string()),
            "person_id": pa.array(list(records.values()), pa.string()),
        }
    )


def test_a_small_case_by_hand() -> None:
    found = evaluate(
        predicted({"sales:1": "a", "pos:1": "a", "pos:2": "a", "web:1": "b", "web:9": "c", "sales:2": "d"}),
        truth({"sales:1": "p", "pos:1": "p", "pos:2": "q", "web:1": "p", "sales:2": "r", "support:7": "r"}),
    )
    assert (found.scored, found.absent, found.unlabelled) == (5, 1, 1)
    assert (found.pairwise.found, found.pairwise.true, found.pairwise.correct) == (3, 3, 1)
    assert found.pairwise.precision == found.pairwise.recall == found.pairwise.f1 == pytest.approx(1 / 3)
    assert found.b_cubed.precision == pytest.approx((2 / 3 + 2 / 3 + 1 / 3 + 1 + 1) / 5)
    assert found.b_cubed.recall == pytest.approx((2 / 3 + 2 / 3 + 1 + 1 / 3 + 1) / 5)
    assert (found.exact_clusters, found.persons, found.profiles, found.max_cluster_size) == (1, 3, 3, 3)
    assert found.error_samples == {"joined": [("pos:1", "pos:2")], "missed": [("pos:1", "web:1")]}
    by_pair = {(pair.source_a, pair.source_b): (pair.found, pair.true, pair.correct) for pair in found.by_source_pair}
    assert by_pair == {
        ("pos", "pos"): (1, 0, 0),
        ("pos", "sales"): (2, 1, 1),
        ("pos", "web"): (0, 1, 0),
        ("sales", "web"): (0, 1, 0),
    }


def test_nothing_to_score() -> None:
    found = evaluate(predicted({}), truth({"sales:1": "p"}))
    assert (found.scored, found.absent, found.pairwise.f1, found.b_cubed.f1) == (0, 1, 1.0, 1.0)
    assert found.max_cluster_size == 0
    assert evaluate(predicted({"sales:1": "a"}), truth({})).unlabelled == 1


def test_json_has_the_promised_keys() -> None:
    result = evaluate(predicted({"sales:1": "a"}), truth({"sales:1": "p"})).to_json()
    assert {"precision", "recall", "f1"} <= set(result["pairwise"]) & set(result["b_cubed"])
    assert {"exact_clusters", "absent", "unlabelled", "scored", "by_source_pair", "error_samples"} <= set(result)
    json.dumps(result)


def slow(profiles: dict[str, str], persons: dict[str, str]) -> dict[str, float]:
    """The definitions, pair by pair and record by record."""
    both = sorted(profiles.keys() & persons.keys())
    pairs = list(combinations(both, 2))
    found = {pair for pair in pairs if profiles[pair[0]] == profiles[pair[1]]}
    true = {pair for pair in pairs if persons[pair[0]] == persons[pair[1]]}
    precision = recall = 0.0
    for record in both:
        cluster = {other for other in both if profiles[other] == profiles[record]}
        person = {other for other in both if persons[other] == persons[record]}
        precision += len(cluster & person) / len(cluster) / len(both)
        recall += len(cluster & person) / len(person) / len(both)
    clusters = {frozenset(r for r in both if profiles[r] == profile) for profile in set(profiles.values())}
    classes = {frozenset(r for r in both if persons[r] == person) for person in set(persons.values())}
    return {
        "precision": len(found & true) / len(found) if found else 1.0,
        "recall": len(found & true) / len(true) if true else 1.0,
        "b_precision": precision if both else 1.0,
        "b_recall": recall if both else 1.0,
        "exact": len((clusters & classes) - {frozenset()}),
        "absent": len(persons.keys() - profiles.keys()),
        "unlabelled": len(profiles.keys() - persons.keys()),
        "pos_sales": len({p for p in found if {key.partition(":")[0] for key in p} == {"pos", "sales"}}),
    }


keys = st.builds("{}:{}".format, st.sampled_from(["sales", "pos", "web"]), st.integers(1, 6))


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(keys, st.sampled_from("abcde"), max_size=14),
    st.dictionaries(keys, st.sampled_from("pqrst"), max_size=14),
)
def test_agrees_with_the_definitions(profiles: dict[str, str], persons: dict[str, str]) -> None:
    found, expected = evaluate(predicted(profiles), truth(persons)), slow(profiles, persons)
    assert found.pairwise.precision == pytest.approx(expected["precision"])
    assert found.pairwise.recall == pytest.approx(expected["recall"])
    assert found.b_cubed.precision == pytest.approx(expected["b_precision"])
    assert found.b_cubed.recall == pytest.approx(expected["b_recall"])
    assert (found.exact_clusters, found.absent, found.unlabelled) == (
        expected["exact"],
        expected["absent"],
        expected["unlabelled"],
    )
    by_pair = {(pair.source_a, pair.source_b): pair.found for pair in found.by_source_pair}
    assert by_pair.get(("pos", "sales"), 0) == expected["pos_sales"]
    assert sum(pair.found for pair in found.by_source_pair) == found.pairwise.found
    assert sum(pair.true for pair in found.by_source_pair) == found.pairwise.true
    assert sum(pair.correct for pair in found.by_source_pair) == found.pairwise.correct


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(keys, st.sampled_from("abcde"), min_size=1, max_size=14))
def test_a_perfect_resolution_scores_one(profiles: dict[str, str]) -> None:
    found = evaluate(predicted(profiles), truth(profiles))
    assert found.pairwise.f1 == found.b_cubed.f1 == 1.0
    assert found.exact_clusters == found.persons
    assert found.error_samples == {"joined": [], "missed": []}


def test_contradicting_and_malformed_tables_are_refused() -> None:
    twice = pa.table({"source": ["sales"] * 2, "source_record_id": ["1"] * 2, "person_id": ["p", "q"]})
    with pytest.raises(InputError, match="1 records have two different values of person_id"):
        evaluate(predicted({"sales:1": "a"}), twice)
    with pytest.raises(InputError, match="needs person_id"):
        evaluate(predicted({"sales:1": "a"}), predicted({"sales:1": "a"}))
    same = pa.table({"source": ["sales"] * 2, "source_record_id": ["1"] * 2, "person_id": ["p", "p"]})
    assert evaluate(predicted({"sales:1": "a"}), same).scored == 1


def test_truth_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no truth file"):
        read_truth(tmp_path / "none.csv")
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("source,record,person_id\nsales,1,p\n")
    columns = "must have the columns source, source_record_id, person_id; it has source, record, person_id"
    with pytest.raises(InputError, match=columns):
        read_truth(wrong)
    binary = tmp_path / "binary.csv"
    binary.write_bytes(b"\xff\xfe\x00\x00\x01" * 50)
    with pytest.raises(InputError):
        read_truth(binary)
    good = tmp_path / "good.csv"
    good.write_text("source,source_record_id,person_id,note\nsales,0012,p,x\n")
    assert read_truth(good).to_pylist() == [{"source": "sales", "source_record_id": "0012", "person_id": "p"}]


def test_before_the_first_run(tmp_path: Path) -> None:
    good = tmp_path / "good.csv"
    good.write_text("source,source_record_id,person_id\nsales,1,p\n")
    with duckdb.connect() as connection:
        with pytest.raises(NotFoundError):
            evaluate_warehouse(connection, good)
        with pytest.raises(NotFoundError):
            quality_without_truth(connection)


def test_the_warehouse(shop, tmp_path: Path) -> None:
    shop.populate(12)
    shop.add("pos", "other", first_name="Zacharias", last_name="Zylinder", birth_date="1970-05-05")
    shop.resolve()
    file = tmp_path / "persons.csv"
    rows = [
        f"{source},{record_id},{record_id[1:]}"
        for source, record_id in shop.rows("select source, source_record_id from identity.identity_map")
        if record_id != "other"
    ]
    file.write_text("\n".join(["source,source_record_id,person_id", *rows, "pos,gone,gone"]) + "\n")
    found = evaluate_warehouse(shop.connection, file)
    assert (found.scored, found.absent, found.unlabelled) == (len(rows), 1, 1)
    assert found.b_cubed.precision == 1.0
    measured = quality_without_truth(shop.connection)
    json.dumps(measured)
    assert measured["records"] == len(rows) + 1
    assert sum(measured["cluster_sizes"].values()) == measured["profiles"]
    assert measured["within_profile"]["birth_dates"]["2-3"] == 0
    assert measured["last_run"]["run_id"] == "run-001"
    assert measured["last_run"]["events"]["created"] == measured["profiles"]
    assert measured["last_run"]["changed_share"] == 0.0
