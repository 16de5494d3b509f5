"""Absurd tables through `identity resolve`: nothing crashes, nothing is merged that shares no evidence."""

from __future__ import annotations

import csv

import pytest
import yaml

from identity.resolve import resolve_table

FIELDS = ("first_name", "last_name", "email", "phone", "birth_date", "street", "postcode")


@pytest.fixture
def resolved(tmp_path):
    """Resolve rows of (source, fields…) and return record id → profile, and the report."""

    def run(rows, **mapping):
        plan = {"record_id": "id", "source": "source", "fields": {name: name for name in FIELDS}, **mapping}
        (tmp_path / "map.yaml").write_text(yaml.safe_dump(plan))
        with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(["id", "source", *FIELDS])
            writer.writerows(
                [f"r{number}", source, *(fields.get(name, "") for name in FIELDS)]
                for number, (source, fields) in enumerate(rows)
            )
        report = resolve_table(tmp_path / "in.csv", tmp_path / "map.yaml", tmp_path / "out.csv")
        with (tmp_path / "out.csv").open(encoding="utf-8") as stream:
            profiles = {row["record_id"]: row["profile_id"] for row in csv.DictReader(stream)}
        assert len(profiles) == len(rows), "every record gets a profile"
        return profiles, report

    return run


def largest(profiles):
    counts = {}
    for profile in profiles.values():
        counts[profile] = counts.get(profile, 0) + 1
    return max(counts.values())


def test_ten_thousand_records_that_share_a_phone(resolved):
    rows = [
        ("shop", {"first_name": f"Given{n // 100}", "last_name": f"Family{n}", "phone": "2065559999"})
        for n in range(10_000)
    ]
    profiles, report = resolved(rows)
    assert report.model["kind"] == "trained"
    assert largest(profiles) <= 3
    assert report.pairs < 200_000, "the phone is no reason to compare"


def test_a_person_does_not_grow_past_the_cap(resolved):
    rows = [("shop", {"first_name": "Ida", "last_name": "Immergleich", "street": "1 Long Road"})] * 260
    profiles, _ = resolved(rows)
    assert largest(profiles) <= 100


def test_identical_records_are_one_person_and_where_a_source_is_unique_are_not(resolved):
    same = {"first_name": "Ida", "last_name": "Immergleich", "email": "ida@immergleich.de", "birth_date": "1970-02-03"}
    profiles, _ = resolved([("shop", same)] * 8)
    assert len(set(profiles.values())) == 1
    profiles, _ = resolved([("crm", same)] * 8, one_record_per_source=["crm"])
    assert len(set(profiles.values())) == 8


def test_strange_names_and_impossible_values_stay_apart(resolved):
    rows = [
        ("shop", {"first_name": "A" * 300, "last_name": "B" * 300}),
        ("shop", {"first_name": "A" * 299 + "C", "last_name": "D" * 300}),
        ("shop", {"first_name": "🦊", "last_name": "💛", "email": "🦊@💛"}),
        ("shop", {"first_name": "🐻", "last_name": "💛"}),
        ("shop", {"first_name": "محمد", "last_name": "عبد الله", "birth_date": "31/02/1999", "phone": "??"}),
        ("shop", {"first_name": "שרה", "last_name": "כהן", "birth_date": "1999-99-99"}),
        ("shop", {"last_name": "Nur"}),
        ("shop", {}),
        ("shop", {}),
        ("shop", {"email": "not a mail", "phone": "0", "birth_date": "yesterday", "postcode": "-"}),
    ]
    profiles, report = resolved(rows)
    assert len(set(profiles.values())) == len(rows)
    assert report.model["kind"] == "prior"


def test_right_to_left_names_are_matched_like_others(resolved):
    person = {"first_name": "محمد", "last_name": "الفارسي", "email": "m.farsi@bazaar.org"}
    other = {"first_name": "محمد", "last_name": "الحسن", "email": "m.hassan@bazaar.org"}
    profiles, _ = resolved([("crm", person), ("shop", person), ("crm", other)])
    assert profiles["r0"] == profiles["r1"] != profiles["r2"]


def test_a_small_tenant_is_resolved_with_priors(resolved, records_of):
    rows, people = [], []
    for number in range(120):
        for source, _, fields in records_of(number):
            rows.append((source, {name: fields[name] for name in FIELDS if name in fields}))
            people.append(number)
    profiles, report = resolved(rows, one_record_per_source=["sales", "web", "support"])
    assert len(rows) < 1000 and report.model["kind"] == "prior"
    first = {}
    for number, person in enumerate(people):
        if rows[number][0] in ("sales", "web"):
            assert profiles[f"r{number}"] == first.setdefault(person, profiles[f"r{number}"])
    assert len(set(first.values())) == 120
