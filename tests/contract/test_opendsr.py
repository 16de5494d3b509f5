"""OpenDSR 2.0 and OpenGDPR 1.0 against the tables of the specification: what is supported, requests, who may."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from cryptography.exceptions import InvalidSignature

from api.serve import serve
from cdp.errors import ConfigurationError
from cdp.settings import load_settings
from cdp.store import keys
from privacy.requests.words import Kind, State
from privacy.work import Work
from tests.contract.opendsr_processor import (
    CALLBACK,
    ID,
    IDENTITY_TYPES,
    MAIL,
    NOW,
    OTHER,
    Processor,
    pair,
    processor,
    served,
)
from tests.support import certificates
from tests.support.certificates import DOMAIN, Pair

__all__ = ["pair", "processor", "served"]


def moment(text: str) -> datetime:
    assert text.endswith("Z")
    return datetime.fromisoformat(text)


class TestDiscovery:
    def test_it_says_what_is_supported_to_everybody(self, processor: Processor) -> None:
        found = processor.heard(processor.client.get(processor.version.discovery)).json()
        assert set(found) == {
            "api_version", "supported_identities", "supported_subject_request_types", "processor_certificate",
        }  # fmt: skip
        assert found["api_version"] == processor.version.api_version
        assert found["supported_subject_request_types"] == ["access", "portability", "erasure"]
        assert found["processor_certificate"].startswith(f"https://{DOMAIN}/v")

    def test_the_certificate_is_served_where_it_says(self, processor: Processor) -> None:
        place = processor.client.get(processor.version.discovery).json()["processor_certificate"]
        answer = processor.heard(processor.client.get(place.removeprefix(f"https://{DOMAIN}")))
        assert answer.status_code == 200 and answer.content.startswith(b"-----BEGIN CERTIFICATE-----")

    def test_a_changed_body_does_not_verify(self, processor: Processor) -> None:
        answer = processor.client.get(processor.version.discovery)
        with pytest.raises(InvalidSignature):
            certificates.verify(
                processor.pem, answer.content + b" ", answer.headers[processor.version.signature_header]
            )

    def test_what_it_does_not_name_is_refused(self, processor: Processor) -> None:
        supported = processor.client.get(processor.version.discovery).json()["supported_identities"]
        made = 0
        for identity, written in product(IDENTITY_TYPES, ("raw", "sha1", "md5", "sha256")):
            kind = {"identity_type": identity, "identity_format": written}
            answer = processor.create(
                subject_request_id=str(uuid4()), subject_identities=[{**kind, "identity_value": MAIL}]
            )  # fmt: skip
            if kind in supported:
                assert answer.status_code == 201
                made += 1
            else:
                processor.refused(answer, "see the discovery")
        assert made == len(supported) == len(processor.register.all())


class TestRequest:
    def test_what_is_answered(self, processor: Processor) -> None:
        body = json.dumps(processor.version.request(), indent=3).encode()
        sent = {"Content-Type": "application/json"}
        begun = datetime.now(UTC).replace(microsecond=0)
        answer = processor.heard(processor.by.post(processor.version.requests, content=body, headers=sent))
        assert answer.status_code == 201 and answer.headers["content-type"] == "application/json"
        found = answer.json()
        assert set(found) == {
            "controller_id", "expected_completion_time", "received_time", "encoded_request", "subject_request_id",
        }  # fmt: skip
        assert (found["controller_id"], found["subject_request_id"]) == ("acme", ID)
        assert base64.b64decode(found["encoded_request"]) == body
        assert begun <= moment(found["received_time"]) <= datetime.now(UTC)
        assert timedelta(27) < moment(found["expected_completion_time"]) - begun < timedelta(36)

    def test_it_is_in_the_register_like_any_other(self, processor: Processor) -> None:
        kind = "portability"
        assert processor.create(subject_request_type=kind).status_code == 201
        one = processor.register.all()[0]
        assert (one.kind, one.state, one.subjects) == (kind, State.APPROVED, 1)
        assert [(step.action, step.note) for step in one.history] == [
            ("receive", ""), ("verify", "controller"), ("approve", ""),
        ]  # fmt: skip
        assert Work.resume(processor.privacy, one.request).content["subjects"] == [[f"email:{MAIL}"]]
        listed = processor.by.get("/v1/privacy/requests").json()["data"]
        assert [row["request"] for row in listed] == [one.request]
        processor.services.audit.flush()
        assert processor.store.audit_rows(object=one.request)[0].entry.detail["way"] == "opendsr"

    def test_the_time_to_answer_runs_from_when_the_person_asked(self, processor: Processor) -> None:
        found = processor.create(submitted_time="2026-01-31T12:00:00+01:00").json()
        assert found["expected_completion_time"] == "2026-03-02T23:59:59Z"
        assert processor.status().json()["expected_completion_time"] == "2026-03-02T23:59:59Z"

    def test_who_exists_is_answered_as_who_does_not(self, processor: Processor) -> None:
        answers = []
        for number, value in enumerate((MAIL, "nobody@canary.example")):
            name = f"{number}7551968-d5d6-44b2-9831-815ac9017798"
            one = {"identity_type": "email", "identity_value": value, "identity_format": "raw"}
            made = processor.create(subject_request_id=name, subject_identities=[one]).json()
            del made["encoded_request"], made["received_time"], made["subject_request_id"]
            seen = processor.status(name).json()
            del seen["subject_request_id"]
            answers.append((made, seen))
        assert answers[0] == answers[1]

    def test_the_same_again_is_the_same_and_another_is_an_error(self, processor: Processor) -> None:
        first, again = processor.create(), processor.create()
        assert (first.status_code, first.json()) == (again.status_code, again.json())
        one = {"identity_type": "email", "identity_value": "b@canary.example", "identity_format": "raw"}
        for changed in ({"subject_identities": [one]}, {"subject_request_type": "access"}, {"api_version": None}):
            processor.refused(processor.create(**changed), "used for another request")
        assert len(processor.register.all()) == 1
        assert processor.create(subject_request_id=OTHER).status_code == 201
        assert len(processor.register.all()) == 2, "another id is another request, also about the same person"
        processor.cancel()
        assert processor.create().json() == first.json(), "also when it is closed"

    def test_controllers_do_not_see_each_other(self, processor: Processor) -> None:
        other = processor.client.by(keys.create(processor.store, "other", ["privacy:read", "privacy:write"]))
        assert processor.create().status_code == processor.create(by=other).status_code == 201
        assert len(processor.register.all()) == 2
        processor.create(subject_request_id=OTHER)
        processor.refused(processor.status(OTHER, by=other), "no such request", 404)
        processor.refused(processor.cancel(OTHER, by=other), "no such request", 404)
        renewed = processor.client.by(keys.create(processor.store, "acme", ["privacy:read"]))
        assert processor.status(by=renewed).json()["controller_id"] == "acme"

    def test_what_is_wrong(self, processor: Processor) -> None:
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"subject_request_id": None}, "body.subject_request_id is required"),
            ({"subject_request_id": ID.upper()}, "body.subject_request_id"),
            ({"subject_request_id": ID.replace("-44b2", "-14b2")}, "body.subject_request_id"),
            ({"subject_request_type": "rectification"}, "body.subject_request_type must be one of"),
            ({"submitted_time": "yesterday"}, "body.submitted_time"),
            ({"submitted_time": "2026-01-31T12:00:00"}, "body.submitted_time"),
            ({"submitted_time": "0001-01-01T00:00:00+14:00"}, "submitted_time lies before 1970"),
            ({"submitted_time": (NOW + timedelta(3)).isoformat()}, "submitted_time lies in the future"),
            ({"subject_identities": None}, "body.subject_identities is required"),
            ({"subject_identities": []}, "body.subject_identities"),
            ({"subject_identities": [{"identity_type": "shoe", "identity_value": MAIL, "identity_format": "raw"}]},
             "body.subject_identities.0.identity_type must be one of"),
            ({"subject_identities": [{"identity_type": "email", "identity_value": "no", "identity_format": "raw"}]},
             "subject_identities.0.identity_value"),
            ({"api_version": "3.0"}, "api_version: this address speaks"),
            ({"extensions": {DOMAIN: {"waiting": 1}}}, "extensions"),
            ({"status_callback_urls": ["ftp://a.example/x"]}, "status_callback_urls.0"),
            ({"status_callback_urls": [CALLBACK, "https://127.0.0.1/x"]}, "status_callback_urls.1: The URL leads"),
            ({"status_callback_urls": ["https://[::ffff:10.0.0.1]/x"]}, "status_callback_urls.0: The URL leads"),
            ({"status_callback_urls": ["http://203.0.114.7/x"]}, "https://"),
            ({"status_callback_urls": [CALLBACK] * 11}, "body.status_callback_urls"),
        ]  # fmt: skip
        for changed, words in wrong:
            processor.refused(processor.create(**changed), words)
        assert processor.register.all() == [] and Work.open_ones(processor.privacy) == []

    def test_the_regulation(self, processor: Processor) -> None:
        if processor.version.regulation:
            processor.refused(processor.create(regulation=None), "body.regulation is required")
            processor.refused(processor.create(regulation="lgpd"), "body.regulation must be one of")
            assert processor.create(regulation="ccpa").status_code == 201
            assert processor.register.all()[0].rules == "ccpa"
        else:
            assert processor.create().status_code == 201
            assert processor.register.all()[0].rules == "gdpr"

    def test_what_is_for_others_is_left_alone(self, processor: Processor) -> None:
        assert processor.create(extensions={"other.example": {"id": 1}}, group_id="x").status_code == 201

    def test_no_json(self, processor: Processor) -> None:
        sent = {"Content-Type": "application/json"}
        for body in (b"{", b"[]", b"\xff"):
            processor.refused(processor.by.post(processor.version.requests, content=body, headers=sent), "")
        half = json.dumps(processor.version.request(extensions={"other.example": {"x": "\ud800"}})).encode()
        answer = processor.by.post(processor.version.requests, content=half, headers=sent)
        processor.refused(answer, "extensions: a text in it is no Unicode")


def test_who_may(processor: Processor) -> None:
    path = processor.version.requests
    body = processor.version.request()
    for method, url, scope in (
        ("POST", path, "write"),
        ("GET", f"{path}/{ID}", "read"),
        ("DELETE", f"{path}/{ID}", "write"),
    ):
        answer = processor.client.request(method, url, json=body)
        processor.refused(answer, "API key", 401)
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        other = processor.client.by(keys.create(processor.store, "x", sorted(set(keys.SCOPES) - {f"privacy:{scope}"})))
        processor.refused(other.request(method, url, json=body), f"privacy:{scope}", 403)
    assert processor.register.all() == []


def test_four_eyes_are_needed_for_what_controllers_want_too(processor: Processor) -> None:
    policy = replace(processor.services.policy, four_eyes=True)
    processor.client.app.state.services = replace(processor.services, policy=policy)
    processor.create()
    processor.create(subject_request_id=OTHER, subject_request_type="access")
    states = {one.kind: one.state for one in processor.register.all()}
    assert states == {Kind.ERASURE: State.VERIFIED, Kind.ACCESS: State.APPROVED}
    assert processor.status().json()["request_status"] == "pending"


def test_without_a_certificate_nothing_is_answered(processor: Processor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.opendsr.signing.wall_now", lambda: NOW + timedelta(11))
    answer = processor.by.get(f"{processor.version.requests}/{ID}")
    assert answer.status_code == 503 and "not valid today" in answer.json()["error"]["message"]
    processor.client.app.state.services = replace(processor.services, signer=None)
    answer = processor.by.post(processor.version.requests, json=processor.version.request())
    assert answer.status_code == 503 and "needs a certificate" in answer.json()["error"]["message"]
    assert processor.register.all() == [] and processor.version.signature_header not in answer.headers


def test_a_server_with_half_a_certificate_does_not_start(tmp_path: Path, pair: Pair) -> None:
    with pytest.raises(ConfigurationError, match="belong together"):
        serve(load_settings(home=tmp_path, opendsr_key=pair.key))


def test_nothing_personal_is_kept_in_the_clear_or_logged(
    processor: Processor, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    processor.create()
    processor.create(
        subject_identities=[{"identity_type": "android_id", "identity_value": MAIL, "identity_format": "raw"}]
    )
    processor.services.audit.flush()
    texts = [record.getMessage() for record in caplog.records] + [repr(one) for one in processor.store.audit_rows()]
    assert not [text for text in texts if "zqxmail" in text]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or path.parent.name == "serving" or b"zqxmail" not in path.read_bytes(), path.name
