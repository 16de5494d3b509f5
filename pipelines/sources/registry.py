"""All entities, in the order in which they are loaded: people before what refers to them."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from pipelines.sources import marketing, pos, sales, support, web
from pipelines.sources.entity import SUFFIXES, Entity, Format

ENTITIES: tuple[Entity, ...] = (
    sales.CONTACTS,
    sales.DEALS,
    support.USERS,
    support.TICKETS,
    web.EVENTS,
    pos.CUSTOMERS,
    pos.TRANSACTIONS,
    marketing.EMAIL_EVENTS,
    marketing.EXPERIMENTS,
)

SOURCES: tuple[str, ...] = tuple(dict.fromkeys(entity.source for entity in ENTITIES))

# The longest time between two deliveries that a shop in daily use leaves unnoticed.
STALE_AFTER_DAYS: dict[str, int] = {"sales": 14, "support": 30, "web": 7, "pos": 7, "marketing": 60}


def entity_of(source: str, name: str) -> Entity:
    """The entity; KeyError when there is none."""
    for entity in ENTITIES:
        if (entity.source, entity.entity) == (source, name):
            return entity
    raise KeyError(f"{source}.{name}")


def format_of(file: str | Path) -> Format | None:
    """The format a file name promises, `.gz` set aside; None when it promises none we read."""
    name = PurePosixPath(file).name.lower().removesuffix(".gz")
    return SUFFIXES.get(PurePosixPath(name).suffix)
