"""Deadlines on a clock that the tests set: calendar months, leap years, weekends, holidays, business days, zones."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdp.errors import InputError
from privacy.requests.deadlines import RULES, Calendar, add_months, deadlines, rule_set

PLAIN = Calendar()
DAYS = st.dates(date(1999, 1, 1), date(2099, 1, 1))
MOMENTS = st.datetimes(datetime(1999, 1, 1), datetime(2099, 1, 1)).map(lambda one: one.replace(tzinfo=UTC))
CALENDARS = st.builds(
    Calendar,
    st.sampled_from([UTC, ZoneInfo("Europe/Zurich"), ZoneInfo("America/Los_Angeles"), ZoneInfo("Asia/Shanghai")]),
    st.frozensets(DAYS, max_size=20),
    st.frozensets(DAYS, max_size=5),
)


def due(rules: str, received: str, days: Calendar = PLAIN, *, extended: bool = False) -> date:
    """The last day that is in time."""
    at = datetime.fromisoformat(received).replace(tzinfo=UTC)
    ends = deadlines(RULES[rules], at, days, extended=extended)
    return days.day_of(ends.due - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("received", "last"),
    [
        ("2026-03-05 10:00", "2026-04-06"),  # the 5th is a Sunday
        ("2025-01-31 10:00", "2025-02-28"),  # a Friday
        ("2023-01-31 10:00", "2023-02-28"),
        ("2024-01-31 10:00", "2024-02-29"),  # a leap year
        ("2024-01-29 10:00", "2024-02-29"),
        ("2023-01-29 10:00", "2023-02-28"),
        ("2000-01-31 10:00", "2000-02-29"),  # 2000 was a leap year
        ("2100-01-31 10:00", "2100-03-01"),  # 2100 is none; 28 February is a Sunday
        ("2024-02-29 10:00", "2024-03-29"),
        ("2025-08-31 23:59", "2025-09-30"),
        ("2025-12-31 10:00", "2026-02-02"),  # 31 January is a Saturday
        ("2025-10-01 00:00", "2025-11-03"),  # a Saturday
    ],
)
def test_a_month_is_a_month_of_the_calendar(received: str, last: str) -> None:
    assert due("gdpr", received).isoformat() == last


@pytest.mark.parametrize(
    ("received", "last"),
    [
        ("2025-01-31 10:00", "2025-04-30"),  # not 28 April: counted from receipt, not from 28 February
        ("2025-11-30 10:00", "2026-03-02"),  # 28 February is a Saturday
        ("2023-11-30 10:00", "2024-02-29"),
        ("2025-03-31 10:00", "2025-06-30"),
    ],
)
def test_an_extension_is_counted_from_receipt(received: str, last: str) -> None:
    assert due("gdpr", received, extended=True).isoformat() == last


def test_a_period_that_ends_on_a_holiday_ends_with_the_next_working_day() -> None:
    christmas = Calendar.parse("2025-12-25\n2025-12-26  # Boxing Day\n\n# nothing\n")
    assert due("gdpr", "2025-11-25 10:00", christmas) == date(2025, 12, 29), "Thursday and Friday off, then a weekend"
    assert due("gdpr", "2025-11-25 10:00") == date(2025, 12, 25)


def test_california_counts_days_and_confirms_within_ten_business_days() -> None:
    ends = deadlines(RULES["ccpa"], datetime(2025, 12, 22, 9, tzinfo=UTC), PLAIN)
    assert PLAIN.day_of(ends.due - timedelta(seconds=1)) == date(2026, 2, 5)
    assert ends.confirm_by == datetime(2026, 1, 6, tzinfo=UTC), "the first moment that is too late"
    holidays = Calendar.parse("2025-12-25\n2026-01-01")
    later = deadlines(RULES["ccpa"], datetime(2025, 12, 22, 9, tzinfo=UTC), holidays)
    assert later.confirm_by == datetime(2026, 1, 8, tzinfo=UTC)
    assert later.due == ends.due, "days of the calendar do not move"
    assert due("ccpa", "2025-12-22 09:00", extended=True) == date(2026, 3, 22), "a Sunday"


def test_china_counts_working_days_and_knows_no_extension() -> None:
    new_year = Calendar.parse("".join(f"2026-02-{day}\n" for day in range(16, 24)) + "work 2026-02-14\nwork 2026-02-28")
    assert due("pipl", "2026-02-02 10:00") == date(2026, 2, 23)
    assert due("pipl", "2026-02-02 10:00", new_year) == date(2026, 2, 28), "a Saturday that is worked"
    assert deadlines(RULES["pipl"], datetime(2026, 2, 2, tzinfo=UTC), PLAIN).extendable_until is None


def test_the_day_of_receipt_is_that_of_the_controller() -> None:
    late = "2025-01-31 23:30"
    assert due("gdpr", late, Calendar(ZoneInfo("Europe/Zurich"))) == date(2025, 3, 3), (
        "already 1 February, and a Saturday"
    )
    ends = deadlines(RULES["gdpr"], datetime(2025, 9, 24, 12, tzinfo=UTC), Calendar(ZoneInfo("Europe/Zurich")))
    assert ends.due == datetime(2025, 10, 24, 22, tzinfo=UTC), "midnight in Zurich, in summer"


@pytest.mark.parametrize(
    "text", ["2025-13-01", "christmas", "rest 2025-12-25", "work 2025-12-25 2025-12-26", "2025-2-1"]
)
def test_a_calendar_that_cannot_be_read_names_the_line(text: str) -> None:
    with pytest.raises(InputError, match=r"holidays.txt, line 2: a date such as"):
        Calendar.parse(f"2025-01-01\n{text}\n", name="holidays.txt")


def test_a_calendar_without_working_days_says_so() -> None:
    days = Calendar(holidays=frozenset(date(2025, 2, 1) + timedelta(n) for n in range(60)))
    with pytest.raises(InputError, match="no working day"):
        due("gdpr", "2025-01-15 10:00", days)


def test_unknown_rules_are_named() -> None:
    with pytest.raises(InputError, match="'lgpd'; there are: gdpr, ccpa, pipl"):
        rule_set("lgpd")


@given(DAYS, st.integers(0, 48))
def test_months_keep_the_number_of_the_day_or_the_last(day: date, months: int) -> None:
    later = add_months(day, months)
    assert (later.year - day.year) * 12 + later.month - day.month == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(1)).day == 1)


@given(MOMENTS, CALENDARS, st.sampled_from(sorted(RULES)))
def test_deadlines_hold_together(received: datetime, days: Calendar, name: str) -> None:
    rules = RULES[name]
    ends = deadlines(rules, received, days)
    longer = deadlines(rules, received, days, extended=True)
    assert received < ends.due <= longer.due
    assert (longer.due == ends.due) is (rules.extended is None)
    assert longer.extendable_until == ends.extendable_until == (ends.due if rules.extended else None)
    assert ends.due.astimezone(days.zone).time() == time.min, "a period ends with a day"
    last = days.day_of(ends.due - timedelta(seconds=1))
    if rules.moves or rules.answer.unit == "working_days":
        assert days.is_working(last)
    assert ends.due >= received + timedelta(days=14)


@given(MOMENTS, MOMENTS, CALENDARS, st.sampled_from(sorted(RULES)))
def test_who_asks_earlier_is_answered_no_later(one: datetime, other: datetime, days: Calendar, name: str) -> None:
    first, second = sorted((one, other))
    assert deadlines(RULES[name], first, days).due <= deadlines(RULES[name], second, days).due


@given(DAYS, st.integers(1, 30), CALENDARS)
def test_working_days_are_counted(day: date, count: int, days: Calendar) -> None:
    last = days.add_working(day, count)
    between = [day + timedelta(n) for n in range(1, (last - day).days + 1)]
    assert sum(map(days.is_working, between)) == count and days.is_working(last)
