"""How the values of each topic are read and written, from the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from runner.clock import monotonic_seconds
from runner.config import Config, ConfigError, Problem, registry_settings
from runner.envelope.codec import Codec, JsonCodec

if TYPE_CHECKING:
    from runner.kafka.schema_registry import SchemaRegistry

INSTALL: Final = "pip install 'saga-task-runner[registry]'"


@dataclass(frozen=True, slots=True)
class Codecs:
    """The codec of every topic. Nothing is asked of a registry before a value is read or written."""

    by_topic: Mapping[str, Codec] = field(default_factory=dict)
    default: Codec = field(default_factory=JsonCodec)
    """Of the dead letters, too, where bytes are kept as they came."""
    registry: SchemaRegistry | None = None

    def of(self, topic: str) -> Codec:
        return self.by_topic.get(topic, self.default)

    def prepare(self) -> None:
        """Learn from the registry all that writing needs; may be called again.

        SchemasUnavailable where it does not answer, FatalError where it refuses.
        """
        for codec in self.by_topic.values():
            codec.prepare()

    def ping(self) -> None:
        """Return if nobody is left that did not answer; SchemasUnavailable otherwise."""
        if self.registry is not None:
            self.registry.ping()

    def close(self) -> None:
        if self.registry is not None:
            self.registry.close()


def build_codecs(config: Config) -> Codecs:
    """Return the codecs of a configuration; ConfigError where the client of the registry cannot be used."""
    topics = (config.topics.requests, config.topics.responses, *config.responses.streams)
    encodings = {topic: config.encoding.of(topic) for topic in topics}
    if config.topics.replies is not None:
        # Not the default: a worker would need a schema of its topic, although nobody reads it perhaps.
        encodings[config.topics.replies] = config.encoding.topics.get(config.topics.replies, "json")
    if set(encodings.values()) == {"json"}:
        return Codecs()
    return _with_avro(config, encodings)


def _with_avro(config: Config, encodings: Mapping[str, str]) -> Codecs:
    from runner.envelope.avro import AvroCodec, ConfluentCodec  # noqa: PLC0415 - JSON needs no Avro

    registry = _connect(config) if "confluent-avro" in encodings.values() else None
    codecs: dict[str, Codec] = {}
    for topic, encoding in encodings.items():
        if encoding == "confluent-avro" and registry is not None:
            codecs[topic] = ConfluentCodec(registry, f"{topic}-value")
        else:
            codecs[topic] = AvroCodec() if encoding == "avro" else JsonCodec()
    return Codecs(codecs, JsonCodec(), registry)


def _connect(config: Config) -> SchemaRegistry:
    from runner.kafka.schema_registry import SchemaRegistry, connect  # noqa: PLC0415 - only where it is used

    try:
        client = connect(registry_settings(config))
    except ImportError as error:
        problem = Problem(
            config.source, "encoding", f"has confluent-avro, whose client is not installed ({error})", INSTALL
        )
        raise ConfigError([problem]) from error
    except (ValueError, TypeError, OSError) as error:
        problem = Problem(
            config.source,
            "schemaRegistry.properties",
            f"are refused by the registry's client: {error}",
            "correct them",
        )
        raise ConfigError([problem]) from error
    return SchemaRegistry(client, monotonic_seconds, register=config.schema_registry.register_schema)
