"""The topics, and how responses find their readers."""

from typing import Literal

from pydantic import Field

from runner.config.sections.section import Section
from runner.config.values import ProceededStatus, Topic, Topics


class TopicNames(Section):
    """The topics, each of which must be another."""

    requests: Topic = Field(
        default="requests",
        description="Events to handle; the home of every task. Must not be compacted.",
    )
    responses: Topic = Field(
        default="responses",
        description="Replies and resumed events. Its readers must set isolation.level to read_committed.",
    )
    dead_letters: Topic = Field(
        default="dead-letters",
        description="Messages that can never be handled, byte for byte, with headers that say why.",
    )
    tasks: Topic | None = Field(
        default=None,
        description=(
            "Compacted topic that is told every change of a task, and from which Redis is filled again when "
            "it has lost something; as many partitions as redis.shards. null: none. Needs exactly_once."
        ),
    )


class Responses(Section):
    """How replies and resumed events find their readers."""

    partitioner: Literal["murmur2", "suffix"] = Field(
        default="murmur2",
        description=(
            "Partition of a response: murmur2 of the key, as Java clients do, or suffix: "
            "the trailing digits of the request id modulo the number of partitions."
        ),
    )
    streams: Topics = Field(
        default=(),
        description="Other topics that eventMeta.responseStream may name; any other is FAIL 13020.",
    )
    proceeded_status: ProceededStatus = Field(
        default="PROCEEDED",
        description="Status of an event that goes on after ProceedTask; some engines expect SUCCESS.",
    )
