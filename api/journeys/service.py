"""Answers about journeys over the wire: as JSON, drawn, or as the people behind a number."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import duckdb
from fastapi.responses import Response

from api.answers import SECONDS, found, state
from api.conditional import headers, matches, unchanged, weak_tag
from api.gating import gate
from api.paging import begin
from api.security import Caller
from api.services import Services
from cdp.domain import audited
from cdp.errors import ConfigurationError, InputError
from cdp.ids import digest

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.map.content import JourneyMap
    from journeys.questions import Question

# What people filled in, in the state home.
INTERVENTIONS = "interventions.yaml"


async def answer(
    services: Services,
    question: Question[Any],
    audience: Audience,
    compare: str | None,
    if_none_match: str | None = None,
    *,
    document: Callable[[Answer[Any]], dict[str, Any]] | None = None,
) -> Response:
    """The answer as JSON, or as the `document` that is made of it; 304 to somebody who has it already."""
    whom = await state(services, audience, compare)
    tag = weak_tag(question.name, question.asked, *whom.key)
    if matches(if_none_match, tag):
        return unchanged(tag)
    result = await found(services, question, whom)
    content = await asyncio.to_thread(lambda: _json(document(result) if document else result.to_json()))
    return Response(content, media_type="application/json", headers=headers(tag))


async def journey_map(
    services: Services,
    audience: Audience,
    compare: str | None,
    *,
    file_format: str,
    lang: str,
    if_none_match: str | None = None,
) -> Response:
    """The map, or two below each other, in a format of `journeys.map.export`; 304 to somebody who has it already.

    It follows from the publication and from what people filled in for the interventions.
    """
    from journeys import questions
    from journeys.map.export import MEDIA_TYPES

    whom = await state(services, audience, compare)
    edits = services.home / INTERVENTIONS
    filled_in = await asyncio.to_thread(fingerprint, edits)
    tag = weak_tag("map", file_format, lang, filled_in, *whom.key)
    if matches(if_none_match, tag):
        return unchanged(tag)
    measured = await found(services, questions.journey_map(), whom)

    def drawn() -> bytes:
        return _drawn(questions.composed(measured, lang=lang, edits=edits), file_format)

    content = await asyncio.to_thread(drawn)
    return Response(content, media_type=MEDIA_TYPES[file_format], headers=headers(tag))


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
            connection,
            relation,
            purpose=purpose,
            as_of=publication.as_of,
            after=after,
            limit=listing.fetch,
            gate=gate(services, connection, publication)[0],
        )
        return listed, of_audience(chosen, condition, publication.as_of)

    listed, where = await services.analyst.ask(publication, asked, seconds=SECONDS)
    page = listing.page(listed.profile_ids, lambda profile_id: [profile_id])
    rows = page["data"]
    detail = {"question": question.name, "purpose": purpose, "rows": len(rows), **audited.stretch(after, rows)}
    services.audit.record(caller.actor, "journey.people", node, detail)
    segment = None if where is None else {"purpose": purpose, "where": where}
    return {
        "node": node, "purpose": purpose, "size": listed.size, "held_back": listed.held_back, "segment": segment, **page
    }  # fmt: skip


def fingerprint(edits: Path) -> str:
    """Tells one state of what people filled in from another."""
    return hashlib.sha256(edits.read_bytes()).hexdigest() if edits.exists() else ""


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def _drawn(answer: Answer[JourneyMap], file_format: str) -> bytes:
    from journeys.map import export

    maps = [side.result for side in answer.sides]
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
