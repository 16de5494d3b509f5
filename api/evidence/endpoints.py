"""Evidence: parse, delegate, answer.

Answers hold counts and shares, no personal data; who is held out is a list of people and needs `segments:read` as well.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response

from api.conditional import Version
from api.evidence import schemas
from api.journeys.schemas import AudienceQuery, CompareQuery, NodeChoice, PeoplePage, PurposeChoice
from api.journeys.service import answer, people
from api.paging import Cursor
from api.problems import responses
from api.security import JourneyPeopleReader, JourneysReader
from api.services import ServicesDependency
from journeys import evidence
from journeys.evidence import flat
from journeys.touchpoints.costs import FILE as COSTS

KNOWN = responses(401, 403, 404, 422, 503)
Limit = Annotated[int, Query(ge=1, le=5000, description="Rows on a page.")]


async def get_breaks(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    if_none_match: Version = None,
) -> Response:
    """Where the path loses people: drop-off per stage and step, bottlenecks, acquisition, loops."""
    return await answer(services, evidence.breaks(), audience.chosen(), compare, if_none_match, document=flat)


async def get_touchpoints(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    window_days: schemas.WindowDays = 30,
    if_none_match: Version = None,
) -> Response:
    """What each type of touchpoint does: reach, share of journeys, place, cost, conversion with it and without it."""
    question = evidence.touchpoints(days=window_days, costs=services.home / COSTS)
    return await answer(services, question, audience.chosen(), compare, if_none_match, document=flat)


async def get_experiments(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    by: schemas.By = None,
    if_none_match: Version = None,
) -> Response:
    """Uplift of randomised experiments, with intervals; among chosen people it is an association."""
    question = evidence.experiments(by=by)
    return await answer(services, question, audience.chosen(), compare, if_none_match, document=flat)


async def get_holdout(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    key: schemas.HoldoutKey,
    share: schemas.Percent,
    since: schemas.Since = None,
    days: schemas.FollowDays = 90,
    if_none_match: Version = None,
) -> Response:
    """How many people are held out under a key, and what the others bought more since then."""
    question = evidence.holdout(key=key, percent=share, since=since, days=days)
    return await answer(services, question, audience.chosen(), None, if_none_match, document=flat)


async def get_holdout_people(
    *,
    services: ServicesDependency,
    caller: JourneyPeopleReader,
    audience: AudienceQuery,
    key: schemas.HoldoutKey,
    share: schemas.Percent,
    node: NodeChoice = "held_out",
    purpose: PurposeChoice = "analytics",
    cursor: Cursor = None,
    limit: Limit = 1000,
) -> dict[str, Any]:
    """Draw a holdout among these people: who is `held_out`, or who is to be `reached`. The same people every time."""
    question = evidence.holdout(key=key, percent=share)
    return await people(
        services, caller, question, audience.chosen(), node=node, purpose=purpose, cursor=cursor, limit=limit
    )


async def get_feeling(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    if_none_match: Version = None,
) -> Response:
    """How people feel in each stage, from ratings first and text second, and how much of it is backed by data."""
    return await answer(services, evidence.feeling(), audience.chosen(), compare, if_none_match, document=flat)


async def get_findings(
    *,
    services: ServicesDependency,
    caller: JourneysReader,
    audience: AudienceQuery,
    compare: CompareQuery = None,
    if_none_match: Version = None,
) -> Response:
    """After what customers defect, and what experiments proved; with intervals and correction for many tests."""
    return await answer(services, evidence.findings(), audience.chosen(), compare, if_none_match, document=flat)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(prefix="/v1/journeys", tags=["journeys"], responses=KNOWN)
    unchanged: dict[int | str, dict[str, Any]] = {304: {"description": "You have this version."}}
    for path, endpoint, model in (
        ("/breaks", get_breaks, schemas.BreaksAnswer),
        ("/touchpoints", get_touchpoints, schemas.TouchpointsAnswer),
        ("/experiments", get_experiments, schemas.ExperimentsAnswer),
        ("/holdout", get_holdout, schemas.HoldoutAnswer),
        ("/feeling", get_feeling, schemas.FeelingAnswer),
        ("/findings", get_findings, schemas.FindingsAnswer),
    ):
        described: dict[int | str, dict[str, Any]] = {200: {"model": model, "description": "The answer."}, **unchanged}
        routes.add_api_route(path, endpoint, response_class=Response, responses=described)
    routes.add_api_route("/holdout/people", get_holdout_people, response_model=PeoplePage)
    return routes
