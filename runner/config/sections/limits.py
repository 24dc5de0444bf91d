"""What one event may cost, and how much poison a partition may hold."""

from dataclasses import fields

from pydantic import Field

from runner.config.sections.section import Section
from runner.limits import USUAL, WIDEST, EventLimits


class Limits(Section):
    """Bounds on what a sender can ask for; docs/protocol.md has those that are fixed as well."""

    event_bytes: int = Field(
        default=USUAL.event_bytes,
        ge=1024,
        le=WIDEST.event_bytes,
        description=(
            "Largest event that is read, in bytes: a larger message is a dead letter, TOO_LARGE. "
            "Responses are bounded by max.message.bytes of their topic."
        ),
    )
    headers: int = Field(
        default=USUAL.headers,
        ge=16,
        le=WIDEST.headers,
        description="Most headers of a message; FAIL 10011 beyond.",
    )
    header_bytes: int = Field(
        default=USUAL.header_bytes,
        ge=1024,
        le=WIDEST.header_bytes,
        description="Most bytes of all headers of a message, names and values; FAIL 10011 beyond.",
    )
    id_bytes: int = Field(
        default=USUAL.id_bytes,
        ge=64,
        le=WIDEST.id_bytes,
        description=(
            "Longest request id, and longest id of a new task, in bytes; FAIL 10011 beyond. "
            "Tasks that are there already can be ended whatever this is."
        ),
    )
    pattern_characters: int = Field(
        default=USUAL.pattern_characters,
        ge=64,
        le=WIDEST.pattern_characters,
        description="Longest pattern, and expression from the data, in characters; FAIL 10011 beyond.",
    )
    pattern_values: int = Field(
        default=USUAL.pattern_values,
        ge=1000,
        le=WIDEST.pattern_values,
        description=(
            "Most values that one pattern visits and builds, 32 characters of text for one; FAIL 10011 "
            "beyond. A million takes about a second and at most 150 MB while it is evaluated."
        ),
    )
    data_bytes: int = Field(
        default=USUAL.data_bytes,
        ge=1024,
        le=WIDEST.data_bytes,
        description=(
            "Largest result of inputPattern, and largest data of a new task, in bytes of JSON; "
            "FAIL 10011 beyond."
        ),
    )
    poison_in_a_row: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description=(
            "Dead letters in a row on one partition before it is paused and /health/ready says no; 0: never."
        ),
    )

    def of_event(self) -> EventLimits:
        """Return the limits of one event."""
        return EventLimits(**{field.name: getattr(self, field.name) for field in fields(EventLimits)})
