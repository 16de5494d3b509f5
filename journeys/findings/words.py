"""Findings as sentences, in English and Chinese.

Association is never worded as cause; only random assignment may say "raises".
"""

from __future__ import annotations

from journeys.findings.model import Finding
from journeys.measures import Effect

SUBJECTS = {
    "en": {
        "slow_ticket": "a slow answer from support",
        "bad_rating": "a bad rating of support",
        "payment_failed": "a failed payment",
        "checkout_error": "a checkout error",
        "error_page": "an error page",
    },
    "zh": {
        "slow_ticket": "客服处理缓慢",
        "bad_rating": "客服差评",
        "payment_failed": "支付失败",
        "checkout_error": "结账出错",
        "error_page": "遇到错误页面",
        "welcome_mail": "欢迎邮件",
    },
}
NAMES = {
    "en": {
        "slow_ticket": "Slow answer from support",
        "bad_rating": "Bad rating of support",
        "payment_failed": "Payment failed",
        "checkout_error": "Checkout error",
        "error_page": "Error page",
        "welcome_mail": "Welcome mail",
    },
    "zh": {
        "slow_ticket": "客服处理缓慢",
        "bad_rating": "客服差评",
        "payment_failed": "支付失败",
        "checkout_error": "结账错误",
        "error_page": "错误页面",
        "welcome_mail": "欢迎邮件",
    },
}

DEVICES_ZH = {"mobile": "手机", "desktop": "电脑", "tablet": "平板"}


def readable(key: str) -> str:
    """`payment_failed` → `payment failed`."""
    return key.replace("_", " ").replace("-", " ")


def percent(share: float | None) -> str:
    """`0.8513` → `85 %`."""
    return "–" if share is None else f"{100 * share:.0f} %"


def points(value: float) -> str:
    """`-0.197` → `20`."""
    return f"{abs(100 * value):.0f}"


def name(finding: Finding, lang: str = "en") -> str:
    """What the finding is about, as a heading."""
    subject, _, device = finding.key.partition(":")
    if lang == "zh":
        device = DEVICES_ZH.get(device, device)
    if subject == "device":
        return f"On {device}" if lang == "en" else f"使用{device}"
    named = NAMES.get(lang, {}).get(subject) or readable(subject).capitalize()
    return f"{named}, {device}" if device else named


def sentence(finding: Finding, lang: str = "en") -> str:
    """The finding in one sentence; empty when there is no effect to speak of."""
    if finding.effect is None:
        return ""
    if finding.basis == "randomised":
        return _uplift(finding.subject, finding.effect, lang)
    return _inflection(finding.key, int(finding.details.get("days") or 0), finding.effect, lang)


def _inflection(key: str, days: int, effect: Effect, lang: str) -> str:
    subject, _, device = key.partition(":")
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    if lang == "zh":
        device = DEVICES_ZH.get(device, device)
        when = f"使用{device}时" if subject == "device" else f"{SUBJECTS['zh'].get(subject, readable(subject))}后"
        if device and subject != "device":
            when = f"{when}（{device}）"
        return f"{when}，{exposed} 的客户在 {days} 天内没有购买，其他情况下为 {compared}。"
    rates = f"{exposed} buy nothing within {days} days, against {compared}"
    if subject == "device":
        return f"On {device}, {rates} on other devices."
    named = SUBJECTS["en"].get(subject, f"a {readable(subject)}")
    where = f" on {device}" if device else ""
    return f"After {named}{where}, {rates} otherwise."


def _uplift(experiment: str, effect: Effect, lang: str) -> str:
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    if lang == "zh":
        verb = "提高" if effect.value > 0 else "降低"
        named = SUBJECTS["zh"].get(experiment, readable(experiment))
        return f"{named}使复购率{verb} {points(effect.value)} 个百分点：{exposed}，未收到者为 {compared}。"
    verb = "raises" if effect.value > 0 else "lowers"
    return (
        f"The {readable(experiment)} {verb} repeat purchase by {points(effect.value)} points: "
        f"{exposed} against {compared} without it."
    )
