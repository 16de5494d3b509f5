"""OpenDSR 2.0 and OpenGDPR 1.0 against the tables of the specification: status and cancellation."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from privacy.packages.vault import Record, Whose
from privacy.requests import request as acts
from privacy.requests.words import Refusal
from privacy.work import Work
from tests.contract.opendsr_processor import (
    ID,
    NOW,
    OTHER,
    Processor,
    pair,
    processor,
    served,
)
from tests.support.certificates import DOMAIN

__all__ = ["pair", "processor", "served"]


class TestStatus:
    def test_the_states(self, processor: Processor) -> None:
        processor.create()
        found = processor.status().json()
        assert set(found) == {
            "controller_id", "expected_completion_time", "subject_request_id", "request_status", "api_version",
        }  # fmt: skip
        assert (found["request_status"], found["api_version"]) == ("pending", processor.version.api_version)
        processor.change(acts.begin)
        assert processor.status().json()["request_status"] == "in_progress"
        processor.change(acts.complete)
        assert processor.status().json()["request_status"] == "completed"

    def test_the_address_that_the_specification_names_without_saying_more(self, processor: Processor) -> None:
        processor.create()
        prefix = processor.version.discovery.rpartition("/")[0]
        assert processor.heard(processor.by.get(f"{prefix}/status/{ID}")).json() == processor.status().json()

    def test_what_is_not_proved_everywhere_is_not_completed(self, processor: Processor) -> None:
        processor.create()
        processor.change(acts.begin)
        processor.change(acts.complete, partial=True, held=True)
        found = processor.status().json()
        assert found["request_status"] == "in_progress" and found["extensions"] == {DOMAIN: {"outcome": "partial"}}

    def test_a_refusal_says_why_but_not_that_somebody_exists(self, processor: Processor) -> None:
        """Identities of two people: whoever may not know hears what they would hear of nobody."""
        processor.create()
        processor.change(acts.begin)
        processor.change(acts.give_up, why=Refusal.DIFFERENT_PEOPLE)
        found = processor.status().json()
        assert found["request_status"] == "cancelled"
        assert found["extensions"] == {DOMAIN: {"outcome": "refused", "reason": "not_identified"}}
        found = processor.status(by=processor.seeing()).json()
        assert found["extensions"][DOMAIN]["reason"] == "different_people"

    def test_what_a_legal_hold_keeps_is_for_those_who_may_know(self, processor: Processor) -> None:
        processor.create()
        processor.change(acts.begin)
        request = processor.change(acts.complete, held=True).request
        found = processor.status().json()
        assert found["request_status"] == "completed" and "extensions" not in found
        assert processor.status(by=processor.seeing()).json()["extensions"] == {DOMAIN: {"outcome": "held"}}
        assert '"held"' not in processor.by.get(f"/v1/privacy/requests/{request}").text

    def test_the_package_of_who_may_know(self, processor: Processor) -> None:
        processor.create(subject_request_type="access")
        processor.change(acts.begin)
        request = processor.change(acts.complete).request
        seeing = processor.seeing()
        assert "results_url" not in processor.status(by=seeing).json()
        made = Record(request, "access", NOW.isoformat(), (NOW + timedelta(30)).isoformat(), 7, 2, 0)
        processor.services.packages.keep(made, Whose(frozenset(), frozenset(), frozenset()), b"archive")
        assert "results_url" not in processor.status().json()
        found = processor.status(by=seeing).json()
        assert found["results_count"] == 7
        answer = seeing.get(found["results_url"].removeprefix(f"https://{DOMAIN}"))
        assert (answer.status_code, answer.content) == (200, b"archive")
        processor.services.packages.expire(NOW + timedelta(31))
        assert "results_url" not in processor.status(by=seeing).json()

    def test_unknown_ids(self, processor: Processor) -> None:
        processor.refused(processor.status(OTHER), "no such request", 404)
        processor.refused(processor.status("1"), "path.subject_request_id")
        processor.refused(processor.by.get(f"{processor.version.requests}/{ID}?x=1"), "query parameter")


class TestCancellation:
    def test_while_it_is_pending(self, processor: Processor) -> None:
        processor.create()
        answer = processor.cancel()
        assert answer.status_code == 202
        found = answer.json()
        assert set(found) == {"controller_id", "subject_request_id", "received_time", "api_version"}
        assert processor.status().json()["request_status"] == "cancelled"
        assert "extensions" not in processor.status().json()
        assert processor.cancel().json() == found, "again is the same"
        assert Work.open_ones(processor.privacy) == []

    @pytest.mark.parametrize(
        ("acted", "word"), [((acts.begin,), "in_progress"), ((acts.begin, acts.complete), "compl")]
    )
    def test_late(self, processor: Processor, acted: Any, word: str) -> None:
        processor.create()
        for action in acted:
            processor.change(action)
        processor.refused(processor.cancel(), word)
        processor.refused(processor.cancel(OTHER), "no such request", 404)
