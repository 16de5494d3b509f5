from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from cdp.errors import InputError
from demo.sheets import sheet
from journeys.feeling import curve, keeping, lexicon, ngram, tables
from journeys.feeling.languages import language
from journeys.scope import Scope

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def sentences(tongue: str) -> dict[str, list[str]]:
    """What people of the demo world write, by mood."""
    words = sheet("texts")[tongue]
    return {
        mood: [
            f"{sentence.format(p=product)}{'' if tongue == 'zh' else ' '}{feeling}"
            for topic in words["topics"].values() for sentence in topic[mood] for product in words["products"]
            for feeling in ("", *words["feelings"][mood])
        ]
        for mood in ("bad", "plain", "good")
    }  # fmt: skip


def rated(tongues: tuple[str, ...], n: int, seed: int, *, noise: float = 0.1) -> tuple[list[str], list[bool]]:
    """Tickets whose rating follows what was written, but for some noise; plain ones are rated either way."""
    random = np.random.default_rng(seed)
    texts, good = [], []
    for tongue in tongues:
        pools = sentences(tongue)
        for _ in range(n):
            mood = ("bad", "plain", "good")[int(random.choice(3, p=[0.4, 0.2, 0.4]))]
            texts.append(pools[mood][int(random.integers(len(pools[mood])))])
            follows = random.random() >= (0.5 if mood == "plain" else noise)
            good.append(bool((mood == "good") == follows))
    return texts, good


@pytest.fixture(scope="module")
def model():
    return ngram.train(*rated(("zh", "ru"), 300, 1))


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
    ("text", "tongue"),
    [
        ("Hello there", "en"),
        ("Terrible, I am angry.", "en"),
        ("How do I return the kettle?", "en"),
        ("你好 ok", "zh"),
        ("请问iPhone什么时候能送到？", "zh"),
        ("Где мой заказ?", "cyrillic"),
        ("注文はどこですか", "ja"),
        ("Où est ma commande ?", "fr"),
        ("Wann liefern Sie die Lampe?", "de"),
        ("no puedo pagar la silla", "es"),
        ("Größenänderung", "latin"),
        ("123", "none"),
    ],
)
def test_languages(text, tongue):
    assert language(text) == tongue


def test_demo_texts_are_told_apart_by_language():
    for tongue, expected in (("en", "en"), ("zh", "zh"), ("ru", "cyrillic"), ("de", "de"), ("fr", "fr"), ("es", "es")):
        texts = [text for pool in sentences(tongue).values() for text in pool]
        told = [language(text) for text in texts]
        assert told.count(expected) >= 0.85 * len(texts), tongue
        # What is taken for English is scored by English words.
        assert tongue == "en" or "en" not in told


@pytest.mark.parametrize("tongue", ["zh", "ru"])
def test_a_model_reads_tickets_that_it_has_not_seen(model, tongue):
    """Held-out demo tickets: verdicts are right, and plain questions rarely get one."""
    seen = set(rated(("zh", "ru"), 300, 1)[0])
    pools = {mood: [text for text in pool if text not in seen] for mood, pool in sentences(tongue).items()}
    verdicts = {mood: [verdict.score for verdict in model.score(pool)] for mood, pool in pools.items()}
    spoken = {mood: [score for score in scores if score is not None] for mood, scores in verdicts.items()}
    right = sum(score < 0 for score in spoken["bad"]) + sum(score > 0 for score in spoken["good"])
    assert right / (len(spoken["bad"]) + len(spoken["good"])) >= 0.9
    assert len(spoken["bad"]) + len(spoken["good"]) >= 0.5 * (len(verdicts["bad"]) + len(verdicts["good"]))


def test_ratings_that_do_not_follow_the_text_teach_silence():
    texts, good = rated(("zh",), 300, 2)
    random = np.random.default_rng(3)
    model = ngram.train(texts, [bool(random.random() < 0.5) for _ in good])
    assert all(verdict.abstains for verdict in model.score(texts)), "not even on what it was trained on"


def test_a_language_that_was_not_learnt_gets_no_verdict(model):
    for tongue in ("de", "fr", "es"):
        assert all(verdict.abstains for pool in sentences(tongue).values() for verdict in model.score(pool[:40]))
    assert model.score(["龘靐齉爩"])[0].abstains, "letters that are new to it"
    assert model.score([]) == []


def test_the_same_ratings_teach_the_same_model():
    texts, good = rated(("zh",), 80, 4)
    one, other = ngram.train(texts, good), ngram.train(texts, good)
    assert np.array_equal(one.weights, other.weights) and one.band == other.band
    order = np.random.default_rng(1).permutation(len(texts))
    assert keeping.fingerprint([texts[i] for i in order], [good[i] for i in order]) == keeping.fingerprint(texts, good)


def test_models_are_kept_and_read_back(model, tmp_path):
    keeping.save(model, tmp_path / "deep" / "feeling.npz")
    again = keeping.load(tmp_path / "deep" / "feeling.npz")
    texts = [*sentences("zh")["bad"][:30], *sentences("ru")["good"][:30]]
    assert again.score(texts) == model.score(texts)
    assert again.checks == model.checks
    (tmp_path / "broken.npz").write_text("no model")
    with pytest.raises(InputError, match="learnt again"):
        keeping.load(tmp_path / "broken.npz")


def test_too_few_ratings_teach_nothing():
    with pytest.raises(InputError, match="rated texts"):
        ngram.train(["good"] * 60, [True] * 60)
    with pytest.raises(InputError, match="rated texts"):
        ngram.train([], [])


def test_without_a_model_other_languages_have_no_verdict(model):
    text = next(text for text in sentences("zh")["bad"] if not model.score([text])[0].abstains)
    german = "Ich musste die Lampe wegwerfen"
    silent = tables.read([text, "  ", german])
    assert {each.score for each in silent.values()} == {None}, "`die` is a word of feeling in English only"
    assert silent["  "].language == "none"
    assert tables.read([text], model)[text].score < 0


@pytest.fixture
def chinese(make_world):
    """A world in which everybody writes Chinese and rates as they write."""
    world = make_world(4, people=400)
    texts, good = rated(("zh",), 600, 5)
    world.execute("create temp table spoken (n integer, text varchar, mark varchar)")
    marks = [(n, text, "good" if mark else "bad") for n, (text, mark) in enumerate(zip(texts, good, strict=True))]
    world.executemany("insert into spoken values (?, ?, ?)", marks)
    world.execute(
        "update marts.tickets set description = s.text, satisfaction = if(satisfaction is null, null, s.mark)"
        " from spoken s where s.n = substr(ticket_id, 2)::integer % 600"
    )
    return world


def test_the_model_is_kept_until_the_ratings_change(chinese, tmp_path):
    scope = Scope(until=NOW)
    first = keeping.learn(chinese, scope, tmp_path).model
    (file,) = tmp_path.glob("*.npz")
    assert file.name == f"feeling-{first.version}.npz"
    stamp = file.stat().st_mtime_ns
    assert keeping.learn(chinese, scope, tmp_path).model.version == first.version
    assert file.stat().st_mtime_ns == stamp, "read, not trained"
    chinese.execute("delete from marts.tickets where ticket_id = (select min(ticket_id) from marts.tickets"
                    " where satisfaction is not null)")  # fmt: skip
    second = keeping.learn(chinese, scope, tmp_path).model
    assert second.version != first.version
    assert [path.name for path in tmp_path.glob("*.npz")] == [f"feeling-{second.version}.npz"]


def test_chinese_tickets_stand_on_the_curve(chinese):
    silent = curve.measure(chinese, Scope(until=NOW))
    assert sum(cell.from_text for cell in silent.cells) == 0 and silent.model.version is None
    assert "cdp run" in silent.model.reason and sum(cell.no_verdict for cell in silent.cells) > 0
    written = tables.write(chinese, NOW)
    found = curve.measure(chinese, Scope(until=NOW))
    assert 0 < written.verdicts < written.texts and written.reason is None
    assert sum(cell.from_text for cell in found.cells) == written.verdicts
    assert {
        row[0] for row in chinese.execute("select method from marts.ticket_feelings where score is not null").fetchall()
    } == {"learnt"}
    assert "zh" in found.model.speaks and found.model.checks["zh"]["accuracy"] > 0.7
    assert sum(cell.from_text for cell in found.cells) > 0
    for cell in found.cells:
        assert cell.languages.get("zh", {}).get("verdicts", 0) == cell.from_text
        assert cell.languages.get("zh", {}).get("texts", 0) == cell.from_text + cell.no_verdict


def test_every_stage_has_a_cell_even_an_empty_one(world):
    found = curve.measure(world, Scope(until=NOW))
    assert [cell.stage for cell in found.cells] == [
        row[0] for row in world.execute("select stage from marts.journey_stages order by position").fetchall()
    ]
    world_of_nobody = curve.measure(world, Scope(until=NOW, since=datetime(2025, 12, 31, 23, 59, tzinfo=UTC)))
    assert all(cell.score.value is None and cell.backed is None for cell in world_of_nobody.cells)


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


def test_a_cell_says_how_much_of_it_is_text(make_world):
    world = make_world(6, people=300)
    world.execute(
        "update marts.tickets set description = case substr(ticket_id, 2)::integer % 3 when 0 then 'Great help, very "
        "friendly.' when 1 then 'Terrible, I am angry.' else 'Where is it?' end"
    )
    tables.write(world, NOW)
    found = curve.measure(world, Scope(until=NOW))
    for cell in found.cells:
        basis = cell.basis
        assert basis.rated.value + basis.from_text.value + basis.no_verdict.value == basis.tickets.value
        if cell.good.n:
            assert basis.text_share.value == basis.from_text.value / cell.good.n
            assert basis.backed.value == cell.good.n / basis.tickets.value
            assert cell.good.low <= cell.good.value <= cell.good.high
    told = [cell for cell in found.cells if cell.from_text]
    assert told and all(cell.no_verdict for cell in told), "every third text is a plain question"
