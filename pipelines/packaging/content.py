"""The content of one request's package: whatever warehouse and store hold of the person, read where it is."""

from __future__ import annotations

import sys
from datetime import datetime

from cdp.settings import Settings
from cdp.spill import spill_folder
from cdp.store import open_store, subject_rows
from cdp.store.base import Store
from pipelines.erasing.freezing import parse_all
from pipelines.erasing.keys import install
from pipelines.sources.mapping import load_mappings
from pipelines.sources.registry import ENTITIES
from privacy.closure import Closure
from privacy.erasure import database
from privacy.holds.register import Holds
from privacy.inventory.load import load
from privacy.inventory.model import Inventory
from privacy.packages import contents as described
from privacy.packages import explaining, gathering
from privacy.packages.content import Column, Content, Kind, Part
from privacy.packages.gathering import PeopleList, Whose
from privacy.reaching import WEAK
from privacy.seen import sights


def gather(settings: Settings, request: str, kind: Kind, closure: Closure, now: datetime) -> tuple[Content, Whose]:
    """The content and whose it is; nothing is changed. The caller holds the writer lock."""
    inventory = load(settings.dbt_project)
    contents = described.load(inventory)
    person = Whose(frozenset(closure.records), tuple(closure.profiles), (), 0)
    parts: list[Part] = []
    if settings.warehouse.exists():
        config = {
            "threads": settings.threads,
            "memory_limit": settings.memory_limit,
            "temp_directory": str(spill_folder(settings.tmp)),
            "max_temp_directory_size": settings.max_spill,
        }
        settings.tmp.mkdir(parents=True, exist_ok=True)
        with database.opened(settings.warehouse, config) as connection:
            install(connection, settings, [closure])
            person = gathering.whose(connection)
            parts = gathering.from_warehouse(connection, inventory, contents, person, _lists(settings))
    with open_store(settings.database_url) as store:
        parts += _from_store(settings, store, inventory, contents, person)
    if kind == "access":
        parts += _held(settings, closure)
    parts.sort(key=lambda part: contents.place(part.name.removeprefix("store.")))
    content = Content(kind, request, now, tuple(parts), doubtful=person.doubtful)
    if kind == "portability":
        return explaining.for_portability(content, inventory, contents), person
    withheld = gathering.withheld(inventory, contents) if person.is_mixed else []
    return explaining.for_access(content, inventory, contents, withheld), person


def _from_store(
    settings: Settings, store: Store, inventory: Inventory, contents: described.Contents, person: Whose
) -> list[Part]:
    profiles, records, values = gathering.store_keys(person)
    found = subject_rows.read(settings.database_url, profiles=profiles, records=records, values=values)
    titles = subject_rows.titles(settings.database_url)
    words = {
        "segment_title": ("segment_key", titles["segment"]),
        "segment_sentence": ("segment_key", titles["sentence"]),
        "destination_title": ("destination_key", titles["destination"]),
    }
    worded = {name: explaining.in_words(rows, words) for name, rows in found.items()}
    return [*gathering.from_store(worded, inventory, contents), *_reads(store, contents, profiles)]


def _reads(store: Store, contents: described.Contents, profiles: tuple[str, ...]) -> list[Part]:
    """When somebody read the profile, itself or on a list, or changed something, without who: that is the staff's."""
    seen = {
        one.seq: {"at": one.at, "action": one.action}
        for profile in profiles
        for one in sights(store, profile, limit=sys.maxsize)
        if one.how != "possible"
    }
    rows = [row for _, row in sorted(seen.items())]
    columns = tuple(Column(name, contents.title_of(name), "behaviour") for name in ("at", "action"))
    return gathering.part("store.audit", "sent", "When your profile was read or changed", columns, rows)


def _held(settings: Settings, closure: Closure) -> list[Part]:
    """What legal holds keep of somebody whose data was erased: it is sealed, and is theirs to see all the same.

    A hold is theirs when it names one of their identifiers; a household's telephone is not enough.
    """
    holds = Holds(settings.privacy)
    named = {(one.kind, one.value) for one in closure.named if one.kind not in WEAK}
    parts: list[Part] = []
    for hold in holds.open_ones():
        if not hold.kept:
            continue
        content = holds.sealed(hold.hold).load()
        (meant,) = parse_all([content["identifiers"]])
        if named.isdisjoint((one.kind, one.value) for one in meant):
            continue
        for number, erasure in enumerate(content["kept"].values(), start=1):
            for category, one in erasure.items():
                fields = dict.fromkeys(field for record in one["records"] for field in record)
                parts += gathering.part(
                    f"held.{hold.hold}.{number}.{category}", "records", f"Kept because the law asks for it: {category}",
                    tuple(Column(field, field, "document") for field in fields), one["records"],
                    about=f"Your data was erased but for this, which is sealed until {hold.until} and not used.",
                )  # fmt: skip
    return parts


def _lists(settings: Settings) -> dict[str, PeopleList]:
    """Raw tables whose records name several people, with the names that the field has as delivered."""
    mappings = load_mappings(settings.mapping_dir)
    return {
        entity.table: PeopleList(
            entity.source,
            entity.person.separator,
            frozenset(
                {entity.person.record, mappings[entity.name].theirs(entity.person.record) or entity.person.record}
            ),
        )
        for entity in ENTITIES
        if entity.person.separator is not None and entity.person.record is not None
    }
