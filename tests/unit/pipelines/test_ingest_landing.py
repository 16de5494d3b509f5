"""Landing: what a delivered folder may look like, and files that wait exactly once."""

from __future__ import annotations

import errno
import gzip
import stat
from pathlib import Path

import pytest

from cdp.errors import ConfigurationError, InputError, ResourceError
from pipelines.ingest import files, landing
from pipelines.sources.mapping import load_mappings
from tests.unit.pipelines.ingest_delivery import CONTACTS, DEALS, Delivery, contact, make_delivery


@pytest.fixture
def delivery(tmp_path: Path) -> Delivery:
    made = make_delivery(tmp_path)
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    return made


def names(pending: list[landing.LandedFile]) -> list[tuple[str, str]]:
    return [(landed.name, landed.file) for landed in pending]


def test_a_missing_folder_is_told(delivery: Delivery) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        landing.land(delivery.settings, delivery.folder / "nowhere")
    with pytest.raises(InputError, match=r"contacts\.csv is a file; name the folder"):
        landing.land(delivery.settings, delivery.folder / "sales" / "contacts.csv")


def test_a_folder_without_any_known_file_is_told(tmp_path: Path) -> None:
    made = make_delivery(tmp_path)
    made.put("sales/notes.docx", b"x")
    with pytest.raises(InputError, match=r"holds none of the files.*sales/\*\*/contacts\*"):
        made.land()


def test_an_empty_file_stops_everything_before_anything_is_copied(delivery: Delivery) -> None:
    delivery.put("web/events-2025-01.jsonl.gz", b"")
    with pytest.raises(InputError, match=r"web/events-2025-01\.jsonl\.gz is empty"):
        delivery.land()
    assert not delivery.settings.landing.exists()


def test_a_file_that_refers_to_one_never_delivered_is_told(tmp_path: Path) -> None:
    made = make_delivery(tmp_path)
    made.put_lines("sales/deals.csv", DEALS)
    with pytest.raises(InputError, match="sales/ has deals but no contacts file"):
        made.land()
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    made.load()
    (made.folder / "sales" / "contacts.csv").unlink()
    made.put_lines("sales/deals.csv", DEALS, "7,closedlost,,2025-01-01,,1")
    assert names(made.land()) == [("sales.deals", "sales/deals.csv")]


def test_a_whole_delivery_lacks_no_file_of_a_source_it_brings(tmp_path: Path) -> None:
    made = make_delivery(tmp_path)
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    made.put_lines("marketing/email_events.csv", "event_id,event,email,timestamp", "1,open,a@b.org,2025-01-01")
    with pytest.raises(InputError, match=r"no file like sales/\*\*/deals\*, and none was delivered before.*--partial"):
        landing.land(made.settings, made.folder, whole=True)
    (made.folder / "web").mkdir()
    with pytest.raises(InputError, match=r"sales/\*\*/deals\* or web/"):
        landing.land(made.settings, made.folder, whole=True)
    (made.folder / "web").rmdir()
    assert not made.settings.landing.exists()
    made.put_lines("sales/deals.csv", DEALS, "7,closedlost,,2025-01-01,,1")
    assert len(landing.land(made.settings, made.folder, whole=True)) == 3, "nobody has to run experiments"


def test_a_later_delivery_may_bring_only_what_is_new(tmp_path: Path) -> None:
    made = make_delivery(tmp_path)
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1))
    made.put_lines("sales/deals.csv", DEALS, "7,closedlost,,2025-01-01,,1")
    made.load()
    (made.folder / "sales" / "deals.csv").unlink()
    made.put_lines("sales/contacts.csv", CONTACTS, contact(1), contact(2))
    assert names(landing.land(made.settings, made.folder, whole=True)) == [("sales.contacts", "sales/contacts.csv")]


def test_known_files_are_found_and_others_reported(delivery: Delivery) -> None:
    delivery.put("web/2025/events-01.jsonl", b"{}")
    delivery.put("web/events-02.ndjson.gz", b"{}")
    delivery.put("pos/customers.parquet", b"x")
    delivery.put("truth/persons.csv", b"x")
    delivery.put("web/.events-03.jsonl", b"x")
    delivery.put("web/events-04.jsonl.gz.part", b"x")
    found = landing.survey(delivery.folder, load_mappings(None))
    assert {name: [path.name for path in paths] for name, paths in found.known.items() if paths} == {
        "sales.contacts": ["contacts.csv"],
        "web.events": ["events-01.jsonl", "events-02.ndjson.gz"],
        "pos.customers": ["customers.parquet"],
    }
    assert found.ignored == ["truth/persons.csv", "web/.events-03.jsonl", "web/events-04.jsonl.gz.part"]


def test_copies_are_whole_and_read_only(delivery: Delivery) -> None:
    delivery.put("sales/contacts-more.csv.gz", gzip.compress(CONTACTS.encode()))
    pending = delivery.land()
    assert names(pending) == [
        ("sales.contacts", "sales/contacts-more.csv.gz"),
        ("sales.contacts", "sales/contacts.csv"),
    ]
    for landed in pending:
        copy = delivery.settings.landing / landed.landed_path
        assert landed.landed_path == f"sales/contacts/{landed.sha256[:12]}-{Path(landed.file).name}"
        assert copy.read_bytes() == (delivery.folder / landed.file).read_bytes()
        assert stat.S_IMODE(copy.stat().st_mode) == 0o444
    assert not list(delivery.settings.landing.rglob("*.part"))


def test_what_was_landed_and_not_loaded_waits_even_when_the_folder_moves_on(delivery: Delivery) -> None:
    first = delivery.land()
    assert delivery.land() == first
    delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1, "Bo"))
    waiting = delivery.land()
    assert [landed.turn for landed in waiting] == [0, 1]
    assert waiting[0] == first[0]
    assert delivery.load(waiting).entities["sales.contacts"]["raw"] == 2
    assert delivery.land() == []
    assert [
        name for (name,) in delivery.rows("select payload->>'First Name' from raw.sales_contacts order by batch_seq")
    ] == [
        "Ada",
        "Bo",
    ]


def test_a_version_that_comes_back_lands_again(delivery: Delivery) -> None:
    seen = set()
    for name in ("Ada", "Bo", "Ada", "Bo"):
        delivery.put_lines("sales/contacts.csv", CONTACTS, contact(1, name))
        (landed,) = delivery.land()
        seen.add(landed.landing_id)
        delivery.load([landed])
        assert delivery.land() == []
    assert len(seen) == 4
    assert delivery.totals("sales.contacts") == (4, 4, 0, 0)


def test_a_marker_left_by_a_kill_after_the_commit_is_cleared(
    delivery: Delivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(landing, "forget", lambda *_, **__: None)
    delivery.load()
    assert list((delivery.settings.landing / "pending").glob("*.json"))
    assert delivery.land() == []
    assert not list((delivery.settings.landing / "pending").glob("*.json"))


def test_a_kill_while_copying_leaves_nothing_half(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = delivery.settings.landing / "sales" / "contacts"
    folder.mkdir(parents=True)
    (folder / ".contacts.csv.part").write_bytes(b"Record")
    (folder / ".contacts.csv.part").chmod(0o444)
    assert delivery.load().entities["sales.contacts"]["raw"] == 1


def test_a_full_disk_is_told(delivery: Delivery, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files, "_flush", full)
    with pytest.raises(ResourceError, match="is full; free space and run again"):
        delivery.land()
    monkeypatch.undo()
    assert delivery.load().entities["sales.contacts"]["raw"] == 1


def test_two_sources_may_not_claim_one_file(tmp_path: Path) -> None:
    mappings = tmp_path / "mappings"
    mappings.mkdir()
    (mappings / "pos.yaml").write_text("source: pos\nentities:\n  customers:\n    files: sales/contacts*\n")
    made = make_delivery(tmp_path, mapping_dir=mappings)
    made.put_lines("sales/contacts.csv", CONTACTS)
    with pytest.raises(InputError, match=r"matches the file patterns of both sales\.contacts and pos\.customers"):
        made.land()
    (mappings / "pos.yaml").write_text("source: pos\nentities:\n  customers:\n    files: ../x*\n")
    with pytest.raises(ConfigurationError, match="must stay inside the delivered folder"):
        made.land()
