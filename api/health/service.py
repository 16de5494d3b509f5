"""Whether the server can answer."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping

from api.health.schemas import Ready
from api.paging import publication_out
from api.problems import NotPublished
from api.services import Services
from cdp.clock import wall_now
from cdp.errors import CdpError, NotFoundError
from privacy.requests.request import OPEN_STANDINGS

_log = logging.getLogger("wayfinder.api")


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
    try:
        counted: Mapping[str, float] = await asyncio.to_thread(services.register.standings, wall_now())
    except CdpError as error:
        # The other numbers are needed all the more; what cannot be counted is no number.
        _log.warning("subject requests cannot be counted: %s", error.message)
        counted = dict.fromkeys(OPEN_STANDINGS, math.nan)
    services.metrics.subject_requests(counted)
