"""Whole columns at once give what the functions of one value give."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st

from identity.normalise import bulk
from identity.normalise.address import normalise_street
from identity.normalise.email import normalise_email
from identity.normalise.name import normalise_name

locals_ = st.one_of(
    st.text("abAB.-_+1", min_size=1, max_size=6),
    st.sampled_from(
        ["info", "Sales2", "no.email", "NONE", "aaa", "a-a-a", "...", "jane", "_", "-x", "x-", "123", "post_master"]
    ),
)
domains = st.sampled_from(
    [
        "gmail.com",
        "GoogleMail.com",
        "yahoo.de",
        "pm.me",
        "firm.de",
        "example.com",
        "mailinator.com",
        "-x.de",
        "x",
        "a..b",
        "müller.de",
    ]
)
mails = st.one_of(st.none(), st.text(min_size=1, max_size=8), st.builds("{}@{}".format, locals_, domains))
part = st.one_of(
    st.none(),
    st.sampled_from(
        ["Bob", "ann", "Smith", "Unknown", "J", "J.", "Mary Ann", "van Dyk", "Jones Jr", "王", "Me1issa", "Ng", "Child"]
    ),
    st.text(min_size=1, max_size=5),
)
lines = st.one_of(
    st.none(),
    st.text(min_size=1, max_size=10),
    st.builds(
        "{} {}".format,
        st.sampled_from(["12", "007", "000", "12a", "1234567", "N"]),
        st.sampled_from(
            [
                "Main Street",
                "bis Rue X",
                "pine st 204",
                "PO Box 3",
                "Ter Ave",
                "main st apt 5",
                "é st",
                "no 5",
                "b st",
                "hwy 101",
            ]
        ),
    ),
)


def trimmed(values: list[str | None]) -> list[str | None]:
    return [(value or "").strip() or None for value in values]


def rows(columns: dict[str, pa.Array], names: tuple[str, ...]) -> list[tuple[object, ...]]:
    return list(zip(*(columns[name].to_pylist() for name in names), strict=True))


@settings(max_examples=150, deadline=None)
@given(st.lists(mails, max_size=8).map(trimmed))
@example(["._@pm.me"])
def test_mails(texts: list[str | None]) -> None:
    expected = [tuple(normalise_email(text)) if text else (None,) * 5 for text in texts]
    assert rows(bulk.emails(pa.array(texts, pa.string())), bulk.EMAIL) == expected


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(part, part, part, part).map(list).map(trimmed), max_size=8))
def test_names(records: list[list[str | None]]) -> None:
    columns = [pa.array([record[place] for record in records], pa.string()) for place in range(4)]
    found = rows(bulk.names(*columns), bulk.NAME)
    for record, result in zip(records, found, strict=True):
        name = normalise_name(*record)
        assert result == (*name[:2], list(name.roots) if name.roots else None, *name[3:])


@settings(max_examples=150, deadline=None)
@given(st.lists(lines, max_size=8).map(trimmed))
def test_streets(texts: list[str | None]) -> None:
    expected = [tuple(normalise_street(text)) if text else (None,) * 3 for text in texts]
    assert rows(bulk.streets(pa.array(texts, pa.string())), bulk.STREET) == expected
