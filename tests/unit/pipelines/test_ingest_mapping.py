"""Mapping files: the shipped presets, the user's own, and what is told when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError, InputError
from pipelines.sources.mapping import SHIPPED, load_mappings
from pipelines.sources.registry import ENTITIES, SOURCES
from tests.unit.pipelines.ingest_delivery import Delivery, event, make_delivery


def own(tmp_path: Path, text: str, name: str = "own.yaml") -> Path:
    folder = tmp_path / "mappings"
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(text)
    return folder


def with_mapping(tmp_path: Path, text: str) -> Delivery:
    return make_delivery(tmp_path, mapping_dir=own(tmp_path, text))


def test_the_shipped_presets_change_nothing_and_name_every_column() -> None:
    mappings = load_mappings(None)
    assert set(mappings) == {entity.name for entity in ENTITIES}
    assert len(list(SHIPPED.glob("*.yaml"))) == len(SOURCES)
    for entity in ENTITIES:
        mapping = mappings[entity.name]
        assert mapping.patterns == entity.patterns
        assert not mapping.changes_records
        assert mapping.fingerprint == ""
        text = (SHIPPED / mapping.origin).read_text()
        assert all(f"      {name}: {name}\n" in text for name in entity.column_names if "." not in name)


def test_own_names_constants_and_absent_columns(tmp_path: Path) -> None:
    delivery = with_mapping(
        tmp_path,
        """
source: pos
entities:
  customers:
    files: kasse/kunden*
    delimiter: ;
    columns: {Reference ID: Nr, First Name: Vorname, Last Name: Nachname, Email Address: E-Mail, Phone Number: null}
  transactions:
    files: [kasse/umsatz*.txt]
    format: csv
    encoding: latin-1
    columns: {Transaction ID: Bon, Date: Datum, Time: Zeit, Gross Sales: Betrag, Customer Reference ID: Kunde}
    constants: {Time Zone: Europe/Berlin, Currency: EUR}
""",
    )
    delivery.put_lines("kasse/kunden.csv", "Nr;Vorname;Nachname;E-Mail;Phone Number", "7;Änne;Groß;a@example.org;123")
    delivery.put(
        "kasse/umsatz-1.txt", "Bon;Datum;Zeit;Betrag;Kunde;Gerät\nB1;2025-06-01;12:00;9.50;7;ü\n".encode("latin-1")
    )
    delivery.load()
    assert delivery.quarantined() == []
    (payload, mapped) = delivery.rows("select payload, mapped from raw.pos_customers")[0]
    assert json.loads(payload)["Nr"] == "7"
    assert json.loads(mapped) | {"Reference ID": "7", "First Name": "Änne"} == json.loads(mapped)
    assert "Phone Number" not in json.loads(mapped), "the export's column of that name means something else"
    (payload, mapped) = delivery.rows("select payload, mapped from raw.pos_transactions")[0]
    assert json.loads(payload)["Gerät"] == "ü"
    assert json.loads(mapped)["Time Zone"] == "Europe/Berlin"
    assert json.loads(mapped)["Currency"] == "EUR"
    assert delivery.rows("select newest::varchar from ops.batches where entity = 'transactions'") == [
        ("2025-06-01 10:00:00",)
    ]


def test_nested_names_on_both_sides(tmp_path: Path) -> None:
    delivery = with_mapping(
        tmp_path,
        """
source: web
entities:
  events:
    columns: {messageId: id, timestamp: meta.at, traits.email: user.mail, properties.total: "order.total"}
""",
    )
    record = event(
        1, id="e1", meta={"at": "2025-05-05T05:05:05Z"}, user={"mail": "x@example.org"}, **{"order.total": 5}
    )
    delivery.put_events("web/events.jsonl", {k: v for k, v in record.items() if k not in ("messageId", "timestamp")})
    delivery.load()
    assert delivery.rows(
        """
        select record_key, mapped->>'$.timestamp', mapped->>'$.traits.email', mapped->>'$.properties.total'
        from raw.web_events
        """
    ) == [("e1", "2025-05-05T05:05:05Z", "x@example.org", "5")]


def test_a_changed_mapping_reads_records_again_as_new_versions(tmp_path: Path) -> None:
    said = "source: support\nentities:\n  users:\n    columns: {{name: {}}}\n"
    delivery = with_mapping(tmp_path, said.format("nick"))
    delivery.put_lines(
        "support/users.jsonl", '{"id": 1, "created_at": "2025-01-01T00:00:00Z", "nick": "A", "full": "Ada"}'
    )
    delivery.load()
    assert delivery.land() == []
    own(tmp_path, said.format("full"))
    delivery.load()
    assert delivery.land() == []
    assert delivery.rows("select mapped->>'name' from raw.support_users order by batch_seq") == [("A",), ("Ada",)]
    assert delivery.totals("support.users") == (2, 2, 0, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("source: till\n", "own.yaml: source is 'till'; use one of sales, support, web, pos, marketing"),
        ("source: pos\nentities:\n  clients: {}\n", "pos has no entity 'clients'; use one of customers, transactions"),
        (
            "source: pos\nentities:\n  customers:\n    columns: {Mail: E-Mail}\n",
            "own.yaml, entity customers: column 'Mail' is not known; use one of Reference ID, First Name",
        ),
        ("source: pos\nentities:\n  customers: {column: {}}\n", "'column' is no option; use one of files, format"),
        ("source: pos\nentities:\n  customers: {format: xlsx}\n", "format 'xlsx' is not known; use one of csv"),
        ("source: pos\nentities:\n  customers: {encoding: klingon}\n", "encoding 'klingon' is not known"),
        ("source: pos\nentities:\n  customers: {delimiter: '||'}\n", "delimiter must be one character"),
        ("source: pos\nentities:\n  customers:\n    columns: {Reference ID: null}\n", "is the record's key"),
        (
            "source: pos\nentities:\n  customers:\n    columns: {City: Ort}\n    constants: {City: Ulm}\n",
            "both mapped and constant",
        ),
        ("source: web\nentities:\n  events:\n    columns: {traits: t, traits.email: m}\n", "overlap; map one of them"),
        ("source: pos\nentities: [customers]\n", "entities must be a list of `name: value` pairs"),
        ("source: [pos\n", "own.yaml is not readable YAML"),
        ("just text", "must hold `source:` and `entities:`"),
    ],
)
def test_a_wrong_mapping_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as told:
        load_mappings(own(tmp_path, text))
    assert message in told.value.message


def test_two_files_for_one_source_and_a_missing_folder(tmp_path: Path) -> None:
    own(tmp_path, "source: pos\n", "a.yaml")
    with pytest.raises(ConfigurationError, match=r"a\.yaml and b\.yml both describe pos"):
        load_mappings(own(tmp_path, "source: pos\n", "b.yml"))
    with pytest.raises(ConfigurationError, match="which is not a folder"):
        load_mappings(tmp_path / "nowhere")


def test_a_mapped_column_that_the_file_does_not_have_is_told(tmp_path: Path) -> None:
    delivery = with_mapping(tmp_path, "source: pos\nentities:\n  customers:\n    columns: {City: Ort}\n")
    delivery.put_lines("pos/customers.csv", "Reference ID,First Name,Last Name,Email Address,Phone Number", "1,,,,")
    with pytest.raises(InputError) as told:
        delivery.load()
    assert told.value.message == (
        "Mapping file own.yaml, entity customers: column 'Ort' (for City) is not in pos/customers.csv, which has"
        " Reference ID, First Name, Last Name, Email Address, Phone Number."
    )
