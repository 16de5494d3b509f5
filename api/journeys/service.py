"""Answers about journeys: asked of the published snapshot once per publication, question and audience, and kept."""

from __future__ import annotations

import asyncio
import json
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode

import duckdb

from api.paging import begin
from api.security import Caller
from api.services import Services
from cdp.errors import ConfigurationError, InputError
from cdp.ids import digest

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.map.content import JourneyMap
    from journeys.questions import Question

T = TypeVar("T")
SECONDS = 120.0


class AnswerShelf:
    """The answers asked for last, and those being worked out. A publication never changes, nor do its answers."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._answers: OrderedDict[Hashable, asyncio.Task[Any]] = OrderedDict()

    async def get(self, key: Hashable, build: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The answer under `key`, worked out once however many ask meanwhile; a failed one is tried again next time."""
        task = self._answers.get(key)
        if task is None:
            task = self._answers[key] = asyncio.create_task(build())
            while len(self._answers) > self._size:
                self._answers.popitem(last=False)
        self._answers.move_to_end(key)
        try:
            found: T = await asyncio.shield(task)
        except Exception:
            if self._answers.get(key) is task:
                del self._answers[key]
            raise
        return found


async def answer(
    services: Services, shelf: AnswerShelf, question: Question[Any], audience: Audience, compare: str | None
) -> bytes:
    """The answer as JSON. NotFoundError for an unknown segment, persona or channel, InputError for a senseless one."""
    found = await _found(services, shelf, question, audience, compare)
    return await asyncio.to_thread(_json, found)


async def journey_map(
    services: Services, shelf: AnswerShelf, audience: Audience, compare: str | None, *, file_format: str, lang: str
) -> bytes:
    """The map, or two below each other, in a format of `journeys.map.export`."""
    from journeys import questions

    found = await _found(services, shelf, questions.journey_map(lang), audience, compare)
    return await asyncio.to_thread(_drawn, found, file_format)


async def people(
    services: Services,
    caller: Caller,
    question: Question[Any],
    audience: Audience,
    *,
    node: str,
    purpose: str,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    """A page of the profiles behind a number. InputError for a node that the answer does not have."""
    name = digest("people", question.name, question.asked, audience.model_dump_json(), node, purpose)
    listing = await begin(services, name, cursor, limit)
    publication = listing.publication
    after = str(listing.after[0]) if listing.after else None

    def asked(connection: duckdb.DuckDBPyConnection) -> tuple[Any, Any]:
        from journeys.audience import resolve, titled
        from journeys.behind import of_audience
        from segments.listed import allowed_of

        chosen = titled(audience, services.store)
        scope = resolve(connection, chosen, as_of=publication.as_of, store=services.store)
        relation, condition = question.behind(connection, scope, node)
        listed = allowed_of(
            connection, relation, purpose=purpose, as_of=publication.as_of, after=after, limit=listing.fetch
        )
        return listed, of_audience(chosen, condition, publication.as_of)

    listed, where = await services.analyst.ask(publication, asked, seconds=SECONDS)
    page = listing.page(listed.profile_ids, lambda profile_id: [profile_id])
    detail = {"question": question.name, "purpose": purpose, "rows": len(page["data"])}
    services.audit.record(caller.actor, "journey.people", node, detail)
    segment = None if where is None else {"purpose": purpose, "where": where}
    return {
        "node": node, "purpose": purpose, "size": listed.size, "held_back": listed.held_back, "segment": segment, **page
    }  # fmt: skip


async def _found(
    services: Services, shelf: AnswerShelf, question: Question[T], audience: Audience, compare: str | None
) -> Answer[T]:
    publication = await services.analyst.publication()

    def asked(connection: duckdb.DuckDBPyConnection) -> Answer[T]:
        from journeys.asking import ask

        return ask(connection, question.count, audience, as_of=publication.as_of, store=services.store, compare=compare)

    key = (publication.seq, question.name, question.asked, audience.model_dump_json(), compare)
    return await shelf.get(key, lambda: services.analyst.ask(publication, asked, seconds=SECONDS))


def _json(found: Answer[Any]) -> bytes:
    return json.dumps(found.to_json(), ensure_ascii=False).encode()


def _drawn(found: Answer[JourneyMap], file_format: str) -> bytes:
    from journeys.map import export

    maps = [side.result.model_copy(update={"audience": side.audience, "as_of": found.as_of}) for side in found.sides]
    try:
        return export.to_bytes(maps[0], file_format, people=_address, compare=maps[1] if len(maps) > 1 else None)
    except ConfigurationError as error:
        # A font that is not installed: the caller can choose a format that needs none.
        raise InputError(error.message) from None


def _address(shown: JourneyMap, node: str) -> str:
    """The request that lists the people behind a number."""
    from journeys.audience import spelled

    options = spelled(shown.audience)
    chosen = {flag.removeprefix("--"): value for flag, value in zip(options[::2], options[1::2], strict=True)}
    return f"GET /v1/journeys/map/people?{urlencode({'node': node, **chosen})}"
