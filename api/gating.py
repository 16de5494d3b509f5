"""The consent gate as it stands at the moment of a question, and whose data are kept out of use."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb

from api.problems import UseRestricted
from cdp.store.base import Publication

if TYPE_CHECKING:
    from api.security import Caller
    from api.services import Services
    from segments.gate import Gate

SECONDS = 10.0


def gate(services: Services, connection: duckdb.DuckDBPyConnection, publication: Publication) -> tuple[Gate, int]:
    """The gate with what the ledger says, and the last entry that it knows. Call it where the question runs."""
    from segments.gate import Gate

    relation, last = services.consents.install(connection, publication.snapshot_file)
    return Gate(relation), last


async def restricted(services: Services, publication: Publication) -> frozenset[str]:
    """Ids of the profiles whose data may be stored and nothing else (Art. 18 GDPR), as said up to now."""
    snapshot = publication.snapshot_file
    known = await asyncio.to_thread(services.consents.restricted, snapshot)
    if known is not None:
        return known

    def question(connection: duckdb.DuckDBPyConnection) -> frozenset[str]:
        return services.consents.restricted(snapshot, connection) or frozenset()

    return await services.analyst.ask(publication, question, seconds=SECONDS)


async def open_to(services: Services, caller: Caller, profile_ids: Iterable[str]) -> list[str]:
    """Those of the profiles that the caller may see: of a restricted one only whoever handles requests.

    UseRestricted when there are some and all of them are restricted.
    """
    wanted = list(profile_ids)
    if "privacy:read" in caller.scopes or not wanted:
        return wanted
    closed = await restricted(services, await services.analyst.publication())
    left = [one for one in wanted if one not in closed]
    if not left:
        raise UseRestricted("The use of this person's data is restricted until that is lifted.")
    return left
