"""Whether the server can answer."""

from __future__ import annotations

import asyncio

from api.health.schemas import Ready
from api.paging import publication_out
from api.problems import NotPublished
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import NotFoundError


async def ready(services: Services) -> Ready:
    """Look at store and snapshot. NotPublished before the first publication or without its snapshot."""
    try:
        publication = await services.analyst.follow()
    except NotFoundError as error:
        raise NotPublished(error.message) from None
    if publication is None:
        raise NotPublished("Nothing is published yet: run `cdp run --from DIR` first.")
    return Ready(publication=publication_out(publication))


async def measure(services: Services) -> None:
    """Count what is counted only when somebody asks."""
    services.metrics.questions(services.analyst.running)
    services.metrics.subject_requests(await asyncio.to_thread(services.register.standings, wall_now()))
