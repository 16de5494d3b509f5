"""Health over the wire."""

from __future__ import annotations

from pydantic import BaseModel

from api.paging import PublicationOut


class Live(BaseModel):
    """The process answers."""

    status: str = "live"


class Ready(BaseModel):
    """There is a publication, and store and snapshot can be read."""

    status: str = "ready"
    publication: PublicationOut
