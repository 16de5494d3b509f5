"""Whether the server can answer."""

from __future__ import annotations

from api.health.schemas import Ready
from api.paging import publication_out
from api.problems import NotPublished
from api.services import Services
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
