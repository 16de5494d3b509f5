"""Sources, stages and moves: the closed vocabularies that tables, API and code share."""

from __future__ import annotations

from enum import StrEnum


class Source(StrEnum):
    """The systems we read from."""

    SALES = "sales"
    SUPPORT = "support"
    WEB = "web"
    POS = "pos"
    MARKETING = "marketing"


class Stage(StrEnum):
    """The default journey; `lapsed` is off the path. The seed `journey_stages.csv` may define another set."""

    AWARENESS = "awareness"
    CONSIDERATION = "consideration"
    DECISION = "decision"
    USE = "use"
    LOYALTY = "loyalty"
    LAPSED = "lapsed"


class Move(StrEnum):
    """How a stage episode began."""

    START = "start"
    FORWARD = "forward"
    BACK = "back"
    LAPSE = "lapse"
    RESTART = "restart"


class IdentifierType(StrEnum):
    """Kinds of identifier a source can carry."""

    EMAIL = "email"
    PHONE = "phone"
    USER_ID = "user_id"
    ANONYMOUS_ID = "anonymous_id"
    LOYALTY_ID = "loyalty_id"
    CONTACT_ID = "contact_id"
    REQUESTER_ID = "requester_id"


# The identifier type that a person record id of each source is.
IDENTIFIER_OF_SOURCE: dict[Source, IdentifierType] = {
    Source.SALES: IdentifierType.CONTACT_ID,
    Source.SUPPORT: IdentifierType.REQUESTER_ID,
    Source.WEB: IdentifierType.USER_ID,
    Source.POS: IdentifierType.LOYALTY_ID,
}
