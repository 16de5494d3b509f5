"""Rules of retention: how long a period is, what a rule may say, and what is told when it cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError
from privacy.retention import standing
from privacy.retention.rules import Period, RecordsRule, Rules, load
from privacy.retention.standing import Standing

ENTITIES = {"web.events": ["timestamp", "event"], "support.tickets": ["id", "status", "solved_at"]}


@pytest.mark.parametrize(
    ("count", "unit", "now", "before"),
    [
        (25, "months", "2026-03-31T10:00:00+00:00", "2024-02-29T00:00:00"),
        (13, "months", "2026-03-31T23:30:00-02:00", "2025-03-01T00:00:00"),
        (3, "years", "2024-02-29T00:00:00+00:00", "2021-02-28T00:00:00"),
        (30, "days", "2026-01-15T05:00:00+00:00", "2025-12-16T00:00:00"),
        (12, "months", "2026-01-31T00:00:00+00:00", "2025-01-31T00:00:00"),
    ],
)
def test_a_period_counts_back_by_the_calendar(count: int, unit: str, now: str, before: str) -> None:
    assert Period(count, unit).before(datetime.fromisoformat(now).astimezone(UTC)).isoformat() == before


def read(tmp_path: Path, text: str) -> Rules:
    file = tmp_path / "retention.yaml"
    file.write_text(text)
    return load(file, ENTITIES)


def test_rules_are_read(tmp_path: Path) -> None:
    rules = read(
        tmp_path,
        """
        rules:
          - {name: events, records: web.events, older_than: 25 months}
          - name: closed
            records: support.tickets
            since: solved_at
            only: {status: [Closed, solved]}
            older_than: 3 years
          - {name: lapsed, people: without_activity, older_than: 36 months}
        """,
    )
    assert rules.records == (
        RecordsRule("events", "web.events", Period(25, "months")),
        RecordsRule("closed", "support.tickets", Period(3, "years"), "solved_at", (("status", ("closed", "solved")),)),
    )
    assert [rule.name for rule in rules.people] == ["lapsed"]
    assert len({rule.digest for rule in rules}) == 3
    assert not load(None, ENTITIES)


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ("{name: a, records: web.event, older_than: 1 year}", "has 'web.event'; did you mean web.events"),
        ("{name: a, records: web.events, older_than: 25 mnths}", "'mnths' is no unit; did you mean months"),
        ("{name: a, records: web.events, older_than: 25}", "a number and a unit"),
        ("{name: a, records: web.events, older_than: 0 days}", "between a day and a hundred years"),
        ("{name: a, records: web.events, older_than: 1 year, since: time}", "web.events has no field 'time'"),
        ("{name: a, records: support.tickets, older_than: 1 year, only: {stats: [a]}}", "did you mean status"),
        ("{name: a, records: support.tickets, older_than: 1 year, only: {status: closed}}", "a list of texts"),
        ("{name: a, records: web.events, older_then: 1 year}", "rules.1.older_then: .* did you mean older_than"),
        ("{name: a, people: lapsed, older_than: 1 year}", "people can be without_activity"),
        ("{name: a, older_than: 1 year}", "say one of records, people, files"),
        ("{name: a, files: export, older_than: 1 year}", "no files 'export'; did you mean exports"),
        ("{name: a, files: [exports], older_than: 1 year}", "rules.1.files: there are no files"),
        ("{name: a, files: packages, older_than: 1 year}", "set CDP_PRIVACY_PACKAGE_DAYS"),
        ("{name: A b, records: web.events, older_than: 1 year}", "rules.1.name"),
        ("just words", "a rule says name"),
    ],
)  # fmt: skip
def test_a_rule_that_cannot_be_is_told(tmp_path: Path, rule: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as told:
        read(tmp_path, f"rules:\n  - {rule}\n")
    assert "retention.yaml" in told.value.message


def test_a_file_that_cannot_be_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"retention.yaml, line 3: this is not readable"):
        read(tmp_path, "rules:\n  - {name: a\n")
    with pytest.raises(ConfigurationError, match="says `rules`, a list"):
        read(tmp_path, "rule: []")
    twice = "{name: a, records: web.events, older_than: 1 year}"
    with pytest.raises(ConfigurationError, match="two rules are called a"):
        read(tmp_path, f"rules: [{twice}, {twice}]")
    twice = "{name: a, files: logs, older_than: 1 year}, {name: b, files: logs, older_than: 2 years}"
    with pytest.raises(ConfigurationError, match=r"two rules are about the same files \(logs\)"):
        read(tmp_path, f"rules: [{twice}]")
    with pytest.raises(ConfigurationError, match="cannot be read"):
        load(tmp_path / "none.yaml", ENTITIES)


def test_files_have_a_period_without_a_rule_too(tmp_path: Path) -> None:
    written = read(tmp_path, "rules: [{name: traces, files: logs, older_than: 1 year}]").about_files
    assert [(rule.name, str(rule.period)) for rule in written] == [("exports", "30 days"), ("traces", "1 years")]
    assert [str(rule.period) for rule in load(None, ENTITIES).about_files] == ["30 days", "30 days"]


def test_what_stands_of_rules_is_kept(tmp_path: Path) -> None:
    assert standing.read(tmp_path) == Standing()
    kept = Standing(frozenset({"a"}), frozenset({"b"}))
    standing.write(tmp_path, kept)
    assert standing.read(tmp_path) == kept
    (tmp_path / standing.FILE).write_text("{")
    with pytest.raises(ConfigurationError, match="damaged"):
        standing.read(tmp_path)
