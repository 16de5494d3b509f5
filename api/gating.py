"""The consent gate as it stands at the moment of a question."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from cdp.store.base import Publication

if TYPE_CHECKING:
    from api.services import Services
    from segments.gate import Gate


def gate(services: Services, connection: duckdb.DuckDBPyConnection, publication: Publication) -> tuple[Gate, int]:
    """The gate with what the ledger says, and the last entry that it knows. Call it where the question runs."""
    from segments.gate import Gate

    relation, last = services.consents.install(connection, publication.snapshot_file)
    return Gate(relation), last
