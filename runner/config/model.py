"""The model of the whole configuration: complete and frozen."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field, PrivateAttr, SecretStr

from runner.config.problems import ConfigError, Problem
from runner.config.secrets import MASK, SecretAddress, mask_url
from runner.config.sections.events import Caller, Input, Limits, Meta, MetaValue
from runner.config.sections.kafka import Encoding, Kafka, Responses, SchemaRegistry, TopicNames
from runner.config.sections.notify import Notify
from runner.config.sections.redis import Redis
from runner.config.sections.section import Section
from runner.config.sections.web import Projection, Web
from runner.config.sections.worker import Domain, Http, Log, Task, Timers, Traces, Worker
from runner.config.values import Frozen, KeyPart, Text, Topic

DEFAULTS = "configuration"


class Config(Section):
    """Every setting of the runner. ``load`` makes it; secrets in it are masked in ``repr``."""

    handler: Text = "user-task"
    """The eventMeta.handler that addresses this runner; events for another are left alone."""
    deployment: Text | None = None
    """Name of this deployment; events whose eventMeta.deployments lacks it are left alone."""
    delivery: Literal["exactly_once", "at_least_once"] = "exactly_once"
    """exactly_once needs a broker with transactions; at_least_once loses nothing, but may repeat a response
    after a crash.
    """
    kafka: Kafka = Field(default_factory=Kafka)
    """Where Kafka is."""
    topics: TopicNames = Field(default_factory=TopicNames)
    """The topics; all different."""
    responses: Responses = Field(default_factory=Responses)
    """How responses find their readers."""
    encoding: Encoding = Field(default_factory=Encoding)
    """How the values of messages are written."""
    schema_registry: SchemaRegistry = Field(default_factory=SchemaRegistry)
    """Where the schemas of confluent-avro are."""
    redis: Redis = Field(default_factory=Redis)
    """Where the records are kept."""
    domains: Frozen[KeyPart, Domain] = Field(
        default={"default": Domain()}, json_schema_extra={"additionalProperties": False}
    )
    """The domains tasks may belong to, by name; an event for any other is FAIL 10027."""
    task: Task = Field(default_factory=Task)
    """What holds for tasks of every domain."""
    caller: Caller = Field(default_factory=Caller)
    """Who sent an event."""
    meta: Meta = Field(default_factory=Meta)
    """Values for eventMeta of events read from requests: <field>.default, where the event has none, or
    <field>.override, always.
    """
    inputs: Frozen[Topic, Input] = Field(default={})
    """Other ways in, by name: topics whose messages are only payloads, and what is added to make events of
    them.
    """
    limits: Limits = Field(default_factory=Limits)
    """What one event may cost its worker."""
    timers: Timers = Field(default_factory=Timers)
    """Deadlines that fire by themselves."""
    notify: Notify = Field(default_factory=Notify)
    """What runner notify does with topics.notifications; no worker looks at it."""
    projection: Projection = Field(default_factory=Projection)
    """Where lists are kept; no worker looks at it."""
    web: Web = Field(default_factory=Web)
    """The HTTP API, and how people sign in; no worker looks at it."""
    worker: Worker = Field(default_factory=Worker)
    """The pace of the loop."""
    http: Http = Field(default_factory=Http)
    """Where /metrics and /health are served."""
    log: Log = Field(default_factory=Log)
    """What is written to stderr."""
    traces: Traces = Field(default_factory=Traces)
    """Where spans go; needs the extra traces."""

    _source: str = PrivateAttr(default=DEFAULTS)

    @property
    def source(self) -> str:
        """The file that the settings were read from, for messages; ``configuration`` without a file."""
        return self._source

    def from_source(self, source: str) -> "Config":
        """Return the same settings with another ``source``."""
        copy = self.model_copy()
        copy._source = source  # noqa: SLF001 - its own attribute, on its own copy
        return copy

    def domain_rules(self) -> dict[str, Domain]:
        """Return the domains by name, complete: what a domain leaves out comes from ``task``."""
        of_all = {"on_proceed": self.task.on_proceed, "retention_seconds": self.task.retention_seconds}
        return {
            name: Domain(**{**of_all, **domain.model_dump(exclude_none=True)})
            for name, domain in self.domains.items()
        }

    def input_topics(self) -> dict[str, str]:
        """Return the topic of every input, by the input's name."""
        return {name: each.topic or name for name, each in self.inputs.items()}

    @property
    def restores(self) -> bool:
        """Whether a worker restores Redis from the changelog; that takes transactions."""
        return self.topics.tasks is not None and self.delivery == "exactly_once"

    def without_changelog(self) -> "Config":
        """Return the same settings with null as ``topics.tasks``."""
        topics = self.topics.model_copy(update={"tasks": None})
        return self.model_copy(update={"topics": topics})

    def require_brokers(self) -> None:
        """Return if ``kafka.brokers`` is set; otherwise raise ConfigError. Called when a worker starts."""
        if not self.kafka.brokers.strip():
            raise ConfigError(
                [Problem(self.source, "kafka.brokers", "is empty", 'set it or run "runner dev"')]
            )

    def describe(self) -> dict[str, Any]:
        """Return every setting as plain data under its YAML key, with secrets masked."""
        return _plain_model(self)


def _plain_model(model: BaseModel) -> dict[str, Any]:
    # What a MetaValue leaves out is not the same as null; everywhere else every setting is shown.
    fields = type(model).model_fields
    shown = model.model_fields_set if isinstance(model, MetaValue) else set(fields)
    described = {
        field.alias or name: _plain(getattr(model, name)) for name, field in fields.items() if name in shown
    }
    return described | {name: _plain(item) for name, item in (model.__pydantic_extra__ or {}).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, SecretAddress):
        return value.masked()
    if isinstance(value, SecretStr):
        return _masked(value.get_secret_value())
    if isinstance(value, BaseModel):
        return _plain_model(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return mask_url(value) if isinstance(value, str) else value


def _masked(secret: str) -> str:
    """Mask a secret: a URL keeps its readable parts, any other secret shows not even its length."""
    return mask_url(secret) if "://" in secret else MASK
