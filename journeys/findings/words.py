"""Findings as sentences. Association is never worded as cause; only random assignment may say "raises"."""

from __future__ import annotations

from journeys.measures import Effect

SUBJECTS = {
    "slow_ticket": "a slow answer from support",
    "bad_rating": "a bad rating of support",
    "payment_failed": "a failed payment",
    "checkout_error": "a checkout error",
    "error_page": "an error page",
}


def readable(key: str) -> str:
    """`payment_failed` → `payment failed`."""
    return key.replace("_", " ").replace("-", " ")


def percent(share: float | None) -> str:
    """`0.8513` → `85 %`."""
    return "–" if share is None else f"{100 * share:.0f} %"


def points(value: float) -> str:
    """`-0.197` → `20 points`."""
    return f"{abs(100 * value):.0f} points"


def inflection(key: str, days: int, effect: Effect) -> str:
    """One sentence: what share defects after the subject, what share otherwise."""
    subject, _, device = key.partition(":")
    rates = f"{percent(effect.rate_exposed)} buy nothing within {days} days, against {percent(effect.rate_compared)}"
    if subject == "device":
        return f"On {device}, {rates} on other devices."
    named = SUBJECTS.get(subject, f"a {readable(subject)}")
    where = f" on {device}" if device else ""
    return f"After {named}{where}, {rates} otherwise."


def uplift(experiment: str, effect: Effect) -> str:
    """One sentence about a randomised experiment."""
    verb = "raises" if effect.value > 0 else "lowers"
    return (
        f"The {readable(experiment)} {verb} repeat purchase by {points(effect.value)}: "
        f"{percent(effect.rate_exposed)} against {percent(effect.rate_compared)} without it."
    )
