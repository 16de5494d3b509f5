"""By when a request has to be confirmed and answered, under the law that applies to the person.

Periods run from the day of receipt in the controller's time zone, which itself is not counted, and end with the last
moment of their last day (Regulation (EEC, Euratom) 1182/71, Art. 3). A period of months ends on the day of the same
number, or on the last of a shorter month. An extension is counted from receipt too: two months after 28 February would
be fewer than three months after 31 January.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Literal

from cdp.errors import InputError

SATURDAY = 5
# How far ahead days that are worked are looked for; no country has a holiday of a month.
MOST_DAYS_OFF = 31


@dataclass(frozen=True)
class Calendar:
    """Which days are worked where the controller is: not on weekends and holidays, but on the days in `worked`."""

    zone: tzinfo = UTC
    holidays: frozenset[date] = frozenset()
    worked: frozenset[date] = frozenset()

    def is_working(self, day: date) -> bool:
        """Whether a day is worked."""
        return day in self.worked or (day.weekday() < SATURDAY and day not in self.holidays)

    def next_working(self, day: date) -> date:
        """The day itself when it is worked, else the next one that is."""
        for ahead in range(MOST_DAYS_OFF + 1):
            if self.is_working(day + timedelta(ahead)):
                return day + timedelta(ahead)
        raise InputError(f"The calendar has no working day in the {MOST_DAYS_OFF} days from {day}; check the holidays.")

    def add_working(self, day: date, days: int) -> date:
        """The `days`-th working day after a day."""
        for _ in range(days):
            day = self.next_working(day + timedelta(1))
        return day

    def day_of(self, moment: datetime) -> date:
        """The day on which a moment falls here."""
        return moment.astimezone(self.zone).date()

    def end_of(self, day: date) -> datetime:
        """The moment at which a day is over, in UTC."""
        return datetime.combine(day + timedelta(1), time.min, self.zone).astimezone(UTC)

    @classmethod
    def parse(cls, text: str, zone: tzinfo = UTC, *, name: str = "The calendar") -> Calendar:
        """From a file with a date a line: a holiday, or `work DATE` for a weekend day that is worked; `#` comments."""
        holidays: set[date] = set()
        worked: set[date] = set()
        for number, line in enumerate(text.splitlines(), start=1):
            words = line.partition("#")[0].split()
            if not words:
                continue
            try:
                day = date.fromisoformat(words[-1])
                kept = {1: holidays, 2: worked}[len(words)]
                if len(words) == 2 and words[0] != "work":
                    raise ValueError(words[0])
            except (ValueError, KeyError):
                raise InputError(
                    f"{name}, line {number}: a date such as 2026-12-25 is needed, or `work 2026-02-14`."
                ) from None
            kept.add(day)
        return cls(zone, frozenset(holidays), frozenset(worked))


@dataclass(frozen=True)
class Period:
    """A length of time as a law puts it."""

    amount: int
    unit: Literal["months", "days", "working_days"]

    def last_day(self, start: date, days: Calendar) -> date:
        """The last day of the period that begins with the event on `start`."""
        if self.unit == "months":
            return add_months(start, self.amount)
        if self.unit == "days":
            return start + timedelta(self.amount)
        return days.add_working(start, self.amount)


@dataclass(frozen=True)
class RuleSet:
    """What a law says: the period to answer, its length with the one extension, and to confirm the receipt.

    `moves`: a period that ends on a day that is not worked ends with the next one that is.
    """

    name: str
    answer: Period
    extended: Period | None
    confirm: Period | None
    moves: bool
    source: str
    remind_days: tuple[int, ...] = field(default=(7, 1))


RULES: dict[str, RuleSet] = {
    rules.name: rules
    for rules in (
        RuleSet(
            "gdpr", Period(1, "months"), Period(3, "months"), None, moves=True,
            source="GDPR Art. 12(3); Regulation 1182/71 Art. 3",
        ),
        RuleSet(
            "ccpa", Period(45, "days"), Period(90, "days"), Period(10, "working_days"), moves=False,
            source="Cal. Civ. Code 1798.130; Cal. Code Regs. tit. 11, 7021",
        ),
        RuleSet(
            "pipl", Period(15, "working_days"), None, None, moves=False, remind_days=(3, 1),
            source="PIPL Art. 50; 15 working days as in the practice of the authorities",
        ),
    )
}  # fmt: skip


@dataclass(frozen=True)
class Deadlines:
    """The moments of one request, UTC: each is the first at which it is too late.

    `extendable_until` is the end without an extension, extended or not; None where the law knows no extension.
    """

    due: datetime
    confirm_by: datetime | None
    extendable_until: datetime | None


def rule_set(name: str) -> RuleSet:
    """The rules of a law. InputError for an unknown one."""
    if name not in RULES:
        raise InputError(f"There is no rule set {name[:40]!r}; there are: {', '.join(RULES)}.")
    return RULES[name]


def deadlines(rules: RuleSet, received_at: datetime, days: Calendar, *, extended: bool = False) -> Deadlines:
    """By when a request received at a moment has to be confirmed and answered."""
    start = days.day_of(received_at)
    first = _end(rules, rules.answer, start, days)
    due = _end(rules, rules.extended, start, days) if extended and rules.extended else first
    confirm = _end(rules, rules.confirm, start, days) if rules.confirm else None
    return Deadlines(due, confirm, first if rules.extended else None)


def add_months(day: date, months: int) -> date:
    """The same day so many months on, or the last of that month when it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def _end(rules: RuleSet, period: Period, start: date, days: Calendar) -> datetime:
    last = period.last_day(start, days)
    return days.end_of(days.next_working(last) if rules.moves else last)
