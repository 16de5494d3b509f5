"""Answers about journeys, asked of the published snapshot once per publication, question and audience, and kept.

What everybody's map needs is measured as soon as something is published (`keep_warm`), so that nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import duckdb

from api.services import Services
from cdp.errors import CdpError
from cdp.store.base import Publication

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.questions import Question

T = TypeVar("T")
SECONDS = 120.0

logger = logging.getLogger("wayfinder.api")


@dataclass(frozen=True)
class State:
    """What is published, and whom a question is about: an answer follows from these and the question."""

    publication: Publication
    audience: Audience
    compare: str | None
    members: str

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal where answers to the same question are the same."""
        return (self.publication.seq, self.audience.model_dump_json(), self.compare, self.members)


async def state(services: Services, audience: Audience, compare: str | None) -> State:
    """What an answer about these people follows from. InputError for a senseless comparison."""
    from journeys.audience import beside

    publication = await services.analyst.publication()
    others = [beside(audience, compare)] if compare is not None else []
    rows = [await services.reader.get_segment(each.segment) for each in (audience, *others) if each.segment]
    return State(publication, audience, compare, repr(rows))


async def found(services: Services, question: Question[T], whom: State) -> Answer[T]:
    """The answer about an audience, beside the one it is compared with.

    NotFoundError for an unknown segment, persona or channel, InputError for a senseless question.
    """
    publication = whom.publication

    def asked(connection: duckdb.DuckDBPyConnection) -> Answer[T]:
        from journeys.asking import ask

        return ask(
            connection, question.count, whom.audience, as_of=publication.as_of, store=services.store,
            compare=whom.compare,
        )  # fmt: skip

    key = (question.name, question.asked, *whom.key)
    return await services.answers.get(key, lambda: services.analyst.ask(publication, asked, seconds=SECONDS))


async def keep_warm(services: Services, publication: Publication) -> None:
    """Measure what everybody's map needs before somebody asks for it."""
    from journeys.audience import Audience
    from journeys.questions import journey_map

    try:
        await found(services, journey_map(), State(publication, Audience(), None, "[]"))
    except (CdpError, duckdb.Error) as error:
        logger.warning("the map of a new publication cannot be measured ahead: %s", type(error).__name__)
