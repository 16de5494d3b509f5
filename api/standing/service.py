"""Where people stand: asked of the published snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from api.scoping import members
from api.services import Services
from cdp.errors import NotFoundError
from journeys.scope import Scope

SECONDS = 60.0

Asked = Callable[[duckdb.DuckDBPyConnection, Scope], dict[str, Any]]


async def personas(services: Services, segment: str | None) -> dict[str, Any]:
    """The personas of everyone or of one segment."""

    def question(connection: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, Any]:
        from journeys.personas import portrait

        return portrait.describe(connection, scope).to_json()

    return await _asked(services, segment, question)


async def correlations(services: Services, segment: str | None) -> dict[str, Any]:
    """What goes with retention, lapse and value."""

    def question(connection: duckdb.DuckDBPyConnection, scope: Scope) -> dict[str, Any]:
        from journeys.correlations import table

        return table.measure(connection, scope).to_json()

    return await _asked(services, segment, question)


async def predictions(services: Services) -> dict[str, Any]:
    """The model card of the predictions."""

    def question(connection: duckdb.DuckDBPyConnection, _: Scope) -> dict[str, Any]:
        from journeys.predictions import card

        return card.read(connection)

    return await _asked(services, None, question)


async def rules(services: Services) -> dict[str, Any]:
    """The stage rules and their versions."""

    def question(connection: duckdb.DuckDBPyConnection, _: Scope) -> dict[str, Any]:
        from journeys.rules import history

        return history.described(connection)

    return await _asked(services, None, question)


async def _asked(services: Services, segment: str | None, question: Asked) -> dict[str, Any]:
    publication = await services.analyst.publication()
    if segment is not None and await services.reader.get_segment(segment) is None:
        raise NotFoundError("There is no segment with this key; `GET /v1/segments` lists them.")

    def asked(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        people = members(connection, services.store, segment)
        relation = people or "marts.profiles"
        return question(connection, Scope(until=publication.as_of, relation=relation, segment=segment))

    return await services.analyst.ask(publication, asked, seconds=SECONDS)
