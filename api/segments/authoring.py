"""Creating, changing, deleting and previewing segments over the wire.

Definitions are evaluated on the published snapshot in the analysts' threads; what was changed or published meanwhile
is noticed by the store, and the evaluation is repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

import duckdb

from api.conditional import require, version_tag
from api.gating import gate
from api.masking import masked
from api.security import Caller
from api.segments import service
from api.services import Services
from cdp.domain import audited
from cdp.errors import ConflictError, InputError
from cdp.store.base import Publication
from cdp.store.segmentation import OutdatedError
from segments import authoring, document, served
from segments.authoring import Place, Saved
from segments.preview import preview
from segments.text_printer import print_text

SAVE_SECONDS = 120.0
PREVIEW_SECONDS = 30.0
ATTEMPTS = 5
MOST_SHOWN = 20
_PERSONAL = ("initials", "email")


async def create(services: Services, caller: Caller, content: Mapping[str, Any]) -> Saved:
    """Add a segment."""
    saved = await _saving(services, caller, lambda place: authoring.create(place, content))
    services.audit.record(caller.actor, "segment.create", saved.row.key, {"version": saved.row.version})
    return saved


async def change(services: Services, caller: Caller, key: str, content: Mapping[str, Any], tag: str | None) -> Saved:
    """Replace the definition of a segment that the caller has read."""
    expected = await _expected(services, key, tag)
    saved = await _saving(services, caller, lambda place: authoring.change(place, key, content, expected=expected))
    services.audit.record(caller.actor, "segment.change", key, {"version": saved.row.version})
    return saved


async def delete(services: Services, caller: Caller, key: str, tag: str | None) -> None:
    """Delete a segment that the caller has read."""
    expected = await _expected(services, key, tag)
    now = services.clock.now()
    for attempt in range(ATTEMPTS):
        try:
            moved = await asyncio.to_thread(
                authoring.delete, services.store, key, expected=expected, actor=caller.actor, now=now
            )
            break
        except OutdatedError:
            if attempt == ATTEMPTS - 1:
                raise
    services.audit.record(caller.actor, "segment.delete", key, {"version": expected + 1, "exited": moved.exited})


async def previewed(services: Services, caller: Caller, content: Mapping[str, Any]) -> dict[str, Any]:
    """What a definition would select."""
    given = dict(content)
    overlap, sample = given.pop("overlap", []), given.pop("sample", 5)
    if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample <= MOST_SHOWN:
        raise InputError(f"sample: a whole number from 0 to {MOST_SHOWN} is needed.")
    if overlap != "all" and not (isinstance(overlap, list) and all(isinstance(one, str) for one in overlap)):
        raise InputError('overlap: a list of segment keys, or "all", is needed.')
    definition = document.parse({"key": "preview", "title": "Preview", **given}, subject="The preview")
    publication = await services.analyst.publication()

    def question(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        known = served.collect(services.store.segmentation.definitions()).definitions
        sound = [row.key for row in services.store.list_segments() if not row.problem and row.key in known]
        others = sound if overlap == "all" else list(dict.fromkeys(overlap))
        others = [key for key in others if key != definition.key]
        found = preview(
            connection, definition, as_of=publication.as_of, library=known, overlap=others, sample=sample,
            gate=gate(services, connection, publication)[0],
        )  # fmt: skip
        return asdict(found)

    facts = await services.analyst.ask(publication, question, seconds=PREVIEW_SECONDS)
    if not caller.sees_personal_data:
        facts["sample"] = [
            {name: masked(value) if name in _PERSONAL else value for name, value in person.items()}
            for person in facts["sample"]
        ]
    services.audit.record(caller.actor, "segment.preview", "preview", {
        "size": facts["size"], "personal": False,
        **audited.named(str(person["profile_id"]) for person in facts["sample"]),
    })  # fmt: skip
    return {**facts, "text": print_text(definition.where)}


async def _saving(services: Services, caller: Caller, attempt: Callable[[Place], Saved]) -> Saved:
    for number in range(ATTEMPTS):
        publication = await services.analyst.publication()
        question = _question(services, caller, publication, attempt)
        try:
            return await services.analyst.ask(publication, question, seconds=SAVE_SECONDS)
        except OutdatedError:
            if number == ATTEMPTS - 1:
                raise
    raise AssertionError("unreachable")


def _question(
    services: Services, caller: Caller, publication: Publication, attempt: Callable[[Place], Saved]
) -> Callable[[duckdb.DuckDBPyConnection], Saved]:
    now = services.clock.now()

    def ask(connection: duckdb.DuckDBPyConnection) -> Saved:
        allows, consents = gate(services, connection, publication)
        return attempt(
            Place(services.store, connection, publication, caller.actor, now, gate=allows, consents=consents)
        )

    return ask


async def _expected(services: Services, key: str, tag: str | None) -> int:
    """The version that If-Match names. PreconditionRequired without it, VersionMismatch for another one."""
    current = await asyncio.to_thread(services.store.segmentation.definition, key)
    row = await services.reader.get_segment(key)
    if row is not None and row.origin == "shipped":
        raise ConflictError(f"{key} ships with Wayfinder and stays as it is: create one of your own beside it.")
    if current is None or current.deleted:
        raise await service.missing(services, key)
    require(tag, version_tag(current.version), "segment")
    return current.version
