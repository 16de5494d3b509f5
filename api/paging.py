"""What all lists over the wire have in common: a page, its limit, and how the next one is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field

from api.cursors import LONGEST, Cursors, Position
from api.services import Services
from cdp.store.base import Publication

T = TypeVar("T")

Cursor = Annotated[
    str | None,
    Query(max_length=LONGEST, description="The `next_cursor` of the page before; leave out for the first page."),
]


class PublicationOut(BaseModel):
    """The published state that an answer comes from."""

    run_id: str
    as_of: datetime


class Page(BaseModel, Generic[T]):
    """One page of a list."""

    data: list[T]
    next_cursor: str | None = Field(description="Pass it as `cursor` for the next page; null after the last.")
    publication: PublicationOut
    publication_changed: bool = Field(
        description="Whether something newer was published since the first page; rows that stayed are neither missed "
        "nor repeated."
    )


def publication_out(publication: Publication) -> PublicationOut:
    """A publication over the wire."""
    return PublicationOut(run_id=publication.run_id, as_of=publication.as_of)


@dataclass(frozen=True)
class Listing:
    """One request for a page: which list, after what, how many rows, of which published state."""

    name: str
    limit: int
    publication: Publication
    position: Position | None
    cursors: Cursors

    @property
    def after(self) -> list[Any]:
        """The sort key that the page before ended with; empty for the first page."""
        return self.position.after if self.position else []

    @property
    def fetch(self) -> int:
        """How many rows to ask for: one more than are shown tells whether there is a next page."""
        return self.limit + 1

    def page(
        self, rows: Sequence[T], key: Callable[[T], list[Any]], shown: Callable[[T], Any] | None = None
    ) -> dict[str, Any]:
        """The page over the wire; `key` gives the sort key of a row, `shown` what a row looks like outside."""
        first = self.position.publication if self.position else self.publication.seq
        kept = rows[: self.limit]
        more = len(rows) > self.limit
        return {
            "data": [shown(row) for row in kept] if shown else list(kept),
            "next_cursor": self.cursors.encode(self.name, Position(first, key(kept[-1]))) if more else None,
            "publication": publication_out(self.publication),
            "publication_changed": first != self.publication.seq,
        }


async def begin(services: Services, name: str, cursor: str | None, limit: int) -> Listing:
    """Read the cursor of a list. InputError when it is another list's, NotPublished before the first publication."""
    position = services.cursors.decode(name, cursor)
    return Listing(name, limit, await services.analyst.publication(), position, services.cursors)
