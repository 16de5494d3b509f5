from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings

from segments import compiler
from segments.document import parse
from segments.errors import DefinitionError
from segments.evaluate import evaluate_all
from segments.gate import Gate
from segments.preview import DropOff, Overlap, preview
from tests.unit.segments.segment_reference import World, allowed, members
from tests.unit.segments.segment_strategies import closed_trees, worlds

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def segment(where: Any, key: str = "tested", **more: Any) -> Any:
    return parse({"key": key, "title": key.title(), "where": where, **more})


@pytest.fixture
def people(marts: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    marts.execute(
        "INSERT INTO marts.profiles (profile_id, first_name, last_name, country, email, phone, street, postcode,"
        " purchases, marketing_consent, unsubscribed) VALUES"
        " ('a', 'Ada', 'Lovelace', 'DE', 'ada@lovelace.co.uk', NULL, 'Weg 1', '1', 3, true, false),"
        " ('b', 'Bob', NULL, 'DE', 'bob@secret-company.de', '+49', NULL, NULL, 3, true, true),"
        " ('c', 'Cem', 'Can', 'DE', NULL, '+49', NULL, NULL, 1, true, NULL),"
        " ('d', NULL, NULL, 'FR', NULL, NULL, NULL, NULL, 3, NULL, NULL)"
    )
    return marts


def test_every_count_of_a_preview(people: duckdb.DuckDBPyConnection) -> None:
    buyers = segment("trait.purchases >= 3", "buyers")
    german = segment("trait.country = 'DE' and (trait.purchases >= 3 or trait.email is missing)")

    found = preview(people, german, as_of=AS_OF, library={"buyers": buyers}, overlap=["buyers"])

    assert (found.profiles, found.size, found.share, found.exportable) == (4, 3, 0.75, 2)
    assert found.reachable == {"email": 1, "phone": 1, "post": 1}
    assert found.drop_off == (
        DropOff("where.of[0]", "whose country is “DE”", 3, 3, 1),
        DropOff("where.of[1]", "whose purchases are at least 3 or whose email is missing", 4, 3, 0),
    )
    assert found.overlap == (Overlap("buyers", "Buyers", 3, 2),)
    assert found.seconds > 0
    assert found.rows_scanned == 4, "everybody is looked at once"


def test_many_conditions_cost_in_proportion(people: duckdb.DuckDBPyConnection) -> None:
    def size(conditions: int) -> int:
        found = preview(
            people, segment(" and ".join(f"trait.purchases != {one + 4}" for one in range(conditions))), as_of=AS_OF
        )
        assert [found.size, *(one.remaining for one in found.drop_off)] == [4] * (conditions + 1)
        return len(asked.pop())

    asked: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        compiled = compiler.text
        patch.setattr(compiler, "text", lambda query: asked.append(compiled(query)) or asked[-1])
        assert size(200) < 2.5 * size(100)


def test_the_sample_shows_only_exportable_people_and_masks_them(people: duckdb.DuckDBPyConnection) -> None:
    found = preview(people, segment("trait.country = 'DE'"), as_of=AS_OF)

    assert [(row["profile_id"], row["initials"], row["email"]) for row in found.sample] == [
        ("a", "AL", "a***@***.uk"),
        ("c", "CC", None),
    ]
    assert "lovelace" not in str(found).lower()
    assert len(preview(people, segment("trait.country = 'DE'"), as_of=AS_OF, sample=1).sample) == 1
    assert preview(people, segment("trait.country = 'DE'"), as_of=AS_OF, sample=0).sample == ()


def test_a_ledger_rules_the_preview_too(people: duckdb.DuckDBPyConnection) -> None:
    said = "(VALUES ('b', 'given'), ('a', 'refused'), ('c', 'unknown')) AS said(profile_id, state)"
    people.execute(
        f"CREATE TABLE ledger AS SELECT profile_id, 'marketing' AS purpose, state, 'ledger' AS decided_by FROM {said}"
    )
    found = preview(people, segment("trait.country = 'DE'"), as_of=AS_OF, gate=Gate("ledger"))
    assert found.exportable == 1
    assert [row["profile_id"] for row in found.sample] == ["b"]


def test_overlap_with_a_segment_that_is_not_there(people: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(DefinitionError, match="there is no segment gone"):
        preview(people, segment("everyone"), as_of=AS_OF, overlap=["gone"])


def test_an_empty_snapshot(marts: duckdb.DuckDBPyConnection) -> None:
    found = preview(marts, segment("everyone"), as_of=AS_OF)
    assert (found.profiles, found.size, found.share, found.sample) == (0, 0, 0.0, ())


def test_a_preview_of_unknown_names_says_so(marts: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(DefinitionError, match="there is no event Order"):
        preview(marts, segment("event('Order')"), as_of=AS_OF)


def test_the_same_question_has_the_same_answer(people: duckdb.DuckDBPyConnection) -> None:
    definition = segment("sample('x', 50%)", purpose="service")
    first, second = (preview(people, definition, as_of=AS_OF) for _ in range(2))
    assert replace(first, seconds=0) == replace(second, seconds=0)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=worlds(), tree=closed_trees)
def test_preview_equals_evaluation_and_nobody_unconsented_is_reachable(fill: Any, world: World, tree: Any) -> None:
    connection, names = fill(world)
    definition = segment(tree)
    expected = members(definition.where, world)
    usable = {row["profile_id"] for row in world.profiles if allowed(row, "marketing")}

    found = preview(connection, definition, as_of=AS_OF, catalogue=names)
    evaluation = evaluate_all(connection, [definition], as_of=AS_OF)

    assert (found.size, found.exportable) == (len(expected), len(expected & usable))
    assert (evaluation.segments[0].size, evaluation.segments[0].exportable) == (found.size, found.exportable)
    assert {row["profile_id"] for row in found.sample} <= expected & usable
    assert found.drop_off[-1].remaining == found.size
    assert found.profiles - sum(one.removed for one in found.drop_off) == found.size
    batches = evaluation.members("tested").read_all().to_pylist()
    assert {row["profile_id"] for row in batches if row["exportable"]} == expected & usable
