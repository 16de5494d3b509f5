"""How this installation treats requests: the law it answers under, its calendar, and who has to approve."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from cdp.errors import ConfigurationError, InputError
from cdp.settings import Settings
from privacy.requests.deadlines import Calendar


@dataclass(frozen=True)
class Policy:
    """The rule set of requests that name none, the working days, and whether erasures take four eyes."""

    rules: str
    days: Calendar
    four_eyes: bool


def load(settings: Settings) -> Policy:
    """The policy of the settings. ConfigurationError for an unknown zone or a calendar that cannot be read."""
    try:
        zone = ZoneInfo(settings.privacy_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError("CDP_PRIVACY_ZONE is no time zone; an example is Europe/Zurich.") from None
    text, name = "", ""
    if settings.privacy_holidays is not None:
        name = settings.privacy_holidays.name
        try:
            text = settings.privacy_holidays.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError):
            raise ConfigurationError(f"CDP_PRIVACY_HOLIDAYS: {name} cannot be read as text.") from None
    try:
        days = Calendar.parse(text, zone, name=name)
    except InputError as error:
        raise ConfigurationError(error.message) from None
    return Policy(settings.privacy_rules, days, settings.privacy_four_eyes)
