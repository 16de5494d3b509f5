"""How the page speaks: texts in one language, numbers, durations and periods as people read them.

Texts from data (segment names, labels people chose) are shown as they are; the default stages are translated.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from journeys.map.content import JourneyMap
from journeys.map.texts import CHANNELS_ZH, SOURCES_ZH, STAGES_ZH, TEXTS, TOUCHPOINTS_ZH


class Words:
    """Texts in one language."""

    def __init__(self, lang: str) -> None:
        self.lang = lang
        self._texts = TEXTS[lang]

    def __call__(self, key: str, **values: object) -> str:
        """The text under `key` with its values filled in; see `texts` for words that depend on a number."""
        return self._texts[key].format(**{name: _Value(value) for name, value in values.items()})

    def stage(self, stage: str, label: str, description: str = "") -> tuple[str, str]:
        """Name and description of a stage: translated when it is a default one."""
        return STAGES_ZH.get(stage, (label, description)) if self.lang == "zh" else (label, description)

    def touchpoint(self, kind: str, label: str) -> str:
        """Label of a touchpoint type."""
        return TOUCHPOINTS_ZH.get(kind, label) if self.lang == "zh" else label

    def channel(self, name: str) -> str:
        """Name of a channel."""
        return CHANNELS_ZH.get(name, name) if self.lang == "zh" else name

    def sources(self, names: tuple[str, ...]) -> str:
        """The sources, listed."""
        if self.lang == "zh":
            return "、".join(SOURCES_ZH.get(name, name) for name in names)
        return ", ".join(names)

    def title(self, key: str, **values: object) -> str:
        """A headline that no finding gives, by its key."""
        return self(f"title.{key}", **values)

    def who(self, shown: JourneyMap) -> str:
        """Whom the map shows."""
        chosen = shown.audience
        parts = [self("segment", name=shown.segment)] if shown.segment else []
        if chosen.persona:
            titles = chosen.persona_titles
            parts.append(self("persona", name=titles.get(self.lang) or titles.get("en") or chosen.persona))
        if chosen.channel:
            parts.append(self("channel", name=self.channel(chosen.channel)))
        if chosen.hours:
            parts.append(self("hours", begin=chosen.hours[0], end=chosen.hours[1]))
        if chosen.who:
            parts.append(self(f"who.{chosen.who}"))
        told = self("and").join(parts) or self("everybody")
        return told[:1].upper() + told[1:]

    def span(self, days: float | None) -> str:
        """A duration in the unit that reads best."""
        if days is None:
            return "–"
        steps = (("min", 1440.0, 60 / 1440), ("h", 24.0, 48 / 24), ("d", 1.0, 120.0))
        zh = {"min": "分钟", "h": "小时", "d": "天", "mo": "个月"}
        for unit, factor, limit in steps:
            if days < limit:
                return f"{number(days * factor)} {zh[unit] if self.lang == 'zh' else unit}"
        return f"{number(days / 30.44)} {zh['mo'] if self.lang == 'zh' else 'mo'}"

    def days(self, n: int) -> str:
        """A number of days."""
        return self("days", n=n)

    def period(self, shown: JourneyMap) -> str:
        """The window of the map."""
        first = shown.since or shown.first_touchpoint or shown.until
        if shown.audience.since or shown.audience.until:
            return f"{first:%Y-%m-%d} – {shown.until:%Y-%m-%d}"
        # What ends at midnight of a first ended in the month before.
        last = shown.until - timedelta(microseconds=1)
        return f"{_month(first, self.lang)} – {_month(last, self.lang)}"


class _Value(str):
    """A value of a text; the format `one|many` chooses a word by it."""

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        one, choice, many = spec.partition("|")
        return (one if self == "1" else many) if choice else super().__format__(spec)


def count(value: float | None) -> str:
    """`5664` → `5,664`."""
    return "–" if value is None else f"{value:,.0f}"


def percent(value: float | None) -> str:
    """`0.853` → `85 %`; what rounds to nothing but is something is `<1 %`."""
    if value is None:
        return "–"
    return "<1 %" if 0 < value < 0.005 else f"{100 * value:.0f} %"


def number(value: float) -> str:
    """Two significant digits, no superfluous zero."""
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}".rstrip("0").rstrip(".") if value >= 0.05 else "<0.1"


def whole_percents(shares: dict[str, float]) -> dict[str, str]:
    """Percents that sum to 100 (largest remainder), so that moves add up on paper; some but hardly any is `<1 %`."""
    floors = {name: int(100 * share) for name, share in shares.items()}
    rest = sorted(shares, key=lambda name: floors[name] - 100 * shares[name])
    for name in rest[: round(100 * sum(shares.values())) - sum(floors.values())]:
        floors[name] += 1
    return {name: f"{whole} %" if whole or not shares[name] else "<1 %" for name, whole in floors.items()}


def _month(moment: datetime, lang: str) -> str:
    return f"{moment.year} 年 {moment.month} 月" if lang == "zh" else f"{moment:%b %Y}"
