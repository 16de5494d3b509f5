"""What standings rest on: the model card and the rules, asked of the published snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb

from api.services import Services
from journeys.scope import Scope

SECONDS = 60.0

Asked = Callable[[duckdb.DuckDBPyConnection, Scope], dict[str, Any]]


async def predictions(services: Services) -> dict[str, Any]:
    """The model card of the predictions."""

    def question(connection: duckdb.DuckDBPyConnection, _: Scope) -> dict[str, Any]:
        from journeys.predictions import card

        return card.read(connection)

    return await _asked(services, question)


async def rules(services: Services) -> dict[str, Any]:
    """The stage rules and their versions."""

    def question(connection: duckdb.DuckDBPyConnection, _: Scope) -> dict[str, Any]:
        from journeys.rules import history

        return history.described(connection)

    return await _asked(services, question)


async def _asked(services: Services, question: Asked) -> dict[str, Any]:
    publication = await services.analyst.publication()

    def asked(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
        return question(connection, Scope(until=publication.as_of))

    return await services.analyst.ask(publication, asked, seconds=SECONDS)
