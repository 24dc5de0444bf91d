"""Health: whether the process lives and is ready, and its metrics. Nobody has to say who they are."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from runner.web.parts import WebComponents
from runner.web.routing import as_json
from runner.web.shapes import Liveness, ReadinessView

router: Final = APIRouter(tags=["health"])


@router.get("/health/live", response_model=Liveness)
async def show_liveness() -> Response:
    """Whether requests are answered at all."""
    return as_json({"live": True})


@router.get(
    "/health/ready",
    response_model=ReadinessView,
    responses={503: {"model": ReadinessView, "description": "It is not ready; `reasons` says why."}},
)
async def show_readiness(request: Request) -> Response:
    """Whether everything can be answered: Kafka, Redis and the lists are there."""
    parts: WebComponents = request.app.state.parts
    reasons = parts.readiness.reasons()
    return as_json({"ready": not reasons, "reasons": reasons}, 503 if reasons else 200)


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Metrics for Prometheus.", "content": {"text/plain": {}}}},
)
async def show_metrics(request: Request) -> Response:
    """The metrics of this process, for Prometheus."""
    parts: WebComponents = request.app.state.parts
    parts.metrics.replies_waiting.set(parts.exchange.waiting)
    parts.metrics.streams.set(parts.streams.seats.open)
    return Response(generate_latest(parts.metrics.registry), media_type=CONTENT_TYPE_LATEST)
