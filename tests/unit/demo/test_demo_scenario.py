"""Scenario files: shipped ones load, wrong ones are refused with the file and the field."""

from __future__ import annotations

from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from demo.scenario import STAGES, load_scenario


@pytest.mark.parametrize(
    ("name", "people"), [("small", 2_000), ("medium", 50_000), ("large", 1_000_000), ("null", 2_000)]
)
def test_shipped_scenarios_load(name: str, people: int) -> None:
    scenario = load_scenario(name)
    assert (scenario.name, scenario.people) == (name, people)


def test_only_the_null_scenario_plants_nothing() -> None:
    effects = load_scenario("null").effects
    assert (effects.slow_support, effects.failed_payment_mobile, effects.welcome_mail) == (None, None, None)
    assert all(load_scenario(name).effects.slow_support for name in ("small", "medium", "large"))


def test_a_scenario_extends_another_key_by_key(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "extends: small\nname: mine\npeople: 7\ncorruptions: {nickname: .5}\neffects: {}\n", encoding="utf-8"
    )
    mine, small = load_scenario(file), load_scenario("small")
    assert mine.corruptions.nickname == 0.5
    assert mine.corruptions.typo_in_name == small.corruptions.typo_in_name
    assert mine.effects.welcome_mail is None
    assert mine.personas == small.personas


def test_a_scenario_may_extend_a_neighbour(tmp_path: Path) -> None:
    (tmp_path / "base.yaml").write_text("extends: small\npeople: 9\n", encoding="utf-8")
    (tmp_path / "top.yaml").write_text("extends: base\nname: top\n", encoding="utf-8")
    assert load_scenario(tmp_path / "top.yaml").people == 9


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("corruptions: {typos: .1}", "corruptions.typos"),
        ("corruptions: {nickname: 1.2}", "corruptions.nickname"),
        ("corruptions: {missing_mail: {sales: -.1}}", "corruptions.missing_mail"),
        ("corruptions: {missing_mail: {post: .1}}", "corruptions.missing_mail"),
        ("support: {slow_share: often}", "support.slow_share"),
        ("people: 0", "people"),
        ("colour: blue", "colour"),
        ("countries: {XX: 1}", "countries"),
        ("personas: {}", "personas"),
        ("stage_days: {awareness: 3}", "stage_days"),
        ("effects: {welcome_mail: {lift: 2}}", "effects.welcome_mail.lift"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, text: str, field: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(f"extends: small\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigurationError) as caught:
        load_scenario(file)
    assert "wrong.yaml" in caught.value.message
    assert field in caught.value.message


def test_transitions_above_one_are_refused(tmp_path: Path) -> None:
    small = load_scenario("small").model_dump(mode="json")
    small["personas"]["regular"]["transitions"]["decision"] = {"use": 0.9, "lapsed": 0.2}
    import yaml

    file = tmp_path / "much.yaml"
    file.write_text(yaml.safe_dump(small), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"much.yaml: personas.regular .*transitions.decision adds up to more"):
        load_scenario(file)


@pytest.mark.parametrize("text", ["people: [", "- 1\n- 2\n", "extends: loop\n", "extends: nowhere\n"])
def test_unreadable_scenarios_are_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "loop.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError):
        load_scenario(file)


def test_an_unknown_scenario_names_the_shipped_ones() -> None:
    with pytest.raises(ConfigurationError, match="large, medium, null, small"):
        load_scenario("huge")


def test_a_rate_may_differ_by_source() -> None:
    corruptions = load_scenario("small").corruptions
    assert corruptions.for_source("missing_mail", "pos") > corruptions.for_source("missing_mail", "web")
    assert corruptions.for_source("typo_in_street", "web") == 0
    assert corruptions.for_source("nickname", "web") == corruptions.nickname


def test_the_longest_persona_row_names_only_known_stages() -> None:
    for persona in load_scenario("small").personas.values():
        assert set(persona.transitions) <= set(STAGES)
