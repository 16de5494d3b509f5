"""The one gate between a segment and people: who may be used for a purpose.

Until a consent ledger exists, consent is what the sources say: `marketing_consent` (the most recent statement) and
`unsubscribed` (an objection, which always wins). A ledger takes over by its relation name: one row per profile and
purpose with `profile_id`, `purpose` and `state` (`given` or `refused`); no row means unknown. Exports, previews and
consent conditions all ask here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp.errors import InputError
from segments import sql

# Advertising needs an agreement that was not taken back; statistics and service rest on other grounds.
NEEDS_CONSENT: Mapping[str, bool] = {"marketing": True, "personalisation": True, "analytics": False, "service": False}

_ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "email": ("email",),
    "phone": ("phone",),
    "post": ("street", "postcode"),
}


@dataclass(frozen=True)
class Gate:
    """Decides per profile and purpose; `ledger` names the relation of statements, none means the sources."""

    ledger: str | None = None

    def relation(self, purpose: str, alias: str) -> exp.Subquery:
        """What the ledger says about a purpose, to be joined by profile_id: profile_id, state."""
        if self.ledger is None:
            raise AssertionError("without a ledger the profile's own columns decide, nothing is joined")
        return (
            exp.select(sql.column("profile_id"), sql.column("state"))
            .from_(sql.relation(self.ledger))
            .where(sql.equals(sql.column("purpose"), sql.text(purpose)))
            .subquery(exp.to_identifier(alias, quoted=True))
        )

    def state(self, state: str, profiles: str, statements: str) -> exp.Expr:
        """True where the person's state is `given`, `refused` or `unknown`; aliases of profiles and statements."""
        if self.ledger is not None:
            said = sql.column("state", statements)
            silent = exp.Is(this=said, expression=exp.null())
            return silent if state == "unknown" else sql.equals(said, sql.text(state))
        objected = sql.known_true(sql.column("unsubscribed", profiles))
        consent = sql.column("marketing_consent", profiles)
        if state == "given":
            return exp.and_(sql.known_true(consent), exp.not_(objected), copy=False)
        if state == "refused":
            return exp.or_(objected, sql.known_true(exp.not_(consent)), copy=False)
        return exp.and_(exp.Is(this=consent, expression=exp.null()), exp.not_(objected), copy=False)

    def allows(self, purpose: str, profiles: str, statements: str) -> exp.Expr:
        """True where the profile may be used for the purpose: an agreement where one is needed, never an objection."""
        if NEEDS_CONSENT[purpose]:
            return self.state("given", profiles, statements)
        if self.ledger is not None:
            return exp.not_(sql.known_true(self.state("refused", profiles, statements)))
        return exp.true()


def require_purpose(purpose: str) -> str:
    """The purpose itself; InputError naming the known ones when it is none of them."""
    if purpose not in NEEDS_CONSENT:
        raise InputError(f"There is no purpose {purpose[:60]}. Allowed: {', '.join(NEEDS_CONSENT)}.")
    return purpose


def has_address(channel: str, profiles: str) -> exp.Expr:
    """True where the profile has every part of an address for the channel."""
    parts = [exp.Is(this=sql.column(name, profiles), expression=exp.null()).not_() for name in _ADDRESSES[channel]]
    return exp.and_(*parts, copy=False)
