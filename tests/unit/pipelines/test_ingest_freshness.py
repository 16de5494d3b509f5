"""Freshness: the newest thing a source tells of, against the data's now."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from cdp.errors import CheckFailed
from pipelines import run
from pipelines.ingest import freshness, landing
from tests.unit.pipelines.ingest_delivery import CONTACTS, DEALS, NOW, contact, event, make_delivery


def test_sources_are_judged_by_what_they_tell_of(tmp_path: Path) -> None:
    delivery = make_delivery(tmp_path)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1, date="2025-12-31T00:00:00Z"), contact(2, date="x"))
    delivery.put_events("web/events.jsonl", event(1, timestamp="2025-12-01T00:00:00Z"))
    delivery.put_lines("pos/customers.csv", "Reference ID,First Name,Last Name,Email Address,Phone Number", "1,,,,")
    delivery.load()
    with delivery.engine.reader() as connection:
        found = {item.source: item for item in freshness.check(connection, NOW)}
        lenient = {item.source: item for item in freshness.check(connection, NOW, dict.fromkeys(found, 365))}
    assert set(found) == {"sales", "web", "pos"}, "a source never delivered is nobody's worry"
    assert (found["sales"].newest, found["sales"].stale) == (datetime(2025, 12, 31, tzinfo=UTC), False)
    assert (found["web"].age_days, found["web"].limit_days, found["web"].stale) == (31.0, 7, True)
    assert (found["pos"].newest, found["pos"].stale) == (None, False), "members have no date"
    assert not lenient["web"].stale


def test_stale_sources_are_told_or_stop_a_run_that_loads_nothing(tmp_path: Path) -> None:
    delivery = make_delivery(tmp_path)
    delivery.put_events("web/events.jsonl", event(1, timestamp="2025-12-01T00:00:00Z"))
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1, date="2025-12-31T00:00:00Z"))
    delivery.load()
    told: list[str] = []
    run._judge_freshness(delivery.settings, told.append)
    assert told == ["Stale: web: the newest record is of 2025-12-01, 31 days before now; more than 7 is stale."]
    with pytest.raises(CheckFailed, match=r"because CDP_FRESHNESS is block\. web: the newest record is of 2025-12-01"):
        run._judge_freshness(delivery.settings.model_copy(update={"freshness": "block"}), told.append)


def test_a_file_that_does_not_come_again_is_named(tmp_path: Path) -> None:
    delivery = make_delivery(tmp_path)
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    delivery.put_events("web/events.jsonl", event(1))
    delivery.load()
    assert landing.absent(delivery.settings, delivery.folder) == []
    (delivery.folder / "sales" / "contacts.csv").unlink()
    assert landing.absent(delivery.settings, delivery.folder) == [], "the source brought nothing at all"
    delivery.put_lines("sales/deals.csv", DEALS, "1,open,,2025-01-01,,1")
    ((source, pattern),) = landing.absent(delivery.settings, delivery.folder)
    assert source == "sales" and "contacts" in pattern
