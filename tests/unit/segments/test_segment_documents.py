"""What a wrong definition is told: where, what, and what would be allowed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import duckdb
import jsonschema
import pytest
from hypothesis import given, settings

from cdp.errors import InputError
from segments import catalogue, compiler, library
from segments.document import dump, json_schema, parse
from segments.errors import DefinitionError
from segments.text_parser import parse_text
from segments.tree import blocking_nodes, time_dependent
from tests.unit.segments.segment_strategies import trees

AS_OF = datetime(2026, 1, 1, tzinfo=UTC)

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


def segment(where: Any, key: str = "tested") -> Any:
    return parse({"key": key, "title": key, "where": where})


def told(where: Any) -> list[tuple[str, str, tuple[str, ...]]]:
    with pytest.raises(DefinitionError) as caught:
        segment(where)
    return [(problem.path, problem.message, problem.allowed) for problem in caught.value.problems]


@pytest.fixture
def names(marts: duckdb.DuckDBPyConnection) -> Any:
    marts.execute("INSERT INTO marts.touchpoints (event_name, touchpoint_type) VALUES ('Order Completed', 'web_order')")
    marts.execute("INSERT INTO marts.experiments VALUES ('welcome_mail', 'a', 'control', '2025-01-01')")
    return catalogue.read(marts)


def refused(where: Any, names: Any, known: Any = None) -> tuple[str, str, tuple[str, ...]]:
    with pytest.raises(DefinitionError) as caught:
        compiler.compile(segment(where), names, as_of=AS_OF, library=known or {})
    first = caught.value.problems[0]
    return first.path, first.message, first.allowed


TRAIT = {"type": "trait", "trait": "country", "op": "=", "value": "DE"}


@pytest.mark.parametrize(
    ("where", "path", "message"),
    [
        ({**TRAIT, "op": "=="}, "where.op", "is none of the allowed values. Did you mean =?"),
        (
            {"type": "consent", "purpose": "marketng"},
            "where.purpose",
            "is none of the allowed values. Did you mean marketing?",
        ),
        ({**TRAIT, "colour": 1}, "where.colour", "is not a field here."),
        ({**TRAIT, "vlaue": 1}, "where.vlaue", "is not a field here. Did you mean value?"),
        ({"type": "trait", "op": "=", "value": 1}, "where.trait", "is missing."),
        ({"trait": "country"}, "where", "a condition needs its `type`."),
        (
            {"type": "and", "of": [TRAIT, {"type": "tait"}]},
            "where.of[1].type",
            "there is no such condition. Did you mean trait?",
        ),
        ({"type": "not", "of": {**TRAIT, "value": ["a"]}}, "where.of", "= needs one value."),
        ({**TRAIT, "op": "in"}, "where", "in needs a list of values."),
        ({**TRAIT, "op": "in", "value": []}, "where.value", "a list of values holds 1 to 1,000 of them."),
        (
            {**TRAIT, "op": "between", "value": [1]},
            "where",
            "between needs a list of two values, the smaller one first.",
        ),
        ({**TRAIT, "op": "is known"}, "where", "is known takes no value."),
        (
            {**TRAIT, "value": "a\0b"},
            "where.value",
            "text holds a character that no data can hold (NUL or half a character).",
        ),
        (
            {**TRAIT, "value": "\ud800"},
            "where.value",
            "text holds a character that no data can hold (NUL or half a character).",
        ),
        ({**TRAIT, "value": float("nan")}, "where.value", "a number must be finite."),
        ({**TRAIT, "value": 10**30}, "where.value", "a whole number has at most 18 digits."),
        (
            {**TRAIT, "value": {"ago": "3 months"}},
            "where.value.ago",
            "a duration is a whole number with min, h, d or w, for example 90min, 36h, 30d or 2w.",
        ),
        ({"type": "event", "event": "A", "touchpoint": "b"}, "where", "name an event or a touchpoint type, not both."),
        ({"type": "event", "measure": "sum", "op": ">", "value": 1}, "where", "sum needs a property."),
        (
            {"type": "event", "window": {"last": "3d", "since": "2025-01-01"}},
            "where.window",
            "a window is either `last` or `since` and `until`.",
        ),
        (
            {"type": "event", "window": {"since": "last week"}},
            "where.window.since",
            "a moment is 2025-01-31 or 2025-01-31T12:00:00Z.",
        ),
        (
            {"type": "event", "window": {"since": "2025-01-31T12:00:00"}},
            "where.window.since",
            "a time needs its zone, for example 2025-01-31T12:00:00Z.",
        ),
        ({"type": "sequence", "steps": [{"event": "A"}]}, "where", "a sequence needs a second step or `then_no`."),
        (
            {"type": "sequence", "steps": [{"within": "1h"}, {"event": "A"}]},
            "where",
            "the first step has nothing before it, so it takes no `within` and no `without`.",
        ),
        (
            {"type": "segment", "key": "VIP!"},
            "where.key",
            "a key is made of lower-case letters, digits and underscores.",
        ),
        (
            {"type": "sample", "salt": "x", "from_percent": 20, "to_percent": 10},
            "where",
            "to_percent must not be below from_percent.",
        ),
    ],
)
def test_shape_faults_name_their_place(where: Any, path: str, message: str) -> None:
    assert (path, message) in [(place, said) for place, said, _ in told(where)]


def test_allowed_values_are_listed_and_every_fault_is_told() -> None:
    faults = told(
        {"type": "and", "of": [{**TRAIT, "op": "~"}, {"type": "consent", "purpose": "fun", "state": "given"}]}
    )
    assert [path for path, _, _ in faults] == ["where.of[0].op", "where.of[1].purpose"]
    assert faults[1][2] == ("marketing", "personalisation", "analytics", "service", "sharing")


@pytest.mark.parametrize(
    ("where", "path", "message"),
    [
        ("trait.contry = 'DE'", "where.trait", "there is no trait contry. Did you mean country?"),
        (
            "no event('order completed')",
            "where.event",
            "there is no event order completed. Did you mean Order Completed?",
        ),
        ("touchpoint('weborder')", "where.touchpoint", "there is no touchpoint type weborder. Did you mean web_order?"),
        ("event(where amont > 1)", "where.where[0].property", "there is no event property amont. Did you mean amount?"),
        ("event(where amount > 'a')", "where.where[0].value", "a number is needed here."),
        ("event().sum(channel) > 1", "where.property", "sum needs a number, channel is text."),
        ("event().sum(amount) contains 'x'", "where.op", "contains cannot be asked of a number."),
        ("not (everyone and trait.revenue = '5')", "where.of.of[1].value", "a number is needed here."),
        ("trait.revenue in (1, true)", "where.value[1]", "a number is needed here."),
        ("trait.is_anonymous = 1", "where.value", "true or false is needed here."),
        ("trait.country > 'a'", "where.op", "> cannot be asked of a text."),
        ("trait.country contains ''", "where.value", "contains needs at least one character."),
        ("trait.first_seen_at > 'yesterday'", "where.value", "a moment is 2025-01-31 or 2025-01-31T12:00:00Z."),
        (
            "trait.first_seen_at > 3",
            "where.value",
            'a moment is needed here: 2025-01-31, 2025-01-31T12:00:00Z or {"ago": "30d"}.',
        ),
        ("stage = 'decsion'", "where.stages[0]", "there is no stage decsion. Did you mean decision?"),
        ("moved(to 'us')", "where.to", "there is no stage us. Did you mean use?"),
        ("top 5% by trait.country", "where.trait", "country is no number, so nobody ranks by it."),
        ("experiment('welcome')", "where.experiment", "there is no experiment welcome. Did you mean welcome_mail?"),
        ("experiment('welcome_mail') = 'x'", "where.arm", "there is no arm x."),
        ("prediction.lapse_rsk > 3", "where.prediction", "there is no prediction lapse_rsk. Did you mean lapse_risk?"),
        ("segment('gone')", "where", "there is no segment gone."),
        (
            "sequence(event('Order Completed') then event(where amount = 1) without event('x'))",
            "where.steps[1].without.event",
            "there is no event x.",
        ),
        ("sequence(event('Order Completed') then no event('x'))", "where.then_no.event", "there is no event x."),
    ],
)
def test_names_and_types_are_checked_against_the_catalogue(names: Any, where: str, path: str, message: str) -> None:
    assert refused(where, names)[:2] == (path, message)


def test_a_prediction_needs_predictions(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("DROP TABLE marts.predictions")
    path, message, _ = refused("prediction.lapse_risk > 0.5", catalogue.read(marts))
    assert (path, message) == ("where.prediction", "no predictions are published yet.")


def test_type_faults_list_what_is_allowed(names: Any) -> None:
    assert refused("trait.is_anonymous > 1", names)[2] == ("=", "!=", "is missing", "is known")
    assert "country" in refused("trait.x = 1", names)[2]


def test_segments_in_a_circle(names: Any) -> None:
    known = {
        "a": segment("segment('b')", "a"),
        "b": segment("not segment('c')", "b"),
        "c": segment("segment('a')", "c"),
    }
    path, message, _ = refused("everyone and segment('a')", names, known)
    assert "in a circle: a → b → c → a" in message
    assert path == "where.of[1]"
    with pytest.raises(DefinitionError, match="in a circle: tested → tested"):
        compiler.compile(
            segment("segment('tested')"), names, as_of=AS_OF, library={"tested": segment("segment('tested')")}
        )


def test_references_cannot_explode(names: Any) -> None:
    known = {f"s{n}": segment(f"segment('s{n + 1}') and segment('s{n + 1}')", f"s{n}") for n in range(30)}
    known["s30"] = segment("everyone", "s30")
    with pytest.raises(DefinitionError, match="at most 5,000"):
        compiler.compile(known["s0"], names, as_of=AS_OF, library=known)


def test_a_thousand_conditions_side_by_side(marts: duckdb.DuckDBPyConnection) -> None:
    marts.execute("INSERT INTO marts.profiles (profile_id, purchases, country) VALUES ('a', 3, 'DE'), ('b', 4, 'FR')")
    marts.execute("INSERT INTO marts.touchpoints (profile_id, occurred_at, event_name) VALUES ('a', '2025-12-31', 'X')")
    of = [{"type": "trait", "trait": "purchases", "op": "!=", "value": number + 10} for number in range(500)]
    of += [{"type": "event", "event": "X", "op": "<", "value": number + 2} for number in range(250)]
    of += [{"type": "or", "of": [TRAIT, {**TRAIT, "value": f"v{number}"}]} for number in range(100)]
    wide = segment({"type": "and", "of": of})
    query = compiler.text(compiler.compile(wide, catalogue.read(marts), as_of=AS_OF))
    assert marts.execute(query).fetchall() == [("a",)]
    assert segment(parse_text(" and ".join(f"trait.purchases != {number}" for number in range(1_000)))).where


def test_deep_trees_are_refused_before_anything_recurses(marts: duckdb.DuckDBPyConnection) -> None:
    def nested(levels: int) -> Any:
        tree: Any = {"type": "everyone"}
        for level in range(levels):
            tree = {"type": "not", "of": tree} if level % 2 else {"type": "and", "of": [tree, TRAIT]}
        return tree

    query = compiler.text(compiler.compile(segment(nested(59)), catalogue.read(marts), as_of=AS_OF))
    assert marts.execute(query).fetchall() == []
    for levels in (60, 1_000, 100_000):
        [(path, message, _)] = told(nested(levels))
        assert path.startswith("where.of")
        assert "nested deeper than 60 levels" in message
    for text in ("(" * 1_000 + "everyone" + ")" * 1_000, "not " * 100_000 + "everyone"):
        assert "nested deeper than 60 levels" in told(text)[0][1]
    assert "more than 5,000 conditions" in told({"type": "and", "of": [TRAIT] * 5_001})[0][1]


@pytest.mark.parametrize(
    ("text", "place", "allowed"),
    [
        ("trait.country = ", "line 1, column 17", "true"),
        ("trait.country = 'a' trait", "line 1, column 21", "and"),
        ("trait.country =\n 'unclosed", "line 2, column 2", None),
        ("event('a').median(x) > 1", "line 1, column 12", "average"),
        ("trait.country ~ 'a'", "line 1, column 15", None),
        ("nobody", "line 1, column 1", "everyone"),
        ("", "line 1, column 1", "everyone"),
        ("event('a') in 30 days", "line 1, column 15", "a duration such as 30d"),
        ("sample('x', 5)", "line 1, column 14", "%"),
        ("touchpoint()", "line 1, column 12", "a touchpoint type in single quotes"),
        ('event("a")', "line 1, column 7", "the name of an event in single quotes"),
        ("trait.country = DE", "line 1, column 17", "a text in single quotes"),
        ("event('a') in 3m", "line 1, column 15", "a duration such as 90min, 36h, 30d or 2w"),
        ("sequence(event('a') then event('b') wihtin 2h)", "line 1, column 37", "within"),
        ("stage = 'use' for >= 3", "line 1, column 22", "a duration"),
    ],
)
def test_syntax_faults_name_line_and_column(text: str, place: str, allowed: str | None) -> None:
    [(path, message, listed)] = told(text)
    assert path == f"where, {place}"
    assert "unclosed" not in message
    assert allowed is None or allowed in listed


def test_a_word_that_is_nearly_right_is_named() -> None:
    assert told("trait.country = 'a' adn everyone")[0][1] == "“adn” cannot stand here. Did you mean and?"
    assert told("trait.country = 'a")[0][1] == "this text opens with a quote that nothing closes."


@settings(max_examples=40, deadline=None)
@given(tree=trees)
def test_every_definition_fits_the_published_schema(tree: Any) -> None:
    validator = jsonschema.Draft202012Validator(SCHEMA)
    validator.validate(dump(segment(tree)))


SCHEMA = json_schema()


def test_the_schema_is_sound_and_refuses_what_the_models_refuse() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    validator = jsonschema.Draft202012Validator(SCHEMA)
    document = dump(segment(TRAIT))
    assert not list(validator.iter_errors(document))
    for wrong in ({**TRAIT, "op": "=="}, {**TRAIT, "more": 1}, {"type": "what"}):
        assert list(validator.iter_errors({**document, "where": wrong}))


def test_blocking_nodes_are_named() -> None:
    known = {"vip": segment("top 10% by trait.revenue", "vip"), "plain": segment("everyone", "plain")}
    found = blocking_nodes(segment("everyone and (segment('plain') or not segment('vip'))"), known)
    assert found == [("where.of[1].of[1].of → vip.where", "top 10 % by revenue depends on all other profiles")]
    assert blocking_nodes(known["plain"], known) == []


def test_time_dependence_is_known() -> None:
    known = {"recent": segment("event() in 30d", "recent"), "buyers": segment("trait.purchases > 1", "buyers")}
    for where, expected in (
        ("segment('recent')", True),
        ("segment('buyers') and event() since '2025-01-01'", False),
        ("stage = 'use' for >= 3d", True),
        ("trait.first_seen_at < 3d ago", True),
        ("sequence(event('a') then no event('b') within 1h)", True),
        ("sequence(event('a') then event('b') within 1h)", False),
        ("event(where occurred_at > 3d ago)", True),
        ("top 5% by trait.revenue among (segment('recent'))", True),
    ):
        assert time_dependent(segment(where), known) is expected, where


def test_library_files_are_named_after_their_key(tmp_path: Any) -> None:
    (tmp_path / "a.yaml").write_text("key: b\ntitle: B\nwhere: everyone\n")
    with pytest.raises(Exception, match=re.escape("a.yaml holds the segment b")):
        library.load(tmp_path)
    (tmp_path / "a.yaml").write_text("key: a\ntitle: [\n")
    with pytest.raises(Exception, match=re.escape("a.yaml, line 3 is no readable YAML")):
        library.load(tmp_path)
    (tmp_path / "a.yaml").write_text("key: a\ntitle: A\nwhere: trait.x ~ 3\n")
    with pytest.raises(Exception, match=re.escape("a.yaml cannot be used: where, line 1, column 9")):
        library.load(tmp_path)


def test_relations_are_plain_names(names: Any) -> None:
    with pytest.raises(InputError, match="letters, digits"):
        compiler.compile(segment("everyone"), names, as_of=AS_OF, profile_ids='x"; DROP TABLE y; --')
