"""The one gate between a segment and people: who may be used for a purpose.

For most people consent is what the sources say: `marketing_consent` (the most recent statement) and `unsubscribed` (an
objection, which always wins). Where the consent ledger says something about a profile and purpose, it takes over by its
relation: `profile_id`, `purpose`, `state` (`given`, `refused` or `unknown`), in which the sources had their say
already, and `decided_by`. Exports, previews and consent conditions all ask here and nowhere else. Whose data are
restricted (Art. 18 GDPR) is in no segment, whatever it is for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlglot import exp

from cdp.errors import InputError
from cdp.wording import nearest
from segments import sql

# Advertising needs an agreement that was not taken back; statistics and service rest on other grounds.
NEEDS_CONSENT: Mapping[str, bool] = {
    "marketing": True, "personalisation": True, "analytics": False, "service": False, "sharing": False,
}  # fmt: skip

_ADDRESSES: Mapping[str, tuple[str, ...]] = {
    "email": ("email",),
    "phone": ("phone",),
    "post": ("street", "postcode"),
}


@dataclass(frozen=True)
class Gate:
    """Decides per profile and purpose; `ledger` is the relation of what the ledger decides, if it does."""

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

    def unrestricted(self, profiles: str) -> exp.Expr | None:
        """True for profiles whose data may be used at all; None when all may."""
        if self.ledger is None:
            return None
        restricted = (
            exp.select(sql.column("profile_id"))
            .from_(sql.relation(self.ledger))
            .where(sql.equals(sql.column("decided_by"), sql.text("restriction")))
        )
        return exp.not_(exp.In(this=sql.column("profile_id", profiles), query=exp.Subquery(this=restricted)))

    def state(self, state: str, profiles: str, statements: str) -> exp.Expr:
        """True where the person's state is `given`, `refused` or `unknown`; aliases of profiles and statements."""
        stated = self._stated(state, profiles)
        if self.ledger is None:
            return stated
        said = sql.column("state", statements)
        silent = exp.Is(this=said, expression=exp.null())
        return exp.Case(
            ifs=[exp.If(this=silent, true=stated)], default=sql.equals(said.copy(), sql.text(state))
        )  # fmt: skip

    @staticmethod
    def _stated(state: str, profiles: str) -> exp.Expr:
        """The same as far as the sources say."""
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
            return exp.not_(sql.known_true(sql.equals(sql.column("state", statements), sql.text("refused"))))
        return exp.true()


def require_purpose(purpose: str) -> str:
    """The purpose itself; InputError naming the known ones when it is none of them."""
    if purpose not in NEEDS_CONSENT:
        near = nearest(purpose, NEEDS_CONSENT)
        raise InputError(f"There is no purpose {purpose[:60]}.{near} Allowed: {', '.join(NEEDS_CONSENT)}.")
    return purpose


def has_address(channel: str, profiles: str) -> exp.Expr:
    """True where the profile has every part of an address for the channel."""
    parts = [exp.Is(this=sql.column(name, profiles), expression=exp.null()).not_() for name in _ADDRESSES[channel]]
    return exp.and_(*parts, copy=False)
