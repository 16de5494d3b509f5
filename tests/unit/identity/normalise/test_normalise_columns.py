from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from identity.normalise.address import normalise_street
from identity.normalise.birth_date import normalise_birth_date
from identity.normalise.columns import record_columns
from identity.normalise.email import normalise_email
from identity.normalise.name import normalise_name
from identity.normalise.phone import normalise_phone

EXPECTED = [
    "record_key", "email_norm", "email_local", "email_domain", "email_kind", "email_base", "phone_e164", "phone_kind",
    "phone_ext", "given_norm", "given_root", "given_roots", "given_initial", "middle_norm", "family_norm",
    "name_suffix", "full_norm", "name_key", "dob_iso", "dob_swapped", "dob_precision", "street_norm", "house_number",
    "unit", "postcode_norm", "city_norm", "region_norm",
]  # fmt: skip


def table(**columns: list[str | None]) -> pa.Table:
    size = len(next(iter(columns.values())))
    keys = [f"sales:{number}" for number in range(size)]
    return pa.table({"record_key": keys, **{name: pa.array(values, pa.string()) for name, values in columns.items()}})


def test_columns_and_order() -> None:
    found = record_columns(table(email=["A@B.de", None, "a@b.de", ""]))
    assert found.column_names == EXPECTED
    assert found.column("record_key").to_pylist() == ["sales:0", "sales:1", "sales:2", "sales:3"]
    assert found.column("email_norm").to_pylist() == ["a@b.de", None, "a@b.de", None]
    assert found.column("email_kind").to_pylist() == ["personal", None, "personal", None]
    assert found.column("phone_kind").to_pylist() == [None] * 4
    assert found.column("given_roots").type == pa.list_(pa.string())


@pytest.mark.parametrize("chunks", [0, 1, 2])
def test_empty_tables(chunks: int) -> None:
    schema = pa.schema([("record_key", pa.string()), ("email", pa.string()), ("phone", pa.string())])
    empty = pa.Table.from_batches([pa.RecordBatch.from_pylist([], schema)] * chunks, schema)
    found = record_columns(empty)
    assert found.num_rows == 0 and found.column_names == EXPECTED


def test_the_records_country_decides() -> None:
    found = record_columns(
        table(
            phone=["030 901820"] * 3 + ["206 866 1661"],
            birth_date=["03/04/1980"] * 4,
            country=["DE", "Deutschland", None, "nowhere"],
        )
    )
    assert found.column("phone_e164").to_pylist() == [
        "+4930901820",
        "+4930901820",
        "+10309018200"[:0] or None,
        "+12068661661",
    ]
    assert found.column("dob_iso").to_pylist() == ["1980-04-03", "1980-04-03", "1980-03-04", "1980-03-04"]


def test_without_a_default_country() -> None:
    found = record_columns(table(phone=["206 866 1661", "+12068661661"]), default_country=None)
    assert found.column("phone_kind").to_pylist() == ["invalid", "ok"]


def test_other_types_are_read_as_text() -> None:
    source = pa.table({"record_key": [1, 2], "postcode": [98874, None], "phone": [2068661661, 0]})
    found = record_columns(source)
    assert found.column("postcode_norm").to_pylist() == ["98874", None]
    assert found.column("phone_e164").to_pylist() == ["+12068661661", None]


cells = st.lists(
    st.fixed_dictionaries(
        {
            "first_name": st.one_of(
                st.none(), st.sampled_from(["Bob", "Ann-Marie", "Unknown", "J.", "王", ""]), st.text(max_size=5)
            ),
            "last_name": st.one_of(
                st.none(), st.sampled_from(["Smith", "van Dyk", "Jones Jr", "欧阳"]), st.text(max_size=5)
            ),
            "full_name": st.one_of(st.none(), st.sampled_from(["Smith, Bob", "Acme Inc", "王小明"])),
            "email": st.one_of(st.none(), st.sampled_from(["a.b@gmail.com", "x", "info@firm.de"]), st.text(max_size=5)),
            "phone": st.one_of(
                st.none(), st.sampled_from(["2068661661", "0000000000", "030 901820"]), st.text(max_size=5)
            ),
            "birth_date": st.one_of(st.none(), st.sampled_from(["03/04/1980", "1980", "x"])),
            "street": st.one_of(
                st.none(), st.sampled_from(["12 Main St", "Hauptstr. 5", "12 bis rue X"]), st.text(max_size=8)
            ),
            "country": st.one_of(st.none(), st.sampled_from(["US", "DE", "??"])),
        }
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(cells)
def test_agrees_with_the_functions_record_by_record(rows: list[dict[str, str | None]]) -> None:
    source = pa.Table.from_pylist(
        [{"record_key": str(place), **row} for place, row in enumerate(rows)],
        pa.schema([(name, pa.string()) for name in ["record_key", *(rows[0] if rows else {"email": ""})]]),
    )
    found = record_columns(source).to_pylist()
    for row, result in zip(rows, found, strict=True):
        text = {name: (value or "").strip() or None for name, value in row.items()}
        region = text["country"] if text["country"] in ("US", "DE") else "US"
        if text["email"]:
            assert result["email_norm"] == normalise_email(text["email"]).norm
        if text["phone"]:
            assert result["phone_e164"] == normalise_phone(text["phone"], region).e164
        if text["birth_date"]:
            assert result["dob_iso"] == normalise_birth_date(text["birth_date"], day_first=region == "DE").iso
        if text["street"]:
            assert (result["street_norm"], result["house_number"], result["unit"]) == normalise_street(text["street"])
        name = normalise_name(text["first_name"], None, text["last_name"], text["full_name"])
        assert (result["given_norm"], result["family_norm"], result["name_key"]) == (name.given, name.family, name.key)
        assert result["given_roots"] == (list(name.roots) if name.roots else None)
