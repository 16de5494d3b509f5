"""How a request of the register looks in OpenDSR 2.0 and OpenGDPR 1.0: names, statuses, bodies. Pure.

Neither version can say that a request was refused, that an erasure could not be proved everywhere, or that a legal hold
keeps a minimum. The first is told as `cancelled`, the second, which is not completed, as `in_progress`, the third as
`completed`; an extension under our domain says which.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from privacy.requests.request import Request
from privacy.requests.words import Kind, State, told

WAY = "opendsr"

Status = Literal["pending", "in_progress", "completed", "cancelled"]


@dataclass(frozen=True)
class Dialect:
    """One version of the specification: where its addresses begin, its collection of requests, its headers."""

    version: str
    prefix: str
    collection: str
    domain_header: str
    signature_header: str


OPENGDPR = Dialect(
    "1.0", "/v1", "/opengdpr_requests", "X-OpenGDPR-Processor-Domain", "X-OpenGDPR-Signature"
)  # fmt: skip
OPENDSR = Dialect("2.0", "/v2", "/requests", "X-OpenDSR-Processor-Domain", "X-OpenDSR-Signature")
DIALECTS = {one.version: one for one in (OPENGDPR, OPENDSR)}

# What of the specification's identity types we can look up, as our identifier type. A hash of a value tells nothing
# to the keyed hashes by which an erased person is kept from coming back, so values come as they are.
IDENTITIES = {"email": "email", "controller_customer_id": "user_id"}
FORMAT = "raw"
KINDS = (Kind.ACCESS, Kind.PORTABILITY, Kind.ERASURE)

_STATUS: dict[State, Status] = {
    State.RECEIVED: "pending",
    State.VERIFIED: "pending",
    State.APPROVED: "pending",
    State.EXECUTING: "in_progress",
    State.COMPLETED: "completed",
    State.PARTIAL: "in_progress",
    State.REFUSED: "cancelled",
    State.CANCELLED: "cancelled",
}
_LEADS: dict[str, Status] = {
    "receive": "pending",
    "begin": "in_progress",
    "complete": "completed",
    "refuse": "cancelled",
    "give_up": "cancelled",
    "cancel": "cancelled",
}


def status(request: Request) -> Status:
    """Where a request is, in the specification's words."""
    return _STATUS[request.state]


def discovery(dialect: Dialect, domain: str) -> dict[str, Any]:
    """What is supported (6.3)."""
    return {
        "api_version": dialect.version,
        "supported_identities": [{"identity_type": one, "identity_format": FORMAT} for one in IDENTITIES],
        "supported_subject_request_types": [str(kind) for kind in KINDS],
        "processor_certificate": f"https://{domain}{dialect.prefix}/cert.pem",
    }


def receipt(request: Request, encoded: str) -> dict[str, Any]:
    """The answer to a new request (7.3); `encoded` is its body in base64, which is nowhere kept."""
    return {
        "controller_id": request.origin["controller"],
        "expected_completion_time": expected(request),
        "received_time": moment(request.requested_at),
        "encoded_request": encoded,
        "subject_request_id": request.origin["id"],
    }


def described(
    request: Request, dialect: Dialect, domain: str, *, telling: bool, results: int | None = None
) -> dict[str, Any]:
    """The status of a request (8.3); `telling`: for somebody who may know whether a person exists.

    `results`: the rows in the package that can be fetched, None where there is none.
    """
    outcome = _outcome(request, telling=telling)
    place = f"https://{domain}/v1/privacy/requests/{request.request}/package"
    return {
        "controller_id": request.origin["controller"],
        "expected_completion_time": expected(request),
        "subject_request_id": request.origin["id"],
        "request_status": status(request),
        "api_version": dialect.version,
        **({"results_url": place, "results_count": results} if results is not None else {}),
        **({"extensions": {domain: outcome}} if outcome else {}),
    }


def cancelled(request: Request, dialect: Dialect) -> dict[str, Any]:
    """The answer to a cancellation (9.2)."""
    at = next(step.at for step in request.history if step.action == "cancel")
    return {
        "controller_id": request.origin["controller"],
        "subject_request_id": request.origin["id"],
        "received_time": moment(at),
        "api_version": dialect.version,
    }


def changes(request: Request) -> list[Status]:
    """The statuses a request went through, first to last; an erasure that is partial did not leave `in_progress`."""
    return list(_changes(request))


def expected(request: Request) -> str:
    """The last moment at which an answer is in time, RFC 3339."""
    return moment((datetime.fromisoformat(request.due_at) - timedelta(seconds=1)).isoformat())


def moment(text: str) -> str:
    """A moment in UTC as RFC 3339 with Z."""
    return text.replace("+00:00", "Z")


def _changes(request: Request) -> Iterator[Status]:
    before: Status | None = None
    for step in request.history:
        after = _LEADS.get(step.action)
        if step.action == "complete" and "partial" in step.note:
            after = "in_progress"
        if after is not None and after != before:
            before = after
            yield after


def _outcome(request: Request, *, telling: bool) -> dict[str, str]:
    if request.state is State.PARTIAL:
        return {"outcome": "partial"}
    if request.state is State.REFUSED:
        return {"outcome": "refused", "reason": told(request.reason or "", telling=telling)}
    if telling and request.state is State.COMPLETED and "held" in request.history[-1].note:
        return {"outcome": "held"}
    return {}
