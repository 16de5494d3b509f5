"""Putting right what sources say about a person (Art. 16 GDPR): which records a correction is about, and what it says.

A correction of a profile is about those of its records that state the value that the profile shows; where it shows
none, about all of them. The store keeps it and a run carries it out. What is right in form is decided by whoever
normalises, which is passed in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, cast

import duckdb

from cdp.domain.corrections import (
    ADDRESS,
    FIELDS,
    FULL_NAME,
    LASTS,
    NAME_PARTS,
    Correction,
    Field,
    Lasts,
    Place,
)
from cdp.errors import InputError
from cdp.store.base import Store

# The form of a right value: field, text, and the country of the person.
Normaliser = Callable[[Field, str, str | None], str]
Effective = Literal["now", "next run", "until the next run", "no more"]

# Field → the text over the features of a record that tells whether two records state the same.
_ADDRESS = "concat_ws('|', coalesce(f.address, ''), coalesce(f.postcode, ''), coalesce(f.city, ''))"
_KEYS: dict[Field, str] = {
    "first_name": "f.given",
    "last_name": "f.family",
    "email": "f.email_norm",
    "phone": "f.telephone",
    "birth_date": "f.birth",
    **dict.fromkeys(ADDRESS, _ADDRESS),
}
_IDEOGRAPHS = re.compile("[\u4e00-\u9fff]+")


@dataclass(frozen=True)
class Wanted:
    """What is to be put right: the right text of each field, None where there is none; `records` limit where."""

    values: Mapping[str, str | None]
    lasts: str = "for_good"
    records: Sequence[str] = ()
    request: str | None = None


def prepared(
    served: duckdb.DuckDBPyConnection, profile_id: str, wanted: Wanted, *, by: str, normalise: Normaliser
) -> Correction:
    """The correction of a living profile that is to be written; the next run carries it out.

    InputError for a field or form that is not known, a value that cannot be one, records that are not the profile's,
    or a profile without records; none repeats a value.
    """
    if wanted.lasts not in LASTS:
        raise InputError(f"A correction lasts {' or '.join(LASTS)}.")
    fields = known_fields(wanted.values)
    shown = _shown(served, profile_id)
    country = wanted.values.get("country") or shown.get("country")
    values = {
        field: None if text is None else normalise(field, text, country)
        for field, text in ((field, wanted.values[field]) for field in fields)
    }
    places = _places(served, profile_id, values, shown, wanted.records)
    return Correction(profile_id, tuple(places), by, cast(Lasts, wanted.lasts), wanted.request)


def known_fields(names: Iterable[str]) -> list[Field]:
    """The fields of these names, in their own order. InputError for none, or one that is not known."""
    found = set(names)
    strange = sorted(found - set(FIELDS))
    if strange:
        near = get_close_matches(strange[0][:40], FIELDS, n=1)
        # What is not even the form of a name may be a value that was put in the wrong place.
        name = f" {strange[0]}" if re.fullmatch("[a-z_]{1,40}", strange[0]) else ""
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(FIELDS)}."
        raise InputError(f"There is no field{name} that could be corrected; {hint}")
    if not found:
        raise InputError(f"Say which field is to be corrected: {', '.join(FIELDS)}.")
    return [field for field in FIELDS if field in found]


def records_of(served: duckdb.DuckDBPyConnection, profile_id: str) -> list[str]:
    """The source records of a profile, SOURCE:ID, but mail addresses that were only written to."""
    rows = served.execute(
        "select source || ':' || source_record_id from identity.identity_map "
        "where profile_id = ? and source <> 'marketing' order by 1",
        [profile_id],
    ).fetchall()
    return [row[0] for row in rows]


def listed(
    store: Store, served: duckdb.DuckDBPyConnection, corrections: Iterable[Correction], *, with_values: bool
) -> list[dict[str, Any]]:
    """Corrections as facts, each with when it counts, and where with what the source says meanwhile."""
    shown = list(corrections)
    carried_out = _standings(served, [one.correction_id for one in shown])
    records = {place.record for one in shown for place in one.places}
    counting = {(one.correction_id, *one.place.key) for one in store.corrections.in_force(records)}
    return [_facts(one, carried_out, counting, with_values=with_values) for one in shown]


def waiting(store: Store, served: duckdb.DuckDBPyConnection, request: str) -> bool:
    """Whether a correction of a subject request still waits for a run."""
    facts = listed(store, served, store.corrections.listed(request=request), with_values=False)
    return any(one["effective"] in ("next run", "until the next run") for one in facts)


def _places(
    served: duckdb.DuckDBPyConnection,
    profile_id: str,
    values: Mapping[Field, str | None],
    shown: Mapping[str, str | None],
    only: Sequence[str],
) -> list[Place]:
    members = records_of(served, profile_id)
    if not members:
        raise InputError("This profile has no source record whose values could be put right.")
    strange = sorted(set(only) - set(members))
    if strange:
        raise InputError(f"{len(strange)} of the records named are not of this profile; records are named SOURCE:ID.")
    places: list[Place] = []
    for field, value in values.items():
        for record in only or _holding(served, profile_id, field):
            source, _, key = record.partition(":")
            places.append(Place(source, key, field, value))
    if any(field in values for field in NAME_PARTS):
        full = _full_name(values, shown)
        named = {place.record: place for place in places if place.field in NAME_PARTS}
        places += [Place(one.source, one.source_record_id, FULL_NAME, full) for one in named.values()]
    return places


def _holding(served: duckdb.DuckDBPyConnection, profile_id: str, field: Field) -> list[str]:
    """The records that state what the profile shows; all of them where it shows nothing."""
    traits = [field, *(other for other in ADDRESS if field in ADDRESS and other != field)]
    key = _KEYS[field]
    rows = served.execute(
        f"""
        with origin as (
            select source, source_record_id from marts.trait_origins
            where profile_id = $profile and list_contains($traits, trait)
            order by list_position($traits, trait) limit 1
        ),
        shown as (
            select {key} as key from identity.state_features as f semi join origin using (source, source_record_id)
        )
        select m.source || ':' || m.source_record_id
        from identity.identity_map as m
        join identity.state_features as f using (source, source_record_id)
        where m.profile_id = $profile and m.source <> 'marketing'
            and ({key} is not distinct from (select key from shown) or not exists (select 1 from shown))
        order by 1
        """,
        {"profile": profile_id, "traits": traits},
    ).fetchall()
    return [row[0] for row in rows]


def _shown(served: duckdb.DuckDBPyConnection, profile_id: str) -> dict[str, str | None]:
    rows = served.execute(
        "select first_name, last_name, full_name, country from marts.profiles where profile_id = ?", [profile_id]
    ).fetchall()
    return dict(zip(("first_name", "last_name", FULL_NAME, "country"), rows[0] if rows else (None,) * 4, strict=True))


def _full_name(values: Mapping[Field, str | None], shown: Mapping[str, str | None]) -> str | None:
    """The whole name of which a part was put right; Chinese names are written surname first, without a blank."""
    first, last = (values.get(part, shown[part]) for part in NAME_PARTS)
    for part, other in (NAME_PARTS, NAME_PARTS[::-1]):
        if part not in values and shown[part] is None and shown[FULL_NAME] not in (None, shown[other]):
            raise InputError(
                f"Correct the {part.replace('_', ' ')} too: what is known of this person is the whole name only."
            )
    if last and _IDEOGRAPHS.fullmatch(last):
        return f"{last}{first or ''}"
    return " ".join(filter(None, (first, last))) or None


def _standings(
    served: duckdb.DuckDBPyConnection, corrections: Sequence[str]
) -> dict[tuple[str, str, str, str], tuple[str, str | None]]:
    """(correction, source, record, field) → what became of it and the profile of the record, as served."""
    there = served.execute(
        "select 1 from information_schema.tables where table_schema = 'marts' and table_name = 'corrections'"
    ).fetchall()
    if not there:
        return {}
    rows = served.execute(
        "select correction_id, source, source_record_id, field, standing, profile_id from marts.corrections "
        "where list_contains($corrections, correction_id)",
        {"corrections": list(corrections)},
    ).fetchall()
    return {(row[0], row[1], row[2], row[3]): (row[4], row[5]) for row in rows}


def _facts(
    one: Correction,
    carried_out: Mapping[tuple[str, str, str, str], tuple[str, str | None]],
    counting: Collection[tuple[str, str, str, str]],
    *,
    with_values: bool,
) -> dict[str, Any]:
    where = []
    for place in one.places:
        standing, profile = carried_out.get((one.correction_id, *place.key), (None, None))
        shown = {"value": place.value} if with_values else {}
        where.append(
            {"source": place.source, "source_record_id": place.source_record_id, "field": place.field, **shown,
             "standing": standing, "profile_id": profile}
        )  # fmt: skip
    return {
        "correction": one.correction_id,
        "profile_id": one.profile_id,
        "fields": [field for field in one.fields if field != FULL_NAME],
        "lasts": one.lasts,
        "request": one.request,
        "recorded_by": one.recorded_by,
        "recorded_at": one.recorded_at,
        "withdrawn_by": one.withdrawn.recorded_by if one.withdrawn else None,
        "withdrawn_at": one.withdrawn.recorded_at if one.withdrawn else None,
        "effective": _effective(one, carried_out, counting),
        "where": where,
    }


def _effective(one: Correction, carried_out: Collection[Any], counting: Collection[Any]) -> Effective:
    """When it counts; one that later ones took the place of everywhere counts no more."""
    places = [(one.correction_id, *place.key) for place in one.places]
    is_served = any(place in carried_out for place in places)
    counts = any(place in counting for place in places)
    if counts:
        # A field may have come back to it because a later correction was withdrawn.
        return "now" if all(place in carried_out for place in places if place in counting) else "next run"
    return "until the next run" if is_served else "no more"
