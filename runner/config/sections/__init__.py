"""The sections of the configuration: names, types, ranges, defaults and meaning of every setting.

What a single value must look like stands here and in ``values``; what several values must not say
together stands in ``cross_field_rules``. YAML keys are the camelCase of the attributes. The JSON Schema
is generated from these classes, and a test holds ``config/runner.yaml`` to their defaults and
descriptions.
"""

from runner.config.sections.encoding import Encoding
from runner.config.sections.events import Caller, Meta, MetaValue
from runner.config.sections.inputs import Input
from runner.config.sections.kafka import Kafka
from runner.config.sections.limits import Limits
from runner.config.sections.redis import DEFAULT_REDIS_URL, Redis
from runner.config.sections.schema_registry import SchemaRegistry
from runner.config.sections.section import Section
from runner.config.sections.tasks import Domain, OnProceed, Task
from runner.config.sections.topics import Responses, TopicNames
from runner.config.sections.traces import Traces
from runner.config.sections.worker import Http, Log, Timers, Worker

__all__ = [
    "DEFAULT_REDIS_URL",
    "Caller",
    "Domain",
    "Encoding",
    "Http",
    "Input",
    "Kafka",
    "Limits",
    "Log",
    "Meta",
    "MetaValue",
    "OnProceed",
    "Redis",
    "Responses",
    "SchemaRegistry",
    "Section",
    "Task",
    "Timers",
    "TopicNames",
    "Traces",
    "Worker",
]
