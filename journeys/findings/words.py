"""Findings as sentences, in English and Chinese.

Association is never worded as cause; only random assignment may say "raises".
"""

from __future__ import annotations

import re

from journeys.findings.model import Finding
from journeys.measures import Effect

# One name per subject, as a heading without its capital; sentences put it after "a" and "出现".
SUBJECTS = {
    "en": {
        "slow_ticket": "slow answer from support",
        "bad_rating": "bad rating of support",
        "payment_failed": "failed payment",
        "checkout_error": "checkout error",
        "error_page": "error page",
        "welcome_mail": "welcome mail",
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
OUTCOMES = {
    "en": {"repeat": "repeat purchase", "purchase": "purchase within 180 days"},
    "zh": {"repeat": "复购率", "purchase": "180 天内购买率"},
}
CHANNELS_ZH = {
    "organic": "自然搜索", "paid_search": "付费搜索", "social": "社交媒体", "email": "邮件", "direct": "直接访问",
}  # fmt: skip
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


def subject(finding: Finding, lang: str = "en") -> str:
    """The name of what the finding is about, in the middle of a sentence: `failed payment`."""
    return _trigger(finding, lang) or SUBJECTS[lang].get(finding.subject) or readable(finding.subject)


def _trigger(finding: Finding, lang: str) -> str:
    """The experiment of a trigger: its key and the share it held out; empty for anything else."""
    found = re.fullmatch(r"trigger:([a-z0-9_]+):([0-9.]+)", finding.subject)
    if found is None:
        return ""
    held_out = f"{100 * float(found[2]):g} %"
    return f"触发器 {found[1]}（对照组 {held_out}）" if lang == "zh" else f"trigger {found[1]} with {held_out} held out"


def name(finding: Finding, lang: str = "en") -> str:
    """What the finding is about, as a heading: `Failed payment on mobile`."""
    condition = "" if _trigger(finding, lang) else finding.key.partition("@")[0].partition(":")[2]
    if finding.kind == "acquisition":
        return f"Brought by {readable(condition)}" if lang == "en" else f"来自{CHANNELS_ZH.get(condition, condition)}"
    device = _device(finding, lang)
    if finding.subject == "device":
        return f"On {device}" if lang == "en" else f"使用{device}"
    named = subject(finding, lang)
    if lang == "zh":
        return f"{named}（{device or readable(condition)}）" if condition else named
    place = f" on {device}" if device else f", {readable(condition)}" if condition else ""
    return named[:1].upper() + named[1:] + place


def sentence(finding: Finding, lang: str = "en") -> str:
    """The finding in one sentence; empty when there is no effect to speak of."""
    if finding.effect is None:
        return ""
    if finding.basis == "randomised":
        return _uplift(finding, finding.effect, lang)
    if finding.kind == "experiment":
        return _among_chosen(finding, finding.effect, lang)
    if finding.kind == "acquisition":
        return _acquisition(finding, finding.effect, lang)
    return _inflection(finding, finding.effect, lang)


def _days(finding: Finding) -> str:
    days = int(finding.details.get("days") or 0)
    return f"{days} day" if days == 1 else f"{days} days"


def _device(finding: Finding, lang: str) -> str:
    """The device that the finding is about; empty when it is about all."""
    device = str(finding.details.get("device") or "")
    return DEVICES_ZH.get(device, device) if lang == "zh" else device


def _inflection(finding: Finding, effect: Effect, lang: str) -> str:
    if lang == "zh":
        return _inflection_zh(finding, effect)
    device = _device(finding, lang)
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    rates = f"{exposed} buy nothing within {_days(finding)}, against {compared}"
    if finding.subject == "device":
        return f"On {device}, {rates} on other devices."
    named = subject(finding)
    after = f"After {'an' if named[0] in 'aeiou' else 'a'} {named}{f' on {device}' if device else ''}"
    between_devices = finding.details.get("compares") == "devices"
    return f"{after}, {rates} after one on other devices." if between_devices else f"{after}, {rates} otherwise."


def _inflection_zh(finding: Finding, effect: Effect) -> str:
    device = _device(finding, "zh")
    when = f"使用{device}时" if finding.subject == "device" else f"出现{subject(finding, 'zh')}后"
    if device and finding.subject != "device":
        when = f"{when}（{device}）"
    others = "其他设备" if finding.details.get("compares") == "devices" else "其他情况下"
    days = int(finding.details.get("days") or 0)
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    return f"{when}，{exposed} 的客户在 {days} 天内没有购买，{others}为 {compared}。"


def _acquisition(finding: Finding, effect: Effect, lang: str) -> str:
    channel = str(finding.details.get("channel"))
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    if lang == "zh":
        named, days = CHANNELS_ZH.get(channel, readable(channel)), int(finding.details.get("days") or 0)
        return f"由{named}带来的新访客中，{exposed} 在 {days} 天内没有再前进一步，其他渠道为 {compared}。"
    return (
        f"Of newcomers brought by {readable(channel)}, {exposed} get no further within {_days(finding)}, "
        f"against {compared} of other web newcomers."
    )


def _among_chosen(finding: Finding, effect: Effect, lang: str) -> str:
    """An experiment among people who may have been chosen by what followed from it: no effect is claimed."""
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    outcome = OUTCOMES[lang]["repeat" if finding.outcome == "repeat_purchase" else "purchase"]
    if lang == "zh":
        named = subject(finding, lang)
        return f"在这些客户中，收到{named}者的{outcome}为 {exposed}，未收到者为 {compared}。"
    return f"Among these people {outcome} is {exposed} with the {subject(finding)}, {compared} without it."


def _uplift(finding: Finding, effect: Effect, lang: str) -> str:
    """Only what is beyond doubt may be called an effect; among parts of people, only after correction."""
    exposed, compared = percent(effect.rate_exposed), percent(effect.rate_compared)
    outcome = OUTCOMES[lang]["repeat" if finding.outcome == "repeat_purchase" else "purchase"]
    sure = (
        finding.discovered if finding.q_value is not None else finding.reason is None and effect.low * effect.high > 0
    )
    named = subject(finding, lang)
    if lang == "zh":
        if not sure:
            return f"{named}对{outcome}的影响未得到证实：{exposed}，未收到者为 {compared}。"
        verb = "提高" if effect.value > 0 else "降低"
        return f"{named}使{outcome}{verb} {points(effect.value)} 个百分点：{exposed}，未收到者为 {compared}。"
    if not sure:
        return f"No effect of the {named} on {outcome} is shown: {exposed} against {compared} without it."
    verb = "raises" if effect.value > 0 else "lowers"
    return f"The {named} {verb} {outcome} by {points(effect.value)} points: {exposed} against {compared} without it."
