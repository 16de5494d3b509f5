"""Exports over the wire: made in a file without a name, then sent piece by piece.

The whole file is there before the first byte leaves, so its length is known, a failure is a problem and not half a
file, and a slow reader holds no database. Nothing stays on the disk, however the process ends.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, cast

import duckdb
from fastapi.responses import StreamingResponse

from api.gating import gate
from api.masking import PUBLIC_COLUMNS
from api.security import Caller
from api.segments import service
from api.services import Services
from cdp.domain import audited
from cdp.errors import AccessError, ResourceError
from segments.export import DEFAULT_FIELDS, Exported, Format, export
from segments.members import served_members
from segments.served import definition_of

SECONDS = 300.0
PIECE = 256 * 1024

MEDIA_TYPES = {
    "csv": "text/csv; charset=utf-8; header=present",
    "ndjson": "application/x-ndjson",
    "parquet": "application/vnd.apache.parquet",
}


@dataclass(frozen=True)
class Wanted:
    """What a caller asks for."""

    key: str
    format: Format
    fields: tuple[str, ...] | None
    purpose: str | None
    everybody: bool


async def exported(services: Services, caller: Caller, wanted: Wanted) -> StreamingResponse:
    """The file. AccessError for personal fields without `pii:read`, InputError as exports do."""
    row = await service.found(services, wanted.key)
    definition = definition_of(row)
    fields = wanted.fields or (DEFAULT_FIELDS if caller.sees_personal_data else ("profile_id", "country"))
    personal = [field for field in fields if field not in PUBLIC_COLUMNS]
    if personal and not caller.sees_personal_data:
        raise AccessError(f"The field {personal[0][:60]} needs the scope pii:read.", known=True)
    publication = await services.analyst.publication()
    members = await asyncio.to_thread(
        served_members, services.store, wanted.key, purposes=[wanted.purpose] if wanted.purpose else []
    )
    sink = await asyncio.to_thread(_nameless, services)

    def question(connection: duckdb.DuckDBPyConnection) -> Exported:
        connection.register("served_members", members)
        return export(
            connection, definition, format=wanted.format, out=sink, as_of=publication.as_of, fields=fields,
            purpose=wanted.purpose, members="served_members", allow_everybody=wanted.everybody,
            gate=gate(services, connection, publication)[0],
        )  # fmt: skip

    try:
        done = await services.analyst.ask(publication, question, seconds=SECONDS)
        services.audit.record(
            caller.actor, "segment.export", wanted.key,
            {
                "rows": done.rows, "held_back": done.held_back, "format": wanted.format, "fields": len(fields),
                "personal": bool(personal), "purpose": wanted.purpose, "exportable": not wanted.purpose,
                **audited.everybody(),
            },
        )  # fmt: skip
    except BaseException:
        sink.close()
        raise
    return _response(sink, done, wanted.key)


def _response(sink: BinaryIO, done: Exported, key: str) -> StreamingResponse:
    length = sink.tell()
    headers = {
        "Content-Length": str(length),
        "Content-Disposition": f'attachment; filename="{key}.{done.format}"',
        "Segment-Rows": str(done.rows),
        "Segment-Held-Back": str(done.held_back),
    }
    return StreamingResponse(_pieces(sink), media_type=MEDIA_TYPES[done.format], headers=headers)


def _nameless(services: Services) -> BinaryIO:
    try:
        services.scratch.mkdir(parents=True, exist_ok=True)
        return cast(BinaryIO, tempfile.TemporaryFile(dir=services.scratch))
    except OSError as error:
        raise ResourceError(f"The export cannot be written: {error.strerror}.") from None


def _pieces(sink: BinaryIO) -> Iterator[bytes]:
    with sink:
        sink.seek(0)
        while piece := sink.read(PIECE):
            yield piece
