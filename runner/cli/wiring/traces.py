"""From the configuration to the tracer of each loop; none where ``traces.endpoint`` is not set."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from runner import __version__
from runner.config import Config, ConfigError, Problem
from runner.metrics import Metrics
from runner.telemetry.reporter import Tracer

if TYPE_CHECKING:
    from opentelemetry.sdk.resources import Resource

INSTALL: Final = "pip install 'saga-task-runner[traces]'"
PATH: Final = "v1/traces"
"""Where a collector takes spans (OTLP over HTTP)."""


def open_traces(
    config: Config, metrics: Metrics, stack: ExitStack
) -> Callable[[str, str, str], Tracer | None]:
    """Return what makes the tracer of a loop, of (topic, id of the topic, group); None: no traces.

    Spans that wait are sent when ``stack`` is closed, for two seconds at most. Raises ConfigError where
    the packages of the extra are missing, or OpenTelemetry refuses the variables of its own that it reads.
    """
    endpoint = config.traces.endpoint
    if endpoint is None:
        return lambda _topic, _topic_id, _group: None
    try:
        return _opened(config, _full(endpoint), metrics, stack)
    except ImportError as error:
        raise _unfit(config, f"is set, but OpenTelemetry is not installed ({error})", INSTALL) from error
    except (ValueError, OSError) as error:
        way_out = "correct the variables OTEL_… of the environment"
        raise _unfit(config, f"cannot be used: {error}", way_out) from error


def _opened(
    config: Config, endpoint: str, metrics: Metrics, stack: ExitStack
) -> Callable[[str, str, str], Tracer]:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415 - only where it is used

    from runner.telemetry.traces.attributes import TracedTopic  # noqa: PLC0415 - the same
    from runner.telemetry.traces.sending import sending  # noqa: PLC0415 - the same
    from runner.telemetry.traces.spans import Spans  # noqa: PLC0415 - the same

    processor = stack.enter_context(sending(OTLPSpanExporter(endpoint), endpoint, metrics.count_spans))
    resource, sample = _resource(config), config.traces.sample

    def tracer(topic: str, topic_id: str, group: str) -> Tracer:
        return Spans(processor, resource, TracedTopic(topic, topic_id, group), sample, time.time_ns)

    return tracer


def _resource(config: Config) -> Resource:
    """Return who we are; OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win."""
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource  # noqa: PLC0415 - the same

    ours = {
        "service.name": config.kafka.group,
        "service.version": __version__,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
    }
    return Resource.create({**ours, **OTELResourceDetector().detect().attributes})


def _full(endpoint: str) -> str:
    return endpoint if urlsplit(endpoint).path.strip("/") else f"{endpoint.rstrip('/')}/{PATH}"


def _unfit(config: Config, what: str, way_out: str) -> ConfigError:
    return ConfigError([Problem(config.source, "traces.endpoint", what, way_out)])
