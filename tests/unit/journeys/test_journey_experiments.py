from __future__ import annotations

from datetime import UTC, datetime

import pytest

from cdp.errors import InputError
from journeys import experiments, holdouts
from journeys.findings import words
from journeys.findings.inflection import search
from journeys.findings.probes import Probes
from journeys.findings.uplift import PARTS
from journeys.interventions import catalogue, ranking
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIMS = {"raises", "lowers", "causes", "because", "effect"}


def test_experiments_report_uplift_by_themselves(world):
    found = experiments.results(world, Scope(until=NOW))
    (result,) = found.results
    assert result.key == "welcome_mail" and result.basis == "randomised" and found.note is None
    assert result.effect.low < result.effect.value < result.effect.high
    assert "raises repeat purchase" in result.sentence


def test_the_experiment_of_a_trigger_is_named_by_its_key_and_share(world):
    found = experiments.results(world, Scope(until=NOW)).results[0]
    found = found.model_copy(update={"key": "trigger:abandoned_cart:0.125", "subject": "trigger:abandoned_cart:0.125"})
    assert words.name(found) == "Trigger abandoned_cart with 12.5 % held out"
    assert "trigger abandoned_cart with 12.5 % held out" in words.sentence(found)
    assert words.name(found, "zh") == "触发器 abandoned_cart（对照组 12.5 %）"


@pytest.mark.parametrize("by", PARTS)
def test_parts_known_at_assignment_stay_random_and_add_up(world, by):
    whole = experiments.results(world, Scope(until=NOW)).results[0]
    found = experiments.results(world, Scope(until=NOW), by=by)
    assert sum(result.effect.n_exposed for result in found.results if result.effect) == whole.effect.n_exposed
    assert sum(int(result.details["assigned"]) for result in found.results) == whole.details["assigned"]
    for result in found.results:
        assert result.basis == "randomised"
        assert (result.q_value is None) == (result.reason is not None)
    if by == "customer":
        assert [result.details["part"] for result in found.results] == ["new"]


def test_a_part_that_is_not_known_is_named(world):
    with pytest.raises(InputError, match=r"`mood`.*stage, first_channel"):
        experiments.results(world, Scope(until=NOW), by="mood")


def test_among_people_chosen_today_nothing_is_called_an_effect(world):
    world.execute("create or replace temp view buyers as select profile_id from marts.profiles where purchases >= 2")
    scope = Scope(until=NOW, relation="buyers", segment="repeat_buyers")
    found = experiments.results(world, scope)
    assert found.note and "association" in found.note
    searched = search(world, scope)
    every = [*found.results, *searched.findings, *searched.not_found]
    assert sum(result.kind == "experiment" for result in every) == 2
    for result in every:
        assert result.basis == "association"
        for lang in ("en", "zh"):
            sentence = words.sentence(result, lang)
            assert not CLAIMS & set(sentence.lower().replace(".", "").split())
            assert "提高" not in sentence and "降低" not in sentence


def test_worth_of_an_experiment_keeps_its_sign_among_chosen_people(world):
    world.execute("create or replace temp view everyone as select profile_id from marts.profiles")
    probes = Probes()
    chosen = search(world, Scope(until=NOW, relation="everyone", segment="everyone"), probes)
    whole = search(world, Scope(until=NOW), probes)
    (one,), (other,) = (ranking.rank(found, catalogue.load()) for found in (chosen, whole))
    assert one.basis == "association" and other.basis == "randomised"
    assert one.worth == other.worth and one.worth.value > 0


def test_without_a_sure_effect_none_is_claimed(make_world):
    world = make_world(11, effects=False, people=300)
    (result,) = experiments.results(world, Scope(until=NOW)).results
    if result.effect.low < 0 < result.effect.high:
        assert result.sentence.startswith("No effect of the welcome mail")
    few = experiments.results(make_world(3, people=25), Scope(until=NOW)).results
    assert all("raises" not in result.sentence for result in few if result.reason)


def test_customers_who_had_bought_before_are_watched_from_assignment_on(make_world):
    world = make_world(1, people=300)
    world.execute("update marts.experiments set assigned_at = timestamp '2025-03-01'")
    (result,) = experiments.results(world, Scope(until=NOW)).results
    early = world.execute(
        "select count(*) filter (n <= 1), count(*) from (select x.profile_id, count(p.purchase_id) as n"
        " from marts.experiments x left join marts.purchases p"
        " on p.profile_id = x.profile_id and p.occurred_at <= x.assigned_at group by 1)"
    ).fetchone()
    assert result.outcome == ("repeat_purchase" if 2 * early[0] >= early[1] else "purchase_180d")
    world.execute("update marts.experiments set assigned_at = timestamp '2025-06-30'")
    world.execute("delete from marts.experiments where profile_id not in"
                  " (select profile_id from marts.purchases where occurred_at < '2025-06-01'"
                  " group by 1 having count(*) > 1)")  # fmt: skip
    (later,) = experiments.results(world, Scope(until=NOW)).results
    assert later.outcome == "purchase_180d"
    rate = world.execute(
        "select avg(exists(select 1 from marts.purchases p where p.profile_id = x.profile_id"
        " and p.occurred_at > x.assigned_at and p.occurred_at <= x.assigned_at + interval 180 day)::int)"
        " from marts.experiments x where arm = 'treatment'"
    ).fetchone()[0]
    assert later.effect.rate_exposed == pytest.approx(rate)


def test_a_holdout_is_stable_of_the_right_size_and_independent(world):
    people = world.execute("select count(*) from marts.profiles").fetchone()[0]
    first = holdouts.draw(world, "marts.profiles", key="spring", share=0.2)
    assert first == holdouts.draw(world, "marts.profiles", key="spring", share=0.2)
    assert len(first) / people == pytest.approx(0.2, abs=0.05)
    other = holdouts.draw(world, "marts.profiles", key="autumn", share=0.2)
    assert len(set(first) & set(other)) / people == pytest.approx(0.04, abs=0.03)
    assert set(first) <= set(holdouts.draw(world, "marts.profiles", key="spring", share=0.5))


@pytest.mark.parametrize(("relation", "key", "share"), [("p", "k", 0.0), ("p", "", 0.2), ("p; drop table x", "k", 0.2)])
def test_senseless_holdouts_are_refused(world, relation, key, share):
    with pytest.raises(InputError):
        holdouts.draw(world, relation, key=key, share=share)


SPRING = datetime(2025, 3, 1, tzinfo=UTC)


def _with_records(world):
    world.execute(
        "create or replace table marts.source_records as"
        " select profile_id, first_seen_at as created_at from marts.profiles where not is_anonymous"
    )
    return world


def test_a_holdout_of_nothing_shows_nothing(make_world):
    world = _with_records(make_world(2, people=600))
    result = holdouts.measure(world, Scope(until=NOW), key="spring", share=0.3, since=SPRING)
    assert result.basis == "randomised" and result.reason is None
    known = world.execute("select count(*) from marts.source_records where created_at <= '2025-03-01'").fetchone()[0]
    assert result.effect.n_exposed + result.effect.n_compared == known
    assert result.effect.low < 0 < result.effect.high
    assert result.sentence.startswith("No effect is shown")


def test_a_holdout_shows_what_the_others_were_given(make_world):
    world = _with_records(make_world(2, people=600))
    held = holdouts.draw(world, "marts.profiles", key="spring", share=0.3)
    world.execute(
        "delete from marts.purchases where occurred_at between '2025-03-01' and '2025-06-01'"
        " and list_contains(?, profile_id) and hash(purchase_id) % 10 < 8",
        [held],
    )
    result = holdouts.measure(world, Scope(until=NOW), key="spring", share=0.3, since=SPRING)
    assert result.effect.low > 0 and "raises purchases" in result.sentence


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"since": datetime(2025, 12, 1, tzinfo=UTC)}, "not over yet"),
        ({"days": 0}, "at least one day"),
        ({"share": 1.5}, "more than 0 and less than 100 percent"),
    ],
)
def test_senseless_measurements_are_refused(world, changes, told):
    values = {"key": "spring", "share": 0.1, "since": SPRING, **changes}
    with pytest.raises(InputError, match=told):
        holdouts.measure(world, Scope(until=NOW), **values)


def test_a_holdout_is_not_measured_within_a_segment(world):
    with pytest.raises(InputError, match="among everybody"):
        holdouts.measure(world, Scope(until=NOW, segment="vip"), key="spring", share=0.1, since=SPRING)
