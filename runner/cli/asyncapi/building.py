"""The pieces of which an AsyncAPI 3 document is built: messages, channels, operations, references."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from runner.cli.topics_command import LIMIT

Node: TypeAlias = dict[str, Any]

VERSION: Final = "3.0.0"
JSON: Final = "application/json"
DIALECT: Final = "application/schema+json;version=draft-2020-12"
"""The format of all payloads, as that of the schemas in ``schemas/``."""

CLEANUP: Final = "cleanup.policy"
KAFKA: Final = "0.5.0"
"""Version of the bindings of Kafka."""

TEXT: Final[Node] = {"type": "string"}
NOTHING: Final[Node] = {"type": "null"}
MOMENT: Final[Node] = {"type": "integer", "description": "Epoch ms."}


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """What a document has of one topic, or of several alike."""

    channels: Node
    messages: Node
    operations: Node
    schemas: Node = field(default_factory=dict)


def of_file(path: str) -> Node:
    """Return a reference to a schema in a file beside the document."""
    return {"$ref": f"./{path}"}


def shared(name: str) -> Node:
    """Return a reference to a schema of the document."""
    return {"$ref": f"#/components/schemas/{name}/schema"}


def in_dialect(schema: Node) -> Node:
    """Return a schema with the name of its format."""
    return {"schemaFormat": DIALECT, "schema": schema}


def fields(properties: Node, required: Iterable[str] | None = None, **more: Any) -> Node:
    """Return the schema of an object; ``required`` None: all of the properties."""
    needed = list(properties) if required is None else list(required)
    return {"type": "object", "required": needed, "properties": properties, **more}


def nullable(kind: str, description: str = "") -> Node:
    """Return the schema of a value that may be null."""
    schema: Node = {"type": [kind, "null"]}
    return {**schema, "description": description} if description else schema


def message(
    title: str, summary: str, *, key: Node, headers: Node, payload: Node, content_type: str = JSON
) -> Node:
    """Return a message; ``payload`` is a schema of ``DIALECT``."""
    return {
        "title": title,
        "summary": summary,
        "contentType": content_type,
        "headers": headers,
        "payload": in_dialect(payload),
        "bindings": {"kafka": {"key": key, "bindingVersion": KAFKA}},
    }


def channel(
    address: str,
    summary: str,
    messages: Iterable[str],
    *,
    partitions: str,
    settings: Mapping[str, str],
    description: str = "",
) -> Node:
    """Return a channel; ``settings``: those with which ``runner topics create`` makes the topic."""
    configuration: Node = {CLEANUP: [settings.get(CLEANUP, "delete")]}
    if LIMIT in settings:
        configuration[LIMIT] = int(settings[LIMIT])
    return {
        "address": address,
        "summary": summary,
        **({"description": description} if description else {}),
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in messages},
        "bindings": {
            "kafka": {
                "topicConfiguration": configuration,
                "x-partitions": partitions,
                "bindingVersion": KAFKA,
            }
        },
    }


def operation(
    action: str, at: str, summary: str, messages: Iterable[str], *, group: Node | None = None
) -> Node:
    """Return what the runner does (``send`` or ``receive``) on a channel; ``group``: its consumer group."""
    made: Node = {
        "action": action,
        "channel": {"$ref": f"#/channels/{at}"},
        "summary": summary,
        "messages": of_channel(at, messages),
    }
    if group is not None:
        made["bindings"] = {"kafka": {"groupId": group, "bindingVersion": KAFKA}}
    return made


def of_channel(name: str, messages: Iterable[str]) -> list[Node]:
    """Return references to messages of a channel."""
    return [{"$ref": f"#/channels/{name}/messages/{each}"} for each in messages]


def uncapitalised(text: str) -> str:
    """Return a name with its first letter small, as ids of operations and messages have it."""
    return text[:1].lower() + text[1:]
