"""The closed vocabularies of requests: kinds, states, and reasons as codes, since free text may hold personal data."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What a person may ask for."""

    ACCESS = "access"
    PORTABILITY = "portability"
    ERASURE = "erasure"
    RECTIFICATION = "rectification"
    RESTRICTION = "restriction"
    OBJECTION = "objection"


# What is answered with a package; it is one person's.
PACKAGED = frozenset({Kind.ACCESS, Kind.PORTABILITY})
# What Wayfinder carries out itself.
CARRIED_OUT = PACKAGED | {Kind.ERASURE}

# How ids of requests begin.
PREFIXES: dict[Kind, str] = {
    Kind.ACCESS: "ac",
    Kind.PORTABILITY: "po",
    Kind.ERASURE: "er",
    Kind.RECTIFICATION: "rc",
    Kind.RESTRICTION: "rs",
    Kind.OBJECTION: "ob",
}


class State(StrEnum):
    """Where a request is."""

    RECEIVED = "received"
    VERIFIED = "verified"
    APPROVED = "approved"
    EXECUTING = "executing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    REFUSED = "refused"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Nothing follows."""
        return self in FINAL


FINAL = frozenset({State.COMPLETED, State.PARTIAL, State.REFUSED, State.CANCELLED})


class Verification(StrEnum):
    """How it was made sure that the person is who they say; what they showed is not kept."""

    DOCUMENT = "document"
    LOGIN = "login"
    EMAIL_LINK = "email_link"
    PHONE_CALL = "phone_call"
    IN_PERSON = "in_person"
    AGENT = "agent"
    CONTROLLER = "controller"
    OPERATOR = "operator"


class Delay(StrEnum):
    """Why an answer takes longer, as the person is told."""

    COMPLEXITY = "complexity"
    NUMBER_OF_REQUESTS = "number_of_requests"


class Refusal(StrEnum):
    """Why nothing is done, as the person is told."""

    NOT_IDENTIFIED = "not_identified"
    UNFOUNDED = "unfounded"
    EXCESSIVE = "excessive"
    LEGAL_OBLIGATION = "legal_obligation"
    LEGAL_CLAIMS = "legal_claims"
    DIFFERENT_PEOPLE = "different_people"
    MATCHES_TOO_MUCH = "matches_too_much"


# Only looking the person up can give these.
_TELLING = frozenset({str(Refusal.DIFFERENT_PEOPLE), str(Refusal.MATCHES_TOO_MUCH)})


def told(code: str, *, telling: bool) -> str:
    """A code of the history for somebody who may know whether a person exists (`telling`), or may not."""
    if telling:
        return code
    if code in _TELLING:
        return str(Refusal.NOT_IDENTIFIED)
    # What a legal hold keeps, it keeps of somebody.
    return code.removesuffix("held").removesuffix("_")
