"""Where the spans of OpenTelemetry go."""

from pydantic import Field

from runner.config.sections.section import Section
from runner.config.values import CollectorUrl


class Traces(Section):
    """Where the spans of OpenTelemetry go; trace context is passed on without any of this."""

    endpoint: CollectorUrl | None = Field(
        default=None,
        description=(
            "Address of a collector that takes OTLP over HTTP; /v1/traces is added where it has no path. "
            "null: no spans."
        ),
    )
    sample: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description=(
            "Share of requests without traceparent that are recorded; those that have one say themselves."
        ),
    )
