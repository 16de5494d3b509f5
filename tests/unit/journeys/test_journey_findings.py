from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cdp.errors import ConfigurationError, InputError, NotFoundError
from journeys.findings import words
from journeys.findings.inflection import LEAST_UNITS, search
from journeys.findings.probes import load_probes
from journeys.interventions import catalogue, ranking
from journeys.scope import Scope
from segments.document import parse


@pytest.fixture(scope="module")
def findings(world, as_of):
    return search(world, Scope(until=as_of))


def test_planted_effects_are_found(findings):
    found = {finding.key for finding in findings.findings}
    assert {"slow_ticket", "payment_failed", "welcome_mail"} <= found


def test_crude_effect_of_slow_tickets_equals_a_slow_count(world, as_of, findings):
    tickets = world.execute(
        "select profile_id, created_at, is_slow from marts.tickets"
        " where created_at < timestamp '2026-01-01' - interval 180 day"
    ).fetchall()
    bought = world.execute("select profile_id, occurred_at from marts.purchases").fetchall()
    hits = {True: 0, False: 0}
    totals = {True: 0, False: 0}
    for who, created, slow in tickets:
        later = [at for other, at in bought if other == who and 0 < (at - created).total_seconds() <= 180 * 86400]
        totals[slow] += 1
        hits[slow] += not later
    effect = next(finding for finding in findings.findings if finding.key == "slow_ticket").effect
    assert (effect.n_exposed, effect.n_compared) == (totals[True], totals[False])
    assert effect.value == pytest.approx(hits[True] / totals[True] - hits[False] / totals[False])
    assert effect.low < effect.value < effect.high


def test_uplift_equals_a_slow_count_and_is_marked_random(world, findings):
    rows = world.execute(
        "select x.arm, (select count(*) from marts.purchases p where p.profile_id = x.profile_id)"
        " from marts.experiments x"
    ).fetchall()
    rates = {}
    for arm in ("treatment", "control"):
        counts = [n for each, n in rows if each == arm and n >= 1]
        rates[arm] = sum(n >= 2 for n in counts) / len(counts)
    finding = next(finding for finding in findings.findings if finding.key == "welcome_mail")
    assert finding.basis == "randomised"
    assert finding.effect.value == pytest.approx(rates["treatment"] - rates["control"])
    assert "raises" in finding.sentence


def test_association_is_never_worded_as_cause(findings):
    for finding in (*findings.findings, *findings.not_found):
        if finding.basis == "association":
            assert not {"causes", "raises", "lowers", "because"} & set(finding.sentence.lower().split())


def test_numbering_visits_once_answers_as_the_query_that_is_traced(world, as_of, findings):
    """The statement of a trace builds its visits itself; what was measured came from visits numbered once."""
    every = {one.key: one for one in (*findings.findings, *findings.not_found)}
    for key in ("payment_failed", "payment_failed_device:mobile", "device:mobile"):
        found = every[key]
        units = world.execute(findings.queries[found.query].statement).df()
        exposed = units["exposed"] if key == "payment_failed" else units["x_device"] == "mobile"
        assert (found.effect.n_exposed, found.effect.n_compared) == (int(exposed.sum()), int((~exposed).sum()))
        assert found.effect.rate_exposed == pytest.approx(units["defected"][exposed].mean())


def test_nothing_of_a_search_stays_on_the_connection(world, as_of):
    own = world.cursor()
    assert search(own, Scope(until=as_of)).findings
    assert own.execute("select count(*) from duckdb_tables() where temporary").fetchone() == (0,)


def test_one_thing_has_one_name(findings):
    """Heading and sentence, with and without a device, in both languages, use the subject's one name."""
    told = [one for one in (*findings.findings, *findings.not_found) if one.kind == "inflection" and one.effect]
    assert {"payment_failed", "payment_failed:mobile", "payment_failed_device:mobile"} <= {one.key for one in told}
    for one in told:
        for lang in ("en", "zh") if one.subject != "device" else ():
            named = words.SUBJECTS[lang][one.subject]
            assert named in words.name(one, lang).lower() and named in words.sentence(one, lang).lower()
    assert {one.subject for one in told if "payment" in one.key} == {"payment_failed"}
    headings = {words.name(one) for one in told if one.subject == "payment_failed"}
    assert headings == {"Failed payment", *(f"Failed payment on {one}" for one in ("desktop", "mobile", "tablet"))}


def test_a_device_is_compared_with_all_others_together(make_world, as_of):
    """Neither of the other devices has enough failed payments of its own; together they have."""
    world = make_world(1, people=900)
    few = "profile_id like '%0' and profile_id < 'p00600'"
    world.execute(f"update marts.touchpoints set device = 'mobile' where not ({few})")
    found = search(world, Scope(until=as_of))
    compared = [one for one in (*found.findings, *found.not_found) if one.subject == "payment_failed"]
    between = {one.key: one for one in compared if one.details.get("compares") == "devices"}
    assert set(between) == {"payment_failed_device:mobile"}
    tested = between["payment_failed_device:mobile"]
    assert tested.reason is None and LEAST_UNITS <= tested.effect.n_compared < 2 * LEAST_UNITS
    assert tested.effect.n_exposed > tested.effect.n_compared and tested.q_value is not None


def test_effects_carry_interval_method_and_query(findings):
    for finding in findings.findings:
        assert finding.effect.low <= finding.effect.value <= finding.effect.high
        assert finding.effect.method
        assert findings.queries[finding.query].sql
        assert 0 <= finding.q_value <= 0.05


def _worlds_with_false_findings(make_world, as_of, seeds):
    return sum(bool(search(make_world(seed, effects=False, people=300), Scope(until=as_of)).findings) for seed in seeds)


# With no effect at all every discovery is false: worlds with any must be as rare as the false discovery rate says.
def test_null_worlds_hold_no_findings(make_world, as_of):
    assert _worlds_with_false_findings(make_world, as_of, range(100, 103)) <= 1


@pytest.mark.slow
def test_twenty_null_worlds_stay_within_the_false_discovery_rate(make_world, as_of):
    # Binomial(20, .05): more than 4 happens in fewer than 3 of 1000 series.
    assert _worlds_with_false_findings(make_world, as_of, range(100, 120)) <= 4


def test_too_few_units_are_said_not_tested(make_world, as_of):
    found = search(make_world(7, people=30), Scope(until=as_of))
    assert any(finding.reason for finding in found.not_found)
    assert all(finding.q_value is None for finding in found.not_found if finding.reason)


def test_interventions_are_ranked_by_sure_worth(findings):
    ranked = ranking.rank(findings, catalogue.load())
    assert [row.priority for row in ranked] == sorted((row.priority for row in ranked), reverse=True)
    assert {row.key for row in ranked} >= {"answer_in_time", "welcome_mail_to_all"}
    assert "answer_in_time" in [row.key for row in ranked[:3]]
    assert all(row.effect.low <= row.effect.value <= row.effect.high for row in ranked)
    for row in ranked:
        assert row.worth_is == "upper bound" and row.segment.key == row.key
        assert parse(row.segment.model_dump()).key == row.key, "a segment that can be made of it"


def test_edits_are_kept_and_change_the_order(findings, tmp_path):
    own = tmp_path / "interventions.yaml"
    catalogue.edit(own, "answer_in_time", {"difficulty": 1, "investment": "2 agents", "period_days": 60})
    catalogue.edit(own, "answer_in_time", {"period_days": 30})
    entry = next(entry for entry in catalogue.load(own) if entry.key == "answer_in_time")
    assert (entry.difficulty, entry.investment, entry.period_days) == (1, "2 agents", 30)
    before = {row.key: row.priority for row in ranking.rank(findings, catalogue.load())}
    after = {row.key: row.priority for row in ranking.rank(findings, catalogue.load(own))}
    assert after["answer_in_time"] == pytest.approx(2 * before["answer_in_time"])


@pytest.mark.parametrize(
    ("key", "changes"),
    [("nobody_knows", {"difficulty": 1}), ("answer_in_time", {"difficulty": 9}), ("answer_in_time", {"people": 1})],
)
def test_wrong_edits_are_refused(tmp_path, key, changes):
    with pytest.raises((InputError, NotFoundError)):
        catalogue.edit(tmp_path / "own.yaml", key, changes)
    assert not (tmp_path / "own.yaml").exists()


def test_every_shipped_intervention_names_people():
    for entry in catalogue.load():
        assert parse({"key": entry.key, "title": entry.named("en"), **entry.segment.model_dump()})


def test_edits_at_the_same_time_are_all_kept(tmp_path):
    own = tmp_path / "deep" / "interventions.yaml"
    keys = [entry.key for entry in catalogue.load()]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda key: catalogue.edit(own, key, {"investment": f"for {key}"}), keys))
    assert {entry.key: entry.investment for entry in catalogue.load(own)} == {key: f"for {key}" for key in keys}


def test_wrong_files_are_named(tmp_path):
    wrong = tmp_path / "probes.yaml"
    wrong.write_text("tickets: [{key: x, exposed: late, days: 3}]")
    with pytest.raises(ConfigurationError, match=r"tickets\.0\.exposed"):
        load_probes(wrong)
    wrong.write_text("interventions: {a: 1}")
    with pytest.raises(ConfigurationError, match="interventions"):
        catalogue.load(wrong)


def test_scope_refuses_hostile_relations_and_backward_periods(as_of):
    with pytest.raises(InputError):
        Scope(until=as_of, relation="marts.profiles; drop table x")
    with pytest.raises(InputError):
        Scope(until=as_of, since=as_of)
