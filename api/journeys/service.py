"""Answers about journeys: the map, built once per publication and kept."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any

import duckdb

from api.services import Services
from cdp.errors import NotFoundError
from cdp.store.base import Publication, Store

if TYPE_CHECKING:
    from journeys.map.content import JourneyMap

SECONDS = 120.0
BATCH = 50_000


class MapShelf:
    """The maps asked for last, and those being built. A publication never changes, so its maps do not either."""

    def __init__(self, size: int = 16) -> None:
        self._size = size
        self._maps: OrderedDict[Hashable, asyncio.Task[JourneyMap]] = OrderedDict()

    async def get(self, key: Hashable, build: Callable[[], Coroutine[Any, Any, JourneyMap]]) -> JourneyMap:
        """The map under `key`, built once however many ask for it meanwhile. A failed one is built again next time."""
        task = self._maps.get(key)
        if task is None:
            task = self._maps[key] = asyncio.create_task(build())
            while len(self._maps) > self._size:
                self._maps.popitem(last=False)
        self._maps.move_to_end(key)
        try:
            return await asyncio.shield(task)
        except Exception:
            if self._maps.get(key) is task:
                del self._maps[key]
            raise


async def journey_map(services: Services, shelf: MapShelf, segment: str | None, file_format: str, lang: str) -> bytes:
    """The map of everyone, or of one segment, as JSON or SVG. NotFoundError for an unknown segment."""
    publication = await services.analyst.publication()
    if segment is not None and await services.reader.get_segment(segment) is None:
        raise NotFoundError("There is no segment with this key; `GET /v1/segments` lists them.")

    def question(connection: duckdb.DuckDBPyConnection) -> JourneyMap:
        people = _members(connection, services.store, segment)
        return _build(connection, publication, segment, people, lang)

    built = await shelf.get(
        (publication.seq, segment, lang), lambda: services.analyst.ask(publication, question, seconds=SECONDS)
    )
    return await asyncio.to_thread(_written, built, file_format)


def _build(
    connection: duckdb.DuckDBPyConnection, publication: Publication, segment: str | None, people: str | None, lang: str
) -> JourneyMap:
    from journeys.map.model import build_map

    return build_map(
        connection,
        as_of=publication.as_of,
        segment=segment,
        profile_ids=people,
        lang="zh" if lang == "zh" else "en",
    )


def _written(built: JourneyMap, file_format: str) -> bytes:
    if file_format == "svg":
        from journeys.map import svg

        return svg.render(built).encode()
    return json.dumps(built.to_json(), ensure_ascii=False).encode()


def _members(connection: duckdb.DuckDBPyConnection, store: Store, segment: str | None) -> str | None:
    """The name of a relation with the segment's members, or None for everyone."""
    if segment is None:
        return None
    import pyarrow as pa

    chunks, after = [], None
    while ids := store.segment_members(segment, after=after, limit=BATCH):
        chunks.append(pa.array(ids, pa.string()))
        after = ids[-1]
    connection.register("segment_members", pa.table({"profile_id": pa.chunked_array(chunks, pa.string())}))
    return "segment_members"
