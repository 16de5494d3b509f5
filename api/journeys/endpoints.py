"""Journeys: parse, delegate, answer.

Answers hold counts and shares, no personal data; who is behind a number is a list of people and needs `segments:read`
as well.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.conditional import Version
from api.journeys import schemas, service
from api.journeys.schemas import (
    AudienceQuery,
    CompareQuery,
    FormatChoice,
    Language,
    LanguageChoice,
    MapFormat,
    NodeChoice,
    PurposeChoice,
)
from api.paging import Cursor
from api.problems import responses
from api.security import JourneyPeopleReader, JourneysReader
from api.services import ServicesDependency
from journeys import questions
from journeys.asking import Answer
from journeys.attribution.report import Attribution
from journeys.funnels import graphs
from journeys.funnels.conformance import Conformance
from journeys.funnels.definition import Unit
from journeys.funnels.funnel import FunnelResult
from journeys.funnels.paths import PathsResult
from journeys.funnels.transitions import Graph
from journeys.map.export import MEDIA_TYPES
from journeys.value.lifetime import LifetimeValue

KNOWN = responses(400, 401, 403, 404, 413, 422, 503)
UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version."}}
# A map is drawn from data: a browser that opens it fetches nothing, and runs nothing but the page's own script.
DRAWN_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; sandbox allow-scripts"
POLICIES = {MapFormat.SVG: DRAWN_POLICY, MapFormat.HTML: PAGE_POLICY}

Limit = Annotated[int, Query(ge=1, le=5000, description="Rows on a page.")]
Days = Annotated[int, Query(le=3650, description="Days.")]
Planned = Annotated[str | None, Query(max_length=400, description="Stages of the plan: `awareness,decision,use`.")]
Of = Annotated[graphs.Of, Query(description="What moves are counted between.")]
PerUnit = Annotated[Unit, Query(description="Moves of stages are always those of profiles.")]


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/journeys", tags=["journeys"], responses=KNOWN)
    _add_map(routes)
    _add_funnels(routes)
    _add_flows(routes)
    _add_value(routes)
    _add_people_of_bodies(routes)
    _add_people_of_nodes(routes)
    return routes


def _add_map(routes: APIRouter) -> None:
    async def get_map(
        *,
        services: ServicesDependency,
        caller: JourneysReader,
        audience: AudienceQuery,
        compare: CompareQuery = None,
        file_format: FormatChoice = MapFormat.JSON,
        lang: LanguageChoice = Language.EN,
        if_none_match: Version = None,
    ) -> Response:
        """The one-page journey map: stages, people, moves, time, feelings, touchpoints, where people get stuck.

        With `compare` two of them, below each other. In JSON every number has its key, value, n, interval, models and
        the name of the query in `queries` that it came from.
        """
        answer = await service.journey_map(
            services,
            audience.chosen(),
            compare,
            file_format=file_format.value,
            lang=lang.value,
            if_none_match=if_none_match,
        )
        if file_format in POLICIES:
            answer.headers["Content-Security-Policy"] = POLICIES[file_format]
        return answer

    described: dict[str, Any] = {MEDIA_TYPES[each.value].partition(";")[0]: {} for each in MapFormat}
    content: dict[str, Any] = {**described, "application/json": {"schema": {"type": "object"}}}
    routes.add_api_route(
        "/map",
        get_map,
        response_class=Response,
        responses={200: {"description": "The map.", "content": content}, **UNCHANGED},
    )


def _add_funnels(routes: APIRouter) -> None:
    async def post_funnel(services: ServicesDependency, caller: JourneysReader, body: schemas.FunnelBody) -> Response:
        """How many get how far through steps, where they drop off, how long it takes."""
        return await service.answer(services, questions.funnel(body), *body.whom)

    async def post_paths(services: ServicesDependency, caller: JourneysReader, body: schemas.PathsBody) -> Response:
        """What people do after, before or between two moments."""
        return await service.answer(services, questions.paths(body), *body.whom)

    _add(routes, "/funnel", post_funnel, Answer[FunnelResult], method="POST")
    _add(routes, "/paths", post_paths, Answer[PathsResult], method="POST")


def _add_flows(routes: APIRouter) -> None:
    async def get_transitions(
        *,
        services: ServicesDependency,
        caller: JourneysReader,
        audience: AudienceQuery,
        compare: CompareQuery = None,
        of: Of = "stage",
        unit: PerUnit = "profile",
        if_none_match: Version = None,
    ) -> Response:
        """Which way people go from each stage or touchpoint, with back edges and loops."""
        asked = schemas.Asked(audience=audience, compare=compare)
        return await service.answer(services, questions.transitions(graphs.parse(of, unit)), *asked.whom, if_none_match)

    async def get_happy_path(
        *,
        services: ServicesDependency,
        caller: JourneysReader,
        audience: AudienceQuery,
        compare: CompareQuery = None,
        planned: Planned = None,
        if_none_match: Version = None,
    ) -> Response:
        """The planned path against the real ones: who walks it, and how the others deviate."""
        asked = schemas.Asked(audience=audience, compare=compare)
        return await service.answer(services, questions.happy_path(_stages(planned)), *asked.whom, if_none_match)

    _add(routes, "/transitions", get_transitions, Answer[Graph])
    _add(routes, "/happy-path", get_happy_path, Answer[Conformance])


def _add_value(routes: APIRouter) -> None:
    async def post_attribution(
        services: ServicesDependency, caller: JourneysReader, body: schemas.AttributionBody
    ) -> Response:
        """Which channels purchases and revenue are owed to, under seven models side by side."""
        question = questions.attribution(
            days=body.window_days, half_life=body.half_life_days, models=body.models or None
        )
        return await service.answer(services, question, *body.whom)

    async def get_value(
        *,
        services: ServicesDependency,
        caller: JourneysReader,
        audience: AudienceQuery,
        compare: CompareQuery = None,
        horizon_days: Days = 365,
        if_none_match: Version = None,
    ) -> Response:
        """What customers are expected to buy within the horizon, with intervals."""
        asked = schemas.Asked(audience=audience, compare=compare)
        return await service.answer(services, questions.value(horizon_days=horizon_days), *asked.whom, if_none_match)

    _add(routes, "/attribution", post_attribution, Answer[Attribution], method="POST")
    _add(routes, "/value", get_value, Answer[LifetimeValue])


def _add_people_of_bodies(routes: APIRouter) -> None:
    async def post_funnel_people(
        services: ServicesDependency,
        caller: JourneyPeopleReader,
        body: schemas.FunnelPeopleBody,
        cursor: Cursor = None,
        limit: Limit = 1000,
    ) -> dict[str, Any]:
        """Who is behind a number of a funnel: `step.2.reached`, `step.2.dropped@mobile`, `excluded`."""
        return await _listed(services, caller, questions.funnel(body), body, cursor=cursor, limit=limit)

    async def post_paths_people(
        services: ServicesDependency,
        caller: JourneyPeopleReader,
        body: schemas.PathsPeopleBody,
        cursor: Cursor = None,
        limit: Limit = 1000,
    ) -> dict[str, Any]:
        """Who is behind a node of paths: `path.1`, `at.2.cart`, `flow.1.home>product`."""
        return await _listed(services, caller, questions.paths(body), body, cursor=cursor, limit=limit)

    _add_page(routes, "/funnel/people", post_funnel_people, method="POST")
    _add_page(routes, "/paths/people", post_paths_people, method="POST")


def _add_people_of_nodes(routes: APIRouter) -> None:
    async def get_transition_people(
        *,
        services: ServicesDependency,
        caller: JourneyPeopleReader,
        audience: AudienceQuery,
        node: NodeChoice,
        of: Of = "stage",
        unit: PerUnit = "profile",
        purpose: PurposeChoice = "analytics",
        cursor: Cursor = None,
        limit: Limit = 1000,
    ) -> dict[str, Any]:
        """Who made a transition, `FROM>TO`; `FROM>` is who ended there."""
        asked = _PeopleAsked(audience=audience, node=node, purpose=purpose)
        question = questions.transitions(graphs.parse(of, unit))
        return await _listed(services, caller, question, asked, cursor=cursor, limit=limit)

    async def get_happy_path_people(
        *,
        services: ServicesDependency,
        caller: JourneyPeopleReader,
        audience: AudienceQuery,
        node: NodeChoice,
        planned: Planned = None,
        purpose: PurposeChoice = "analytics",
        cursor: Cursor = None,
        limit: Limit = 1000,
    ) -> dict[str, Any]:
        """Who walked a path or deviates: `happy`, `begun`, `variant.1`, `deviation.back`."""
        asked = _PeopleAsked(audience=audience, node=node, purpose=purpose)
        question = questions.happy_path(_stages(planned))
        return await _listed(services, caller, question, asked, cursor=cursor, limit=limit)

    async def get_map_people(
        *,
        services: ServicesDependency,
        caller: JourneyPeopleReader,
        audience: AudienceQuery,
        node: NodeChoice,
        purpose: PurposeChoice = "analytics",
        cursor: Cursor = None,
        limit: Limit = 1000,
    ) -> dict[str, Any]:
        """Who is behind a number of the map, by its key: `people.use.now`, `moves.decision.lapse`."""
        asked = _PeopleAsked(audience=audience, node=node, purpose=purpose)
        return await _listed(services, caller, questions.journey_map(), asked, cursor=cursor, limit=limit)

    _add_page(routes, "/transitions/people", get_transition_people)
    _add_page(routes, "/happy-path/people", get_happy_path_people)
    _add_page(routes, "/map/people", get_map_people)


class _PeopleAsked(schemas.Asked, schemas.PeopleOf):
    """Whom a list of people is taken from, and which number's."""


def _add(routes: APIRouter, path: str, endpoint: Any, answer: type[Any], *, method: str = "GET") -> None:
    described: dict[int | str, dict[str, Any]] = {200: {"model": answer, "description": "The answer."}}
    if method == "GET":
        described |= UNCHANGED
    routes.add_api_route(path, endpoint, methods=[method], response_class=Response, responses=described)


def _add_page(routes: APIRouter, path: str, endpoint: Any, *, method: str = "GET") -> None:
    routes.add_api_route(path, endpoint, methods=[method], response_model=schemas.PeoplePage)


async def _listed(
    services: ServicesDependency,
    caller: JourneyPeopleReader,
    question: questions.Question[Any],
    asked: Any,
    *,
    cursor: str | None,
    limit: int,
) -> dict[str, Any]:
    return await service.people(
        services,
        caller,
        question,
        asked.audience.chosen(),
        node=asked.node,
        purpose=asked.purpose,
        cursor=cursor,
        limit=limit,
    )


def _stages(planned: str | None) -> tuple[str, ...] | None:
    return tuple(stage.strip() for stage in planned.split(",")) if planned else None
