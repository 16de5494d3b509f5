"""Legal holds on a state home: placed, met by erasures, shown to whoever may ask, and ended.

An erasure under a hold erases everything as usual; before, the declared minimum (`privacy.holds.bases`) is sealed in a
file of its own. So nothing that is held can reach a profile, a segment, an export, matching or the API. When the hold
ends the key of the file is destroyed, with a receipt.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb

from cdp.clock import wall_now
from cdp.errors import ConfigurationError, ConflictError
from cdp.settings import Settings
from cdp.store import open_store
from cdp.store.base import AuditEntry
from identity.normalise.columns import record_columns
from pipelines.context import Progress, quiet
from pipelines.erasing import freezing
from pipelines.erasing.keys import keys_of
from pipelines.ingest.people import MAIL, speak_of
from pipelines.lock import writer_lock
from pipelines.sources.entity import Entity
from pipelines.sources.fields import json_path, literal
from pipelines.sources.registry import ENTITIES
from privacy import policy, receipts
from privacy.closure import Closure
from privacy.erasure import database
from privacy.holds import bases
from privacy.holds import hold as acts
from privacy.holds.bases import Bases, Category
from privacy.holds.hold import Hold
from privacy.holds.register import Holds, Meant
from privacy.matching import Keys, match
from privacy.receipts import Receipt, StoreLine

PIPELINE = "pipeline"


@dataclass(frozen=True)
class Spared:
    """People whom holds in force mean, and the entities (source.entity) whose records of them stay."""

    keys: Keys
    entities: frozenset[str]


def load_bases(settings: Settings) -> Bases:
    """The declared bases. ConfigurationError for an entity or a field that no source has, with what there is."""
    found = bases.load(settings.privacy_holds)
    file = (settings.privacy_holds or bases.SHIPPED).name
    entities = {entity.name: entity for entity in ENTITIES}
    for one in found.categories.values():
        if one.of not in entities:
            known = ", ".join(entities)
            raise ConfigurationError(f"{file}, categories.{one.key}.of: no source has {one.of!r}; there are: {known}.")
        columns = entities[one.of].column_names
        strange = [field for field in (*one.fields, *one.only) if field not in columns]
        if strange:
            known = ", ".join(columns)
            raise ConfigurationError(
                f"{file}, categories.{one.key}: {one.of} has no field {strange[0]!r}; there are: {known}."
            )
    return found


def place(
    settings: Settings,
    people: Sequence[Sequence[str]],
    *,
    basis: str,
    categories: Sequence[str],
    until: str,
    actor: str,
) -> list[Hold]:
    """Place a hold on each of some people from now on, on all or none; of who was erased before nothing is there.

    Raises InputError for identifiers, a basis, categories or a day that cannot be, ConflictError when the identifiers
    of one lead to two people or while a run or an erasure is under way.
    """
    named = freezing.parse_all(people)
    chosen = load_bases(settings).choose(basis, categories)
    now = wall_now()
    last = acts.last_day(until, policy.load(settings).days.day_of(now))
    with writer_lock(settings.writer_lock):
        closures = freezing.closures_of(settings, named)
        stopped = freezing.obstacle(settings, closures, allow_many=True)
        if stopped:
            raise freezing.Stopped(stopped)
        with open_store(settings.database_url) as store:
            meant = [
                Meant(given, [(one.kind, one.value) for one in person], closure.records)
                for given, person, closure in zip(people, named, closures, strict=True)
            ]
            made = Holds(settings.privacy).place(
                meant, basis=basis, categories=chosen, until=last.isoformat(), actor=actor, now=now
            )
            for one in made:
                audit(store, actor, "placed", one.hold, basis=basis, until=one.until)
    return made


def show(settings: Settings, name: str, *, actor: str) -> dict[str, Any]:
    """What a hold keeps, in the clear, for the authority that asks. First the audit log, then the answer.

    NotFoundError for an unknown hold, ConflictError for one that has ended.
    """
    holds = Holds(settings.privacy)
    known = holds.read(name)
    if known.status == "ended":
        raise ConflictError(f"Hold {name} has ended; what it kept is erased.")
    with open_store(settings.database_url) as store:
        audit(store, actor, "shown", name)
    content = holds.sealed(name).load()
    content.pop("records", None)
    return {"hold": known.hold, "basis": known.basis, "until": known.until, **content}


def look_up(settings: Settings) -> None:
    """Remember whose records holds mean that a server placed, which looks nobody up; once for each hold."""
    holds = Holds(settings.privacy)
    if not holds.open_ones() or not settings.warehouse.exists():
        return
    today = policy.load(settings).days.day_of(wall_now())
    with writer_lock(settings.writer_lock):
        in_force = [one for one in holds.open_ones() if one.is_in_force(today)]
        new = [one for one in in_force if "records" not in holds.sealed(one.hold).load()]
        for hold, person in zip(new, _meant(settings, new), strict=True):
            # Who is not known yet is looked up again: their data may come later.
            if person.records:
                sealed = holds.sealed(hold.hold)
                sealed.save({**sealed.load(), "records": person.records})


def keep(settings: Settings, request: str, closures: Sequence[Closure], config: dict[str, Any]) -> list[dict[str, Any]]:
    """Seal what holds in force keep of the people of an erasure; counts by hold and category. Repeatable."""
    holds = Holds(settings.privacy)
    now = wall_now()
    today = policy.load(settings).days.day_of(now)
    pairs = _met(settings, [one for one in holds.open_ones() if one.is_in_force(today)], closures)
    if not pairs or not settings.warehouse.exists():
        return []
    found = _records(settings, pairs, config)
    told = []
    for number, (hold, _) in enumerate(pairs):
        sealed = holds.sealed(hold.hold)
        content = sealed.load()
        content["kept"][request] = found[number]
        sealed.save(content)
        counts = {key: len(one["records"]) for key, one in found[number].items()}
        holds.change(hold.hold, partial(acts.kept, request=request, counts=counts, actor=PIPELINE, now=now))
        told += [
            {"hold": hold.hold, "category": key, "records": count, "reason": hold.reason}
            for key, count in counts.items()
        ]
    return told


def spared(settings: Settings) -> Spared:
    """What rules of retention leave: the records, of the kinds that holds in force keep, of the people they mean.

    All of their fields stay while the person is not erased: the minimum is taken when they are.
    """
    holds = Holds(settings.privacy)
    today = policy.load(settings).days.day_of(wall_now())
    in_force = [one for one in holds.open_ones() if one.is_in_force(today)]
    if not in_force:
        return Spared(Keys(), frozenset())
    categories = load_bases(settings).categories
    entities = frozenset(categories[key].of for one in in_force for key in one.categories if key in categories)
    return Spared(keys_of(_meant(settings, in_force)), entities)


def lines(held: Sequence[dict[str, Any]]) -> tuple[StoreLine, ...]:
    """What was kept, for a receipt: one line a hold and category."""
    return tuple(
        StoreLine(
            f"held:{one['category']}", matched=one["records"], erased=0, kept=one["records"], reason=one["reason"]
        )
        for one in held
        if one["records"]
    )


def end_due(settings: Settings, progress: Progress = quiet) -> list[dict[str, Any]]:
    """Erase what holds keep that were released or whose last day is over; the receipts of those that kept something."""
    holds = Holds(settings.privacy)
    if not holds.open_ones():
        return []
    now = wall_now()
    today = policy.load(settings).days.day_of(now)
    signed = []
    with writer_lock(settings.writer_lock):
        for one in holds.open_ones():
            if one.is_in_force(today):
                continue
            progress(f"legal hold {one.hold} is over …")
            # Without the key nobody reads it any more, whatever copy of the file there is.
            holds.sealed(one.hold).destroy()
            detail: dict[str, Any] = {"records": one.records}
            if one.kept:
                receipt = receipts.issue(settings.privacy, _end_receipt(one))
                detail["receipt"] = receipts.digest(receipt["receipt"])
                signed.append(receipt)
            with open_store(settings.database_url) as store:
                entry = f"hold-ended-{one.hold}"
                store.append_audit([AuditEntry(entry, wall_now(), PIPELINE, "privacy.hold.ended", one.hold, detail)])
            holds.change(one.hold, partial(acts.end, actor=PIPELINE, now=now))
    return signed


def audit(store: Any, actor: str, action: str, hold: str, **detail: Any) -> None:
    """Keep what was done to a hold in the audit log."""
    store.append_audit([AuditEntry(secrets.token_hex(16), wall_now(), actor, f"privacy.hold.{action}", hold, detail)])


def _met(settings: Settings, holds: Sequence[Hold], closures: Sequence[Closure]) -> list[tuple[Hold, list[Closure]]]:
    """Holds whose person is among those of an erasure, with the closures that are theirs.

    Whom a hold means is found out now, because profiles merge and split. When it leads to several people meanwhile,
    each of them is held: what is kept too long can still be erased, what is erased is gone.
    """
    pairs = []
    for hold, person in zip(holds, _meant(settings, holds), strict=True):
        theirs = [one for one in closures if _is_same(one, person)]
        if theirs:
            pairs.append((hold, theirs))
    return pairs


def _meant(settings: Settings, holds: Sequence[Hold]) -> list[Closure]:
    """Whom holds mean now, each with the records that were theirs when they were first looked up.

    Who changes a number or a mail is no longer found by the former one, and is held all the same.
    """
    register = Holds(settings.privacy)
    contents = [register.sealed(one.hold).load() for one in holds]
    if not contents:
        return []
    found = freezing.closures_of(settings, freezing.parse_all([one["identifiers"] for one in contents]))
    for person, content in zip(found, contents, strict=True):
        person.records = sorted({*person.records, *content.get("records", ())})
    return found


def _is_same(one: Closure, other: Closure) -> bool:
    shared = (
        set(one.records) & set(other.records)
        or set(one.profiles) & set(other.profiles)
        or set(one.mailboxes) & set(other.mailboxes)
    )
    return bool(shared)


def _records(
    settings: Settings, pairs: Sequence[tuple[Hold, list[Closure]]], config: dict[str, Any]
) -> list[dict[str, Any]]:
    """For each pair, by category: the entity and its records, reduced; the newest version of each record."""
    categories = load_bases(settings).categories
    wanted = {key: categories[key] for hold, _ in pairs for key in hold.categories if key in categories}
    found: list[dict[str, Any]] = [
        {key: {"of": wanted[key].of, "records": []} for key in hold.categories if key in wanted} for hold, _ in pairs
    ]
    keys = Keys()
    for number, (_, closures) in enumerate(pairs):
        theirs = keys_of(closures)
        keys.records += [(number, value) for _, value in theirs.records]
        keys.mailboxes += [(number, value) for _, value in theirs.mailboxes]
        keys.devices += [(number, device, start, stop) for _, device, start, stop in theirs.devices]
    with database.opened(settings.warehouse, config) as connection:
        there = set(database.tables(connection))
        keys.install(connection)
        for entity in ENTITIES:
            of_entity = [one for one in wanted.values() if one.of == entity.name]
            if not of_entity or entity.table not in there:
                continue
            records = f"(select rowid as row_no, coalesce(mapped, payload) as record from old.{entity.table})"
            speak_of(connection, entity, records, record_columns, normal=MAIL)
            match(connection)
            for one in of_entity:
                for number, reduced in _reduced(connection, entity, one).items():
                    if one.key in found[number]:
                        found[number][one.key]["records"] = reduced
    return found


def _reduced(connection: duckdb.DuckDBPyConnection, entity: Entity, category: Category) -> dict[int, list[Any]]:
    """Matched records by number of the key: the fields of the category that say something."""
    record = "coalesce(t.mapped, t.payload)"
    fields = ", ".join(f"json_extract_string({record}, {json_path(field)})" for field in category.fields)
    only = " and ".join(
        f"lower(json_extract_string({record}, {json_path(field)})) in"
        f" ({', '.join(literal(value.lower()) for value in values)})"
        for field, values in category.only.items()
    )
    rows = connection.execute(
        f"""
        select m.request, {fields}
        from (select distinct row_no, request from matched) as m join old.{entity.table} as t on t.rowid = m.row_no
        where {only or "true"}
        qualify row_number() over (
            partition by m.request, t.record_key order by t.batch_seq desc, t.line desc
        ) = 1
        order by m.request, t.record_key
        """
    ).fetchall()
    found: dict[int, list[Any]] = defaultdict(list)
    for number, *values in rows:
        said = dict(zip(category.fields, values, strict=True))
        found[number].append({field: value for field, value in said.items() if value not in (None, "")})
    return found


def _end_receipt(hold: Hold) -> Receipt:
    counts: dict[str, int] = defaultdict(int)
    for kept in hold.kept.values():
        for category, records in kept.items():
            counts[category] += records
    now = wall_now().isoformat()
    return Receipt(
        request=hold.hold,
        kind="hold_end",
        status="completed",
        subjects=1,
        doubtful=0,
        requested_at=hold.placed_at,
        erased_at=now,
        verified_at=now,
        tokens=0,
        stores=tuple(
            StoreLine(f"held:{category}", matched=records, erased=records, reason="the key was overwritten and removed")
            for category, records in sorted(counts.items())
        ),
        extra={"basis": hold.basis, "until": hold.until, "erasures": sorted(hold.kept)},
    )
