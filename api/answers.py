"""Answers about journeys, asked of the published snapshot once per publication, question and audience, and kept.

What everybody's map needs is measured as soon as something is published (`keep_warm`), so that nobody waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Hashable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from api.services import Services
from cdp.errors import CdpError
from cdp.store.base import Publication

if TYPE_CHECKING:
    from journeys.asking import Answer
    from journeys.audience import Audience
    from journeys.findings.model import Findings
    from journeys.questions import Question

T = TypeVar("T")
SECONDS = 120.0

logger = logging.getLogger("wayfinder.api")


@dataclass(frozen=True)
class State:
    """What is published, and whom a question is about: an answer follows from these and the question."""

    publication: Publication
    audience: Audience
    members: str = "null"
    beside: State | None = None

    @property
    def key(self) -> tuple[Hashable, ...]:
        """Equal where answers to the same question are the same."""
        own = (self.publication.seq, self.audience.model_dump_json(), self.members)
        return own if self.beside is None else (*own, *self.beside.key)


async def state(services: Services, audience: Audience, compare: str | None) -> State:
    """What an answer about these people follows from. InputError for a senseless comparison."""
    from journeys.audience import beside

    publication = await services.analyst.publication()
    other = None
    if compare is not None:
        compared = beside(audience, compare)
        other = State(publication, compared, await _members(services, compared))
    return State(publication, audience, await _members(services, audience), other)


async def found(services: Services, question: Question[T], whom: State) -> Answer[T]:
    """The answer about an audience, beside the one it is compared with; both are kept by themselves.

    NotFoundError for an unknown segment, persona or channel, InputError for a senseless question.
    """
    own = await _found(services, question, whom)
    return own if whom.beside is None else own.next_to(await _found(services, question, whom.beside))


async def keep_warm(services: Services, publication: Publication) -> None:
    """Measure what everybody's map needs before somebody asks for it; its findings answer for themselves too."""
    from journeys.audience import Audience
    from journeys.evidence import findings
    from journeys.questions import journey_map

    everybody = State(publication, Audience())
    try:
        measured = await found(services, journey_map(), everybody)
    except (CdpError, duckdb.Error) as error:
        logger.warning("the map of a new publication cannot be measured ahead: %s", type(error).__name__)
        return

    async def within() -> Answer[Findings]:
        return measured.turned(lambda side: side.result.findings)

    await services.answers.get(_key(findings(), everybody), within)


async def _found(services: Services, question: Question[T], whom: State) -> Answer[T]:
    publication = whom.publication

    def asked(connection: duckdb.DuckDBPyConnection) -> Answer[T]:
        from journeys.asking import ask

        return ask(connection, question.count, whom.audience, as_of=publication.as_of, store=services.store)

    key = _key(question, whom)
    return await services.answers.get(key, lambda: services.analyst.ask(publication, asked, seconds=SECONDS))


async def _members(services: Services, audience: Audience) -> str:
    """Tells one state of a segment's members from another, as far as its row does."""
    return repr(await services.reader.get_segment(audience.segment)) if audience.segment else "null"


def _key(question: Question[Any], whom: State) -> tuple[Hashable, ...]:
    own = replace(whom, beside=None)
    return (question.name, question.asked, *own.key)
