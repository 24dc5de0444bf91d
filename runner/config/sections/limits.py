"""What one event may cost, and how much poison a partition may hold."""

from typing import Final

from pydantic import Field

from runner.config.sections.section import Section

_MIB: Final = 1_048_576


class Limits(Section):
    """Bounds on what a sender can ask for; docs/protocol.md has those that are fixed as well."""

    event_bytes: int = Field(
        default=1_000_000,
        ge=1024,
        le=64 * _MIB,
        description=(
            "Largest event that is read, in bytes: a larger message is a dead letter, TOO_LARGE. "
            "Responses are bounded by max.message.bytes of their topic."
        ),
    )
    headers: int = Field(
        default=100,
        ge=16,
        le=10_000,
        description="Most headers of a message; FAIL 10011 beyond.",
    )
    header_bytes: int = Field(
        default=65_536,
        ge=1024,
        le=_MIB,
        description="Most bytes of all headers of a message, names and values; FAIL 10011 beyond.",
    )
    id_bytes: int = Field(
        default=8192,
        ge=64,
        le=8192,
        description=(
            "Longest request id, and longest id of a new task, in bytes; FAIL 10011 beyond. "
            "Tasks that are there already can be ended whatever this is."
        ),
    )
    pattern_characters: int = Field(
        default=4096,
        ge=64,
        le=16_384,
        description="Longest pattern, and expression from the data, in characters; FAIL 10011 beyond.",
    )
    pattern_values: int = Field(
        default=1_000_000,
        ge=1000,
        le=5_000_000,
        description=(
            "Most values that one pattern visits and builds, 32 characters of text for one; FAIL 10011 "
            "beyond. A million takes about a second and at most 150 MB while it is evaluated."
        ),
    )
    data_bytes: int = Field(
        default=1_000_000,
        ge=1024,
        le=64 * _MIB,
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
