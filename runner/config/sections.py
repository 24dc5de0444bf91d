"""The sections of the configuration: names, types, ranges, defaults and meaning of every setting.

What a single value must look like stands here and in ``values``; what several values must not say
together stands in ``contradictions``. YAML keys are the camelCase of the attributes. The JSON Schema
is generated from these classes, and a test holds ``config/runner.yaml`` to their defaults and
descriptions.
"""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic.alias_generators import to_camel

from runner.config.values import (
    Expressions,
    Frozen,
    KeyPart,
    ProceededStatus,
    Properties,
    RedisUrl,
    Secret,
    SecretFiles,
    Text,
    Topic,
    Topics,
)

DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"
_HUNDRED_YEARS_SECONDS: Final = 3_153_600_000
_MIB: Final = 1_048_576

OnProceed = Literal["update", "delete"]


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know and guesses no types."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        hide_input_in_errors=True,
    )


class Kafka(Section):
    """Where Kafka is, and what the two clients are told besides."""

    brokers: str = Field(
        default="",
        description="Brokers to begin with, host:port, comma-separated. A worker does not start without.",
    )
    group: Text = Field(
        default="saga-task-runner",
        description="Consumer group. The Redis key space belongs to it: a new name needs a new redis.prefix.",
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


class TopicNames(Section):
    """The three topics, which must be three."""

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


class Redis(Section):
    """Where the records are kept."""

    url: RedisUrl = Field(
        default=SecretStr(DEFAULT_REDIS_URL),
        json_schema_extra={"default": DEFAULT_REDIS_URL},
        description="redis://host:port/database, rediss:// for TLS, or unix:///path.",
    )
    url_file: Text | None = Field(default=None, description="File that holds the URL, instead of url.")
    username: Text | None = Field(default=None, description="User name, unless the URL has it.")
    password: Secret | None = Field(
        default=None, description="Password, unless the URL has it; better in the environment or a file."
    )
    password_file: Text | None = Field(
        default=None, description="File that holds the password, instead of password."
    )
    prefix: KeyPart = Field(
        default="runner", description="First part of every key; one consumer group, one prefix."
    )
    start_empty: bool = Field(
        default=False,
        description=(
            "Begin with no tasks although the group has read before: only after a loss that is accepted."
        ),
    )
    shards: int = Field(
        default=16,
        ge=1,
        le=1024,
        description="Parts the tasks are spread over. Fixed once the first record is written.",
    )
    timeout_ms: int = Field(
        default=2000,
        ge=10,
        le=60_000,
        description="How long one call may take, in milliseconds, before Redis counts as not answering.",
    )


class Domain(Section):
    """What holds for the tasks of one domain; null falls back to ``task``."""

    on_proceed: OnProceed | None = Field(
        default=None, description="What task.onProceed is for this domain; null: what it is for all."
    )
    retention_seconds: int | None = Field(
        default=None,
        ge=0,
        le=_HUNDRED_YEARS_SECONDS,
        description="What task.retentionSeconds is for this domain, in seconds; null: what it is for all.",
    )
    check_roles: bool = Field(
        default=True,
        description="Whether ProceedTask needs the task's user or one of its roles (else FAIL 14).",
    )
    trust_payload: bool = Field(
        default=False,
        description=(
            "Whether payload.user names the caller where requestMeta does not. "
            "Anyone can write the payload: only behind a gateway that checks it."
        ),
    )


class Task(Section):
    """What holds for tasks of every domain that does not say otherwise."""

    partition_width: int = Field(
        default=1,
        ge=1,
        le=8,
        description="Digits of the partition at the end of a generated task id, padded with zeros.",
    )
    on_proceed: OnProceed = Field(
        default="update",
        description=(
            "What becomes of the record of a finished task: update keeps it for the retention, "
            "delete only as long as redelivery needs it."
        ),
    )
    retention_seconds: int = Field(
        default=604_800,
        ge=0,
        le=_HUNDRED_YEARS_SECONDS,
        description="How long the record of a finished task is kept, in seconds.",
    )


class Caller(Section):
    """Who sent an event: JMESPath on the whole event, the first that is not null counts."""

    user: Expressions = Field(
        default=("requestMeta.claims.sub", "requestMeta.origin.id"),
        description="Where the caller's user id stands: JMESPath on the event, the first non-null wins.",
    )
    roles: Expressions = Field(
        default=("requestMeta.claims.roles",),
        description="Where the caller's roles stand: JMESPath on the event, the first non-null wins.",
    )


class MetaValue(Section):
    """A value for one field of eventMeta: ``default`` where it is absent, or ``override`` always."""

    default: Any = Field(default=None, description="Value where the event has none.")
    override: Any = Field(default=None, description="Value whatever the event says.")


class Meta(Section):
    """Values for eventMeta of events read from requests; any field may be named."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MetaValue] = Field(init=False)

    parameters: Frozen[str, MetaValue] = Field(
        default={}, description="Values for eventMeta.parameters, by the parameter's name."
    )

    def defaults(self) -> dict[str, Any]:
        """A partial eventMeta: what to add where the event has nothing."""
        return self._chosen("default")

    def overrides(self) -> dict[str, Any]:
        """A partial eventMeta: what to write over whatever the event has."""
        return self._chosen("override")

    def _chosen(self, kind: Literal["default", "override"]) -> dict[str, Any]:
        fields = _of_kind(self.__pydantic_extra__, kind)
        parameters = _of_kind(self.parameters, kind)
        return fields | ({"parameters": parameters} if parameters else {})


def _of_kind(values: Any, kind: str) -> dict[str, Any]:
    return {name: getattr(value, kind) for name, value in values.items() if kind in value.model_fields_set}


class Timers(Section):
    """Deadlines that fire by themselves."""

    enabled: bool = Field(
        default=True, description="Whether deadlines fire by themselves; false leaves it to TimeoutBetween."
    )
    lease_ms: int = Field(
        default=10_000,
        ge=100,
        le=3_600_000,
        description="How long a timeout that was sent is not sent again, in milliseconds.",
    )
    chunk: int = Field(
        default=1000,
        ge=1,
        le=100_000,
        description="Most tasks told to time out in one go, for timers and for TimeoutBetween.",
    )


class Worker(Section):
    """The pace of the loop."""

    batch_size: int = Field(default=1000, ge=1, le=100_000, description="Most events in one batch.")
    batch_bytes: int = Field(
        default=8 * _MIB, ge=1024, le=1024 * _MIB, description="Most bytes of events in one batch."
    )
    max_event_bytes: int = Field(
        default=1_000_000,
        ge=1024,
        le=64 * _MIB,
        description=(
            "Largest event that is read, in bytes: a larger message is a dead letter. "
            "Responses are bounded by max.message.bytes of their topic."
        ),
    )
    poll_ms: int = Field(
        default=100,
        ge=1,
        le=5000,
        description="Longest wait for events when there are none, in milliseconds.",
    )
    session_timeout_ms: int = Field(
        default=10_000,
        ge=1000,
        le=300_000,
        description=(
            "Silence after which a worker is taken for dead and its partitions are given to others, "
            "in milliseconds. Brokers refuse less than 6000 unless told otherwise."
        ),
    )
    shutdown_seconds: int = Field(
        default=25,
        ge=1,
        le=3600,
        description="Time to finish the batch in hand after SIGTERM, in seconds.",
    )
    poison_limit: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description=(
            "Dead letters in a row on one partition before it is paused and /health/ready says no; 0: never."
        ),
    )


class Http(Section):
    """Where /metrics and /health are served."""

    host: Text = Field(default="127.0.0.1", description="Address to listen on; 0.0.0.0 for every interface.")
    port: int = Field(default=8080, ge=0, le=65_535, description="Port to listen on; 0: no HTTP server.")


class Log(Section):
    """What is written to stderr, and how."""

    format: Literal["auto", "json", "console"] = Field(
        default="auto",
        description="json: one object a line; console: for people; auto: console on a terminal, else json.",
    )
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least level that is written."
    )
