"""Right values as people say them: a form to keep, or one sentence that does not repeat them."""

from __future__ import annotations

from datetime import date

import pytest

from cdp.domain.corrections import Field
from cdp.errors import InputError
from identity.normalise.corrected import corrected_value

TODAY = date(2026, 1, 1)


@pytest.mark.parametrize(
    ("field", "text", "country", "kept"),
    [
        ("email", " Ann.Lee@Marked.ORG ", None, "ann.lee@marked.org"),
        ("phone", "(206) 866-1661", None, "+12068661661"),
        ("phone", "030 901820", "Germany", "+4930901820"),
        ("birth_date", "1980-02-29", None, "1980-02-29"),
        ("last_name", " O’Neil ", None, "O’Neil"),
        ("first_name", "小明", None, "小明"),
        ("street", "12 High St", None, "12 High St"),
        ("country", "Deutschland", None, "Deutschland"),
    ],
)
def test_values_are_kept_in_normal_form(field: Field, text: str, country: str | None, kept: str) -> None:
    assert corrected_value(field, text, country=country, today=TODAY) == kept


@pytest.mark.parametrize(
    ("field", "text", "told"),
    [
        ("email", "ann.lee", "no mail address"),
        ("email", "noemail@nowhere.org", "placeholder"),
        ("phone", "12", "no telephone number"),
        ("birth_date", "03/04/1980", "YYYY-MM-DD"),
        ("birth_date", "1981-02-29", "no day of the calendar"),
        ("birth_date", "2026-01-02", "somebody living"),
        ("birth_date", "1700-01-02", "somebody living"),
        ("country", "Nowhereland", "not known"),
        ("last_name", "Unknown", "no name of a person"),
        ("city", " ", "is empty"),
        ("city", "New\nYork", "control characters"),
        ("street", "x" * 301, "longer than 300"),
    ],
)
def test_what_cannot_be_one_is_refused_without_being_repeated(field: Field, text: str, told: str) -> None:
    with pytest.raises(InputError, match=told) as refused:
        corrected_value(field, text, country=None, today=TODAY)
    assert not text.strip() or text not in refused.value.message
