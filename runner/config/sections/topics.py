"""The topics, and how responses find their readers."""

from typing import Final, Literal

from pydantic import Field, field_validator

from runner.config.sections.section import Section
from runner.config.values import ProceededStatus, Topic, Topics

TASKS: Final = "tasks"


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
        default=TASKS,
        description=(
            "Compacted topic that is told every change of a task, and from which Redis is filled again when "
            "it has lost something (with at_least_once it serves lists only); as many partitions as "
            "redis.shards. null: none, and Redis holds the only copy of the tasks. A key space that was made "
            "without it goes on without it; runner restore --fill-changelog turns it on."
        ),
    )

    @field_validator("tasks", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        """Take the word for null, as a variable has it: nobody means a topic of that name."""
        return None if value == "null" else value

    @property
    def are_tasks_given(self) -> bool:
        """Whether ``tasks`` is another topic than the default, or null: who spells that has not chosen."""
        return self.tasks != TASKS


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
