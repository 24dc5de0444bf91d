"""The sections of the configuration: names, types, ranges, defaults and meaning of every setting.

The types of single values stand in ``values``, rules across sections in ``cross_field_rules``. YAML keys are
the camelCase of the attributes. The JSON Schema is generated from these classes, and a test holds
``config/runner.yaml`` to their defaults and descriptions.
"""

from runner.config.sections.events import Caller, Input, Limits, Meta, MetaValue
from runner.config.sections.kafka import Encoding, Kafka, Responses, SchemaRegistry, TopicNames
from runner.config.sections.redis import DEFAULT_REDIS_URL, Redis
from runner.config.sections.section import BrokenRule, Section
from runner.config.sections.worker import Domain, Http, Log, OnProceed, Task, Timers, Traces, Worker

__all__ = [
    "DEFAULT_REDIS_URL",
    "BrokenRule",
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
