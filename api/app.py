"""Builds the HTTP app from settings. Nothing happens at import; connections are opened when the app starts.

Tests pass a store of their own (`InMemoryStore`), and whatever else they want to replace.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from fastapi import FastAPI

from api import answers, docs, problems
from api.admin import endpoints as admin
from api.analysis import Analyst
from api.auditing import AuditTrail
from api.consents import endpoints as consents
from api.corrections import endpoints as corrections
from api.cursors import Cursors
from api.destinations import endpoints as destinations
from api.evidence import endpoints as evidence
from api.health import endpoints as health
from api.holds import endpoints as holds
from api.identity import endpoints as identity
from api.interventions import endpoints as interventions
from api.journeys import endpoints as journeys
from api.metrics import Metrics
from api.middleware import Guard
from api.opendsr import endpoints as opendsr
from api.privacy import endpoints as privacy
from api.profiles import endpoints as profiles
from api.regulations import endpoints as regulations
from api.segments import endpoints as segments
from api.services import Normaliser, Services
from api.shelf import AnswerShelf
from api.standing import endpoints as standing
from cdp import __version__
from cdp.clock import wall_now
from cdp.errors import CdpError
from cdp.outbound import Guard as Outbound
from cdp.settings import Settings
from cdp.store import aio, open_store
from cdp.store.base import Store
from cdp.store.reader import SnapshotReader
from privacy import checkpoints, policy
from privacy.consent.standing import Standing
from privacy.opendsr import certificate
from privacy.packages.vault import Vault
from privacy.register import Register

FOLLOW_SECONDS = 2.0
SIGN_SECONDS = 3600.0
CURSOR_KEY = "cursors"

DESCRIPTION = """
One trustworthy profile per person, and where each of them is on the journey.

Send an API key as `Authorization: Bearer cdp_…` or `X-API-Key: cdp_…`; `cdp keys create` makes one with the scopes it
needs. Errors are problem details (RFC 9457). Lists come in pages: pass `next_cursor` as `cursor`.
"""

logger = logging.getLogger("wayfinder.api")


def create_app(
    settings: Settings,
    *,
    store: Store | None = None,
    snapshots: SnapshotReader | None = None,
    normalise: Normaliser | None = None,
) -> FastAPI:
    """A new app. A store or snapshot reader that is passed in stays the caller's to close."""
    metrics = Metrics()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            app.state.services = await _start(
                settings, metrics, stack, store=store, snapshots=snapshots, normalise=normalise
            )
            yield

    app = FastAPI(
        title="Wayfinder",
        version=__version__,
        summary="An open-source customer data platform.",
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    problems.install(app)
    for feature in (
        profiles,
        consents,
        corrections,
        segments,
        destinations,
        journeys,
        evidence,
        interventions,
        standing,
        identity,
        privacy,
        holds,
        opendsr,
        regulations,
        admin,
        health,
    ):
        app.include_router(feature.router())
    docs.install(app)
    app.add_middleware(Guard, metrics=metrics)
    return app


async def _start(
    settings: Settings,
    metrics: Metrics,
    stack: AsyncExitStack,
    *,
    store: Store | None,
    snapshots: SnapshotReader | None,
    normalise: Normaliser | None,
) -> Services:
    """Open what is needed and let `stack` close it, last opened first."""
    if store is None:
        store = stack.enter_context(await asyncio.to_thread(open_store, settings.database_url))
    reader = await aio.open_reader(store)
    stack.push_async_callback(reader.close)
    if snapshots is None:
        snapshots = SnapshotReader(settings.serving, threads=min(settings.threads, 2))
        stack.callback(snapshots.close)
    analyst = Analyst(reader, snapshots)
    stack.callback(analyst.close)
    trail = AuditTrail(store, settings.home / "audit")
    stack.callback(trail.close)
    cursors = Cursors(await asyncio.to_thread(store.secret, CURSOR_KEY))
    services = Services(
        store, reader, analyst, trail, cursors, metrics, normalise or _shipped_normaliser(),
        answers=AnswerShelf(), consents=Standing(store), home=settings.home, clock=settings.clock, scratch=settings.tmp,
        privacy=settings.privacy, register=Register(settings.privacy),
        packages=Vault(settings.packages, settings.privacy), policy=policy.load(settings),
        hold_bases=settings.privacy_holds,
        signer=certificate.load(settings.opendsr_certificate, settings.opendsr_key),
        outbound=Outbound.listed(settings.outbound_allow),
    )  # fmt: skip
    for work in (trail.keep_flushing(), _keep_following(services), _keep_signing(services)):
        stack.push_async_callback(_cancel, asyncio.create_task(work))
    return services


async def _keep_following(services: Services) -> None:
    """Open each publication's snapshot soon after it appears, so that the former file is not held by an idle server."""
    await services.analyst.warm_up()
    warmed, warming = -1, None
    try:
        while True:
            try:
                found = await services.analyst.follow()
                if found is not None:
                    services.metrics.published(found.seq, found.as_of.timestamp())
                    if found.seq != warmed:
                        warmed, warming = found.seq, asyncio.create_task(answers.keep_warm(services, found))
            except CdpError as error:
                logger.warning("the current publication cannot be opened: %s", error.message)
            await asyncio.sleep(FOLLOW_SECONDS)
    finally:
        if warming is not None:
            warming.cancel()


async def _keep_signing(services: Services) -> None:
    """Sign where the audit trail ends, at first and then every hour; where it cannot be signed, the log says so."""
    while True:
        try:
            await asyncio.to_thread(checkpoints.write, services.privacy, services.store, wall_now())
        except (CdpError, OSError) as error:
            logger.warning("the audit trail could not be signed (%s)", type(error).__name__)
        await asyncio.sleep(SIGN_SECONDS)


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def _shipped_normaliser() -> Normaliser:
    from identity.normalise.lookup import lookup_value

    normalise: Normaliser = lookup_value
    return normalise
