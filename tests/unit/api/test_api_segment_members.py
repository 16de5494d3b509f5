"""Members, changes and exports over HTTP: now, in the past, and as files."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cdp.store.base import Redirect
from cdp.store.memory import InMemoryStore
from tests.support.publications import NOW, profile_id, publish
from tests.unit.api.segment_workshop import CONSENT, GERMAN, Workshop, ids, put, workshop
from tests.unit.api.test_api_profiles import pages

URL = "/v1/segments/german"
PEOPLE = range(1, 41)


@pytest.fixture
def shop(world: tuple[InMemoryStore, Path]) -> Iterator[Workshop]:
    with workshop(world[1]) as made:
        assert made.caller().post("/v1/segments", json=GERMAN).status_code == 201
        yield made


@pytest.fixture
def writer(shop: Workshop) -> Any:
    return shop.caller()


@pytest.mark.parametrize("part", ["members", "changes", "export", "members?as_of=2026-01-01"])
def test_access(shop: Workshop, part: str) -> None:
    assert shop.client.get(f"{URL}/{part}").status_code == 401
    answer = shop.caller("profiles:read", "segments:write").get(f"{URL}/{part}")
    assert answer.status_code == 403 and "segments:read" in answer.json()["detail"]
    assert shop.caller("segments:read").get(f"/v1/segments/nothing/{part}").status_code == 404


class TestMembers:
    def test_whom_the_purpose_reaches(self, shop: Workshop, writer: Any) -> None:
        german, reached = shop.people("country = 'DE'"), shop.people(f"country = 'DE' and {CONSENT}")
        assert 0 < len(reached) < len(german)
        assert ids(writer.get(f"{URL}/members?exportable=true")) == reached
        assert ids(writer.get(f"{URL}/members?exportable=false")) == sorted(set(german) - set(reached))
        rows = writer.get(f"{URL}/members").json()["data"]
        assert [row["profile_id"] for row in rows if row["exportable"]] == reached
        assert len(pages(writer, f"{URL}/members?exportable=true&limit=1")) == len(reached)

    def test_a_cursor_belongs_to_its_filter(self, writer: Any) -> None:
        cursor = writer.get(f"{URL}/members?limit=1").json()["next_cursor"]
        answer = writer.get(f"{URL}/members", params={"exportable": True, "cursor": cursor})
        assert answer.status_code == 422

    def test_fields(self, shop: Workshop, writer: Any) -> None:
        rows = writer.get(f"{URL}/members?fields=email,country,last_seen_at,channels").json()["data"]
        emails = dict(shop.rows("select profile_id, email from marts.profiles"))
        for row in rows:
            traits = row["traits"]
            assert (traits["country"], traits["last_seen_at"]) == ("DE", "2025-07-01T00:00:00Z")
            assert traits["channels"] == ["web"]
            # Nobody reads the address of somebody whom the purpose may not reach.
            shown = emails[row["profile_id"]] if row["exportable"] else emails[row["profile_id"]] and "***"
            assert traits["email"] == shown
        assert any(row["exportable"] and row["traits"]["email"] for row in rows)

    def test_personal_fields_need_a_scope(self, shop: Workshop) -> None:
        rows = shop.caller("segments:read").get(f"{URL}/members?fields=email,country").json()["data"]
        assert {row["traits"]["email"] for row in rows} <= {"***", None}
        assert {row["traits"]["country"] for row in rows} == {"DE"}

    @pytest.mark.parametrize(
        ("fields", "said"),
        [("emial", "Did you mean email?"), ("email,email", "only once"), (",", "At least one field"),
         ("a" * 500, "no field"), (",".join(f"f{n}" for n in range(51)), "At most 50"),
         ('email"; drop table x; --', "no field")],
    )  # fmt: skip
    def test_fields_that_are_none(self, writer: Any, fields: str, said: str) -> None:
        answer = writer.get(f"{URL}/members", params={"fields": fields})
        assert answer.status_code == 422 and said in answer.json()["detail"]

    def test_without_fields_no_traits_are_shown(self, writer: Any) -> None:
        assert {row["traits"] for row in writer.get(f"{URL}/members").json()["data"]} == {None}


class TestPast:
    def test_who_was_in(self, shop: Workshop, writer: Any) -> None:
        german = shop.people("country = 'DE'")
        saved = shop.store.segmentation.definitions()
        known = {one.key: one.version for one in saved}
        first, then_moment, later = saved[0].saved_at, *(saved[0].saved_at + timedelta(days=days) for days in (1, 3))
        before, after = first - timedelta(days=1), later + timedelta(days=1)
        publish(
            shop.store, [n for n in PEOPLE if n != 1], as_of=later, members={"german": [2, 3]}, definitions=known,
            redirects=[Redirect(profile_id(1), "merged", profile_id(2))],
        )  # fmt: skip
        at = f"{URL}/members?as_of={{:%Y-%m-%dT%H:%M:%SZ}}".format
        then = writer.get(at(then_moment)).json()["data"]
        assert [row["profile_id"] for row in then] == german
        assert {row["profile_id"]: row["living_id"] for row in then}[profile_id(1)] == profile_id(2)
        assert ids(writer.get(at(after))) == [profile_id(2), profile_id(3)]
        assert ids(writer.get(at(before))) == []
        assert pages(writer, at(then_moment) + "&limit=3") == then
        reached = shop.people(f"country = 'DE' and {CONSENT}")
        assert ids(writer.get(at(then_moment) + "&exportable=true")) == reached

    def test_of_a_deleted_segment(self, shop: Workshop, writer: Any) -> None:
        german = shop.people("country = 'DE'")
        writer.request("DELETE", URL, headers={"If-Match": "*"})
        assert ids(writer.get(f"{URL}/members?as_of=2099-01-01")) == []
        deleted = shop.store.segmentation.definition("german")
        assert deleted is not None
        moment = (deleted.saved_at - timedelta(microseconds=1)).isoformat()
        assert ids(writer.get(f"{URL}/members", params={"as_of": moment})) == german

    @pytest.mark.parametrize("as_of", ["yesterday", "2026-13-01", "2026-01-01T00:00:00", "", "9999-99-99", "'--"])
    def test_moments_that_are_none(self, writer: Any, as_of: str) -> None:
        answer = writer.get(f"{URL}/members", params={"as_of": as_of})
        assert answer.status_code == 422 and "as_of" in answer.json()["detail"]

    def test_fields_tell_of_today(self, writer: Any) -> None:
        assert writer.get(f"{URL}/members?as_of=2026-01-02&fields=country").status_code == 422


class TestChanges:
    def test_pages_and_a_place_to_go_on(self, shop: Workshop, writer: Any) -> None:
        whole = writer.get(f"{URL}/changes").json()
        assert len(whole["data"]) == len(shop.people(f"country = 'DE' and {CONSENT}")) and not whole["has_more"]
        seen, cursor = [], None
        while True:
            page = writer.get(f"{URL}/changes", params={"limit": 1, **({"cursor": cursor} if cursor else {})}).json()
            seen += page["data"]
            cursor = page["next_cursor"]
            if not page["has_more"]:
                break
        assert seen == whole["data"]
        quiet = writer.get(f"{URL}/changes", params={"cursor": cursor}).json()
        assert quiet == {"data": [], "next_cursor": cursor, "has_more": False}
        put(writer, "german", {**GERMAN, "where": "trait.country = 'FR'"}, "*")
        more = writer.get(f"{URL}/changes", params={"cursor": cursor}).json()["data"]
        assert {one["change"] for one in more} == {"entered", "exited"}
        assert min(one["seq"] for one in more) > max(one["seq"] for one in seen)

    def test_from_now_on(self, shop: Workshop, writer: Any) -> None:
        now = writer.get(f"{URL}/changes?start=now").json()
        assert now["data"] == [] and not now["has_more"]
        shop.store.segmentation.withdraw([shop.people(f"country = 'DE' and {CONSENT}")[0]], ["marketing"], at=NOW)
        told = writer.get(f"{URL}/changes", params={"cursor": now["next_cursor"]}).json()["data"]
        assert [(one["change"], one["reason"]) for one in told] == [("exited", "consent")]

    def test_a_cursor_of_another_segment(self, writer: Any) -> None:
        cursor = writer.get(f"{URL}/changes").json()["next_cursor"]
        assert writer.get("/v1/segments/shipped_one/changes", params={"cursor": cursor}).status_code == 422

    def test_nothing_has_happened_yet(self, writer: Any) -> None:
        writer.post("/v1/segments", json={**GERMAN, "key": "nobody", "where": "trait.country = 'XX'"})
        found = writer.get("/v1/segments/nobody/changes").json()
        assert found["data"] == [] and found["next_cursor"]


class TestExport:
    def read(self, answer: Any) -> list[dict[str, Any]]:
        assert answer.status_code == 200, answer.text
        assert int(answer.headers["Content-Length"]) == len(answer.content)
        kind = answer.headers["content-type"]
        if kind.startswith("text/csv"):
            return list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
        if kind == "application/x-ndjson":
            return [json.loads(line) for line in answer.content.decode().splitlines()]
        return pq.read_table(io.BytesIO(answer.content)).to_pylist()

    @pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
    def test_exactly_those_whom_the_purpose_reaches(self, shop: Workshop, writer: Any, kind: str) -> None:
        reached = shop.people(f"country = 'DE' and {CONSENT}")
        answer = writer.get(f"{URL}/export?format={kind}")
        rows = self.read(answer)
        assert [row["profile_id"] for row in rows] == reached
        assert list(rows[0]) == ["profile_id", "email", "first_name", "last_name", "country"]
        held = len(shop.people("country = 'DE'")) - len(reached)
        assert (answer.headers["Segment-Rows"], answer.headers["Segment-Held-Back"]) == (str(len(reached)), str(held))
        assert answer.headers["Content-Disposition"] == f'attachment; filename="german.{kind}"'

    @pytest.mark.parametrize("kind", ["csv", "ndjson", "parquet"])
    def test_an_empty_one(self, writer: Any, kind: str) -> None:
        writer.post("/v1/segments", json={**GERMAN, "key": "nobody", "where": "trait.country = 'XX'"})
        answer = writer.get(f"/v1/segments/nobody/export?format={kind}&fields=profile_id,email")
        assert self.read(answer) == []
        if kind == "csv":
            assert answer.text == '"profile_id","email"\n'

    def test_a_spreadsheet_sees_no_formula(self, writer: Any) -> None:
        writer.post(
            "/v1/segments", json={**GERMAN, "key": "french", "purpose": "service", "where": "trait.country = 'FR'"}
        )
        fields = "fields=first_name,phone"
        rows = self.read(writer.get(f"/v1/segments/french/export?{fields}"))
        assert {row["first_name"][:1] for row in rows} == {"'", "F"}
        assert all(row["phone"].startswith("'+41") for row in rows)
        raw = self.read(writer.get(f"/v1/segments/french/export?{fields}&format=ndjson"))
        assert any(row["first_name"] == "=cmd()" for row in raw)

    def test_personal_fields_need_a_scope(self, shop: Workshop) -> None:
        reader = shop.caller("segments:read")
        assert list(self.read(reader.get(f"{URL}/export"))[0]) == ["profile_id", "country"]
        answer = reader.get(f"{URL}/export?fields=profile_id,email")
        assert answer.status_code == 403 and "pii:read" in answer.json()["detail"]

    def test_another_purpose_narrows_and_never_widens(self, shop: Workshop, writer: Any) -> None:
        german, reached = shop.people("country = 'DE'"), shop.people(f"country = 'DE' and {CONSENT}")
        assert len(self.read(writer.get(f"{URL}/export?for=service"))) == len(reached)
        put(writer, "german", {**GERMAN, "purpose": "service"}, "*")
        assert len(self.read(writer.get(f"{URL}/export"))) == len(german)
        assert len(self.read(writer.get(f"{URL}/export?for=marketing"))) == len(reached)
        shop.store.segmentation.withdraw([reached[0]], ["marketing"], at=NOW)
        assert [row["profile_id"] for row in self.read(writer.get(f"{URL}/export?for=marketing"))] == reached[1:]

    def test_who_withdrew_or_was_erased_a_moment_ago(self, shop: Workshop, writer: Any) -> None:
        reached = shop.people(f"country = 'DE' and {CONSENT}")
        shop.store.segmentation.withdraw([reached[0]], ["marketing"], at=NOW)
        shop.store.segmentation.forget([reached[1]], at=NOW)
        assert [row["profile_id"] for row in self.read(writer.get(f"{URL}/export"))] == reached[2:]
        assert reached[1] not in ids(writer.get(f"{URL}/members"))

    def test_everybody_is_refused_unless_meant(self, writer: Any) -> None:
        writer.post("/v1/segments", json={**GERMAN, "key": "all_of_them", "where": "everyone"})
        answer = writer.get("/v1/segments/all_of_them/export")
        assert answer.status_code == 422 and "selects everybody" in answer.json()["detail"]
        assert len(self.read(writer.get("/v1/segments/all_of_them/export?everybody=true"))) > 0

    def test_what_cannot_be_exported(self, writer: Any) -> None:
        for query in ("format=xls", "fields=emial", "for=spam", "fields="):
            assert writer.get(f"{URL}/export?{query}").status_code in (200, 422)
        assert writer.get(f"{URL}/export?fields=emial").status_code == 422

    def test_it_is_audited_and_leaves_nothing_behind(self, shop: Workshop, writer: Any) -> None:
        writer.get(f"{URL}/export?format=ndjson")
        services = shop.client.app.state.services
        services.audit.flush()
        entry = shop.store.audit_rows(action="segment.export")[-1].entry
        reached = len(shop.people(f"country = 'DE' and {CONSENT}"))
        held = len(shop.people("country = 'DE'")) - reached
        assert entry.object == "german"
        assert entry.detail == {
            "rows": reached, "held_back": held, "format": "ndjson", "fields": 5, "personal": True,
            "purpose": None, "exportable": True, "after": "", "last": None,
        }  # fmt: skip
        assert list(services.scratch.iterdir()) == []
