"""Interventions: the ranked list, and one entry read and written in the file that the command line uses too."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

from fastapi.responses import Response

from api.answers import found, state
from api.conditional import headers, matches, require, unchanged, weak_tag
from api.interventions.schemas import FilledIn
from api.journeys.service import INTERVENTIONS, fingerprint
from api.security import Caller
from api.services import Services

if TYPE_CHECKING:
    from journeys.audience import Audience
    from journeys.interventions.catalogue import Entry


async def ranked(
    services: Services, audience: Audience, compare: str | None, *, lang: str, if_none_match: str | None
) -> Response:
    """The list of an audience, with what people filled in."""
    from journeys import evidence

    whom = await state(services, audience, compare)
    edits = services.home / INTERVENTIONS
    tag = weak_tag("interventions", lang, await asyncio.to_thread(fingerprint, edits), *whom.key)
    if matches(if_none_match, tag):
        return unchanged(tag)
    findings = await found(services, evidence.findings(), whom)

    def told() -> bytes:
        document = evidence.flat(evidence.ranked(findings, lang=lang, edits=edits))
        return json.dumps(document, ensure_ascii=False).encode()

    return Response(await asyncio.to_thread(told), media_type="application/json", headers=headers(tag))


async def read(services: Services, key: str) -> Response:
    """One entry; its ETag tells what people have filled in. NotFoundError naming the nearest key."""
    from journeys.interventions import catalogue

    return _shown(await asyncio.to_thread(catalogue.find, services.home / INTERVENTIONS, key))


async def fill_in(services: Services, caller: Caller, key: str, filled: FilledIn, if_match: str | None) -> Response:
    """Replace what people filled in, when it still is what the caller has read; the trail names the fields."""
    from journeys.interventions import catalogue

    def allow(entry: Entry) -> None:
        require(if_match, _tag(entry), "intervention")
        changed = sorted(name for name, value in given.items() if getattr(entry, name) != value)
        services.audit.record(caller.actor, "intervention.fill_in", key, {"changed": changed})

    given = filled.model_dump()
    edits = services.home / INTERVENTIONS
    return _shown(await asyncio.to_thread(catalogue.edit, edits, key, given, allow=allow))


def _tag(entry: Entry) -> str:
    return f'"{entry.tag}"'


def _shown(entry: Entry) -> Response:
    shown: dict[str, Any] = entry.model_dump(mode="json", exclude={"segment"})
    content = json.dumps(shown, ensure_ascii=False).encode()
    return Response(content, media_type="application/json", headers={"ETag": _tag(entry), "Cache-Control": "no-store"})
