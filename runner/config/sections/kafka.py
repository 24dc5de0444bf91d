"""Where Kafka is, and what its clients are told."""

from typing import Literal

from pydantic import Field

from runner.config.sections.section import Section
from runner.config.values import Brokers, Properties, SecretFiles, Text


class Kafka(Section):
    """Where Kafka is, and what the two clients are told besides."""

    brokers: Brokers = Field(
        default="",
        description="Brokers to begin with, host:port, comma-separated. A worker does not start without.",
    )
    group: Text = Field(
        default="saga-task-runner",
        description="Consumer group. The Redis key space belongs to it: a new name needs a new redis.prefix.",
    )
    assignment: Literal["range", "cooperative-sticky", "consumer"] = Field(
        default="range",
        description=(
            "How the group shares the partitions: range, cooperative-sticky, or consumer (KIP-848, from "
            "Kafka 4.0 on). The same for all workers of a group."
        ),
    )
    properties: Properties = Field(
        default={}, description="librdkafka properties of both clients, by their own names; none by default."
    )
    consumer: Properties = Field(
        default={}, description="librdkafka properties of the consumer only; they win over properties."
    )
    producer: Properties = Field(
        default={}, description="librdkafka properties of the producer only; they win over properties."
    )
    secret_files: SecretFiles = Field(
        default={},
        description="librdkafka properties whose value is read from a file: property name to path.",
    )
