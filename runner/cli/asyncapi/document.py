"""The whole document: what the runner reads and writes, as seen from the runner.

``schemas/asyncapi.yaml`` is its text; a test compares the two. Everything that the code has as a constant is
taken from there, and the names of topics and groups from the defaults of the configuration.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from runner import __version__
from runner.cli.asyncapi.building import JSON, VERSION, Node, in_dialect
from runner.cli.asyncapi.changelog import changelog
from runner.cli.asyncapi.dead_letters import dead_letters
from runner.cli.asyncapi.headers import header_schemas
from runner.cli.asyncapi.inputs import inputs
from runner.cli.asyncapi.notifications import notifications
from runner.cli.asyncapi.requests import requests
from runner.cli.asyncapi.responses import responses
from runner.config import Config

LINE: Final = 110
_ABOUT: Final = (
    "Waits for people in sagas: reads StartTask and other events from requests, keeps each task, and sends "
    "replies and resumed events to responses, exactly once. docs/protocol.md has all of it with examples. "
    "Topics have the names that the configuration gives them; those here are its defaults. Values are JSON; "
    "those of requests and responses may be Avro instead (setting encoding, schemas/envelope.avsc), and mean "
    "the same. Keys and headers are UTF-8 text. Payloads are described in JSON Schema 2020-12; what is not "
    "named in a section is passed on. Where it says send, the runner sends; where it says receive, it reads."
)
_SERVER: Final[Node] = {
    "host": "{broker}",
    "protocol": "kafka",
    "description": "Kafka, the setting kafka.brokers.",
    "variables": {
        "broker": {"default": "localhost:9092", "description": "A broker to begin with, host:port."}
    },
}


def document() -> Node:
    """Return the AsyncAPI document of all topics."""
    config = Config()
    topics = [make(config) for make in (requests, responses, dead_letters, changelog, notifications, inputs)]
    schemas = {name: in_dialect(node) for topic in topics for name, node in topic.schemas.items()}
    return {
        "asyncapi": VERSION,
        "info": {
            "title": "saga-task-runner",
            "version": __version__,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "servers": {"kafka": _SERVER},
        "channels": {name: node for topic in topics for name, node in topic.channels.items()},
        "operations": {name: node for topic in topics for name, node in topic.operations.items()},
        "components": {
            "messages": {name: node for topic in topics for name, node in topic.messages.items()},
            "schemas": schemas | header_schemas(),
            "correlationIds": {
                "request": {
                    "description": "A reply has the id of its request, a resumed event that of the start.",
                    "location": "$message.payload#/requestMeta/id",
                }
            },
        },
    }


class _WithoutAnchors(yaml.SafeDumper):
    """Writes what stands twice twice: a reader need not know anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        del data
        return True


def text() -> str:
    """Return the text of ``schemas/asyncapi.yaml``."""
    head = "# Made by python -m runner.cli.asyncapi.\n"
    return head + yaml.dump(
        document(), Dumper=_WithoutAnchors, sort_keys=False, allow_unicode=True, width=LINE
    )
