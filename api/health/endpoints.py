"""Health and metrics: for supervisors and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter, Depends
from fastapi.responses import Response

from api.health import service
from api.health.schemas import Live, Ready
from api.metrics import CONTENT_TYPE
from api.problems import responses
from api.security import metrics_caller
from api.services import ServicesDependency


async def live() -> Live:
    """The process answers."""
    return Live()


async def ready(services: ServicesDependency) -> Ready:
    """Something is published, and store and snapshot can be read; 503 until then."""
    return await service.ready(services)


async def metrics(services: ServicesDependency) -> Response:
    """Numbers about the server in Prometheus' format. From another machine with the scope `metrics:read`."""
    await service.measure(services)
    return Response(services.metrics.text(), media_type=CONTENT_TYPE)


def router() -> APIRouter:
    """The routes of this feature."""
    routes = APIRouter(tags=["health"])
    routes.add_api_route("/health/live", live)
    routes.add_api_route("/health/ready", ready, responses=responses(503))
    routes.add_api_route(
        "/metrics",
        metrics,
        dependencies=[Depends(metrics_caller)],
        response_class=Response,
        # A key is needed from another machine only.
        openapi_extra={"security": [{}, {"key": ["metrics:read"]}]},
        responses={200: {"description": "The numbers.", "content": {"text/plain": {}}}, **responses(401, 403)},
    )
    return routes
