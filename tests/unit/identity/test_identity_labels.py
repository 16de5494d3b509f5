"""People's word measures the model, and teaches it when it is trained anew."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from cdp.domain.decisions import Author
from identity import decisions, labels, model_store
from identity.config import PIPELINE

AUTHOR = Author("reviewer", datetime(2026, 1, 2, tzinfo=UTC))


@pytest.fixture
def trained(shop):
    """A shop large enough, for its configuration, to learn from."""
    shop.config = replace(PIPELINE, train_from=50)
    shop.populate(40)
    shop.resolve()
    assert model_store.active(shop.connection).kind == "trained"
    return shop


def answer(shop, a, b, same):
    return decisions.answer(shop.log, shop.connection, a, b, same=same, author=AUTHOR)


def measured(shop):
    return labels.agreement(shop.connection, shop.log.listed(), config=shop.config)


def test_agreement_counts_what_the_model_alone_would_say(trained):
    assert measured(trained)["agreement"] is None
    answer(trained, "sales:c003", "web:u003", True)
    answer(trained, "sales:c004", "sales:c005", False)
    answer(trained, "sales:c000", "web:u000", False)
    withdrawn = answer(trained, "sales:c001", "web:u001", False)
    decisions.withdraw(trained.log, withdrawn.decision_id, AUTHOR)
    found = measured(trained)
    assert (found["decisions"], found["labels"], found["model_agrees"]) == (3, 3, 2)
    assert found["by_kind"] == {
        "different": {"labels": 2, "model_agrees": 1},
        "same": {"labels": 1, "model_agrees": 1},
    }
    assert found["carried_out"] == 2
    trained.resolve()
    assert (measured(trained)["model_agrees"], measured(trained)["carried_out"]) == (2, 3)


def test_labels_change_the_model_only_when_it_is_renewed(trained):
    """Told that people who share a mail address and a name are two, the model trusts mail addresses less."""
    before = model_store.active(trained.connection)
    for number in range(0, 30):
        answer(trained, f"sales:c{number:03}", f"web:u{number:03}", False)
    trained.resolve()
    assert model_store.active(trained.connection).version == before.version
    trained.resolve(renew_model=True)
    taught = model_store.active(trained.connection)
    assert taught.stranger_weights("email")[0] < before.stranger_weights("email")[0]
    trained.resolve(renew_model=True)
    assert model_store.active(trained.connection).version == taught.version


def test_the_word_of_a_person_beats_the_rule_of_a_source(trained):
    """Two records of sales are never one person to the model, unless somebody says so."""
    trained.add("sales", "double", first_name="Ada", last_name="Abendroth", email="ada.abendroth0@gmail.com")
    answered = decisions.answer
    trained.resolve()
    answered(trained.log, trained.connection, "sales:c000", "sales:double", same=True, author=AUTHOR)
    report = trained.resolve(renew_model=True)
    assert report.model_version.startswith("trained")
    assert trained.profile("sales:c000") == trained.profile("sales:double")
