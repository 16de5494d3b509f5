"""Row contracts: failing indexes with code and sentence; suites are well formed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from cdp.errors import CheckFailed, ConfigurationError
from expectations import runner, suite
from expectations.published import DERIVED, MEASURES

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ENTITIES = (
    ("sales", "contacts"),
    ("sales", "deals"),
    ("support", "users"),
    ("support", "tickets"),
    ("web", "events"),
    ("pos", "customers"),
    ("pos", "transactions"),
    ("marketing", "email_events"),
    ("marketing", "experiments"),
)


def test_every_entity_and_published_table_has_a_suite_that_reads_well() -> None:
    names = {f"{source}.{entity}" for source, entity in ENTITIES} | set(MEASURES | DERIVED)
    assert {path.stem for path in suite.FOLDER.glob("*.yaml")} == {name.replace(".", "_") for name in names}
    for source, entity in ENTITIES:
        rules = runner.row_rules(source, entity)
        assert len({rule.code for rule in rules}) == len(rules)
        assert runner.row_columns(source, entity)
        for rule in rules:
            assert rule.reason.endswith("."), rule
            assert rule.reason[0].isalpha()


def test_failures_are_indexes_with_code_and_sentence() -> None:
    dates = pd.to_datetime(["2025-01-01", None, "1850-01-01", "2026-01-30", "2026-03-01"])
    frame = pd.DataFrame({"record_id": ["a", "b", None, "d", "e"], "create_date": dates}, index=[10, 20, 30, 40, 50])
    frame.index.name = "row_no"
    found = runner.check_rows("sales", "contacts", frame, NOW)
    assert [(one.index, one.code) for one in found] == [
        (20, "create_date_unreadable"),
        (30, "record_id_missing"),
        (30, "create_date_impossible"),
        (50, "create_date_impossible"),
    ]
    assert found[1].reason == "Record ID is empty."
    assert not any(value in repr(found) for value in ("1850", "2026-03"))


def test_a_sound_frame_and_an_empty_one_have_no_failures() -> None:
    frame = pd.DataFrame({"reference_id": ["a", "b"]})
    assert runner.check_rows("pos", "customers", frame, NOW) == []
    assert runner.check_rows("pos", "customers", frame.iloc[:0], NOW) == []


def test_a_view_without_a_column_is_our_mistake_and_told() -> None:
    with pytest.raises(CheckFailed, match=r"Suite pos\.customers: expect_column_values_to_not_be_null on reference_id"):
        runner.check_rows("pos", "customers", pd.DataFrame({"id": [1]}), NOW)


def test_wrong_suites_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suite, "FOLDER", tmp_path)
    with pytest.raises(ConfigurationError, match=r"no suite a_b\.yaml"):
        suite.load_suite("a.b")
    (tmp_path / "c_d.yaml").write_text("suite: c.e\nexpectations: []\n")
    with pytest.raises(ConfigurationError, match=r"must say `suite: c\.d`"):
        suite.load_suite("c.d")
    (tmp_path / "e_f.yaml").write_text("suite: e.f\nexpectations: [{expectation: x, column: y, code: z}]\n")
    with pytest.raises(ConfigurationError, match="has no 'reason'"):
        suite.load_suite("e.f")
