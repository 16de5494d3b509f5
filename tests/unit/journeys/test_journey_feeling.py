from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from cdp.errors import InputError
from journeys import experiments
from journeys.feeling import curve, lexicon, ngram
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)
GOOD_ZH = ("非常满意，服务很好", "很喜欢，谢谢你们", "速度很快，态度很好", "质量不错，推荐购买")
BAD_ZH = ("太差了，再也不来", "非常失望，没人理我", "东西坏了，要求退款", "态度恶劣，等了很久")


@pytest.fixture(scope="module")
def model():
    random = np.random.default_rng(1)
    texts, labels = [], []
    for _ in range(120):
        good = bool(random.random() < 0.6)
        pool = GOOD_ZH if good else BAD_ZH
        texts.append(pool[int(random.integers(3))] + "！" * int(random.integers(3)))
        labels.append(good)
    return ngram.train(texts, labels)


@pytest.mark.parametrize(
    ("text", "sign"),
    [
        ("Great help, very friendly agent.", 1),
        ("This is terrible service.", -1),
        ("Can I get a copy of the invoice?", 0),
    ],
)
def test_english_by_the_lexicon(text, sign):
    verdict = lexicon.score(text)
    assert verdict.abstains if sign == 0 else verdict.score * sign > 0


@pytest.mark.parametrize(
    ("text", "language"),
    [("Hello there", "en"), ("你好 ok", "zh"), ("Où est ma commande ?", "other"), ("123", "other")],
)
def test_languages(text, language):
    assert lexicon.language(text) == language


def test_a_model_learns_chinese_from_ratings(model):
    good, bad = model.score(["服务很好，很满意", "很失望，要求退款，太差"])
    assert good.score > 0 > bad.score


def test_unseen_characters_give_no_verdict(model):
    assert model.score(["ŵẅŷ"])[0].abstains or abs(model.score(["ŵẅŷ"])[0].score) < 0.6
    assert model.score([]) == []


def test_models_are_kept_and_read_back(model, tmp_path):
    model.save(tmp_path / "deep" / "feeling.npz")
    again = ngram.load(tmp_path / "deep" / "feeling.npz")
    assert again.score(list(GOOD_ZH)) == model.score(list(GOOD_ZH))
    (tmp_path / "broken.npz").write_text("no model")
    with pytest.raises(InputError, match="train it again"):
        ngram.load(tmp_path / "broken.npz")


def test_too_few_ratings_teach_nothing():
    with pytest.raises(InputError, match="rated texts"):
        ngram.train(["good"] * 60, [True] * 60)
    with pytest.raises(InputError, match="rated texts"):
        ngram.train([], [])


def test_without_a_model_other_languages_have_no_verdict(model):
    assert curve.verdict("太差了，再也不来").abstains
    assert curve.verdict("太差了，再也不来", model).score < 0
    assert curve.verdict("  ").abstains


def test_ratings_go_before_text_and_everything_is_counted(world):
    found = curve.measure(world, Scope(until=NOW))
    total = world.execute("select count(*), count(satisfaction) from marts.tickets").fetchone()
    assert sum(cell.tickets for cell in found.cells) == total[0]
    assert sum(cell.rated for cell in found.cells) == total[1]
    for cell in found.cells:
        assert cell.rated + cell.from_text + cell.no_verdict == cell.tickets
        assert cell.score.n == cell.rated + cell.from_text
        # The question all these tickets ask is neutral: only ratings speak.
        assert cell.from_text == 0


def test_experiments_report_uplift_by_themselves(world):
    found = experiments.results(world, Scope(until=NOW))
    (result,) = found.results
    assert result.key == "welcome_mail" and result.basis == "randomised"
    assert result.effect.low < result.effect.value < result.effect.high


def test_a_holdout_is_stable_of_the_right_size_and_independent(world):
    people = world.execute("select count(*) from marts.profiles").fetchone()[0]
    first = experiments.holdout(world, "marts.profiles", key="spring", share=0.2)
    assert first == experiments.holdout(world, "marts.profiles", key="spring", share=0.2)
    assert len(first) / people == pytest.approx(0.2, abs=0.05)
    other = experiments.holdout(world, "marts.profiles", key="autumn", share=0.2)
    assert len(set(first) & set(other)) / people == pytest.approx(0.04, abs=0.03)
    assert set(first) <= set(experiments.holdout(world, "marts.profiles", key="spring", share=0.5))


@pytest.mark.parametrize(("relation", "key", "share"), [("p", "k", 0.0), ("p", "", 0.2), ("p; drop table x", "k", 0.2)])
def test_senseless_holdouts_are_refused(world, relation, key, share):
    with pytest.raises(InputError):
        experiments.holdout(world, relation, key=key, share=share)
