"""Input topics: messages that are payloads alone, and commands."""

from __future__ import annotations

from typing import Final, get_args

from runner.actions.incoming import TRACE_HEADERS
from runner.actions.timeout_between import TIMEOUT_COMMAND
from runner.cli.asyncapi.building import TEXT, Node, TopicDescription, channel, message, operation
from runner.cli.asyncapi.headers import headers
from runner.cli.dlq.letters import REPLAYED
from runner.cli.wiring.input_topics import group_of
from runner.config import Config
from runner.config.sections.events import Input, InputAction

PAYLOADS: Final = "inputs"
COMMANDS: Final = "commands"
PAYLOAD: Final = "inputPayload"
COMMAND: Final = "inputCommand"

_NAME: Final = "{input}"
_KEY: Final[Node] = {"description": "The sender's own; it becomes the key of the event."}
_PARTITIONS: Final = "The sender's own: messages for one task on one partition are handled in their order."
_SETTINGS: Final = ("user_header", "roles_header", "request_id_header")


def inputs(config: Config) -> TopicDescription:
    """Return channels, messages and operations of input topics, which the configuration names."""
    named = ", ".join(f"inputs.<name>.{Input.model_fields[name].alias}" for name in _SETTINGS)
    own = headers(optional=(*TRACE_HEADERS, REPLAYED))
    own["description"] = f"Besides, text in the headers that the configuration names ({named})."
    payload = message(
        "Payload",
        "Nothing but a payload. The configuration says what event is made of it.",
        key=_KEY,
        headers=own,
        payload={"type": "object"},
    )
    command = message(
        "Command",
        f"A command of any sort for any runner; only {TIMEOUT_COMMAND} for this one counts.",
        key=_KEY,
        headers=own,
        payload=_command(),
    )
    group: Node = {"type": "string", "default": group_of(config, _NAME)}
    others = [action for action in get_args(InputAction) if action != TIMEOUT_COMMAND]
    return TopicDescription(
        channels={
            PAYLOADS: _channel(
                "{input}", f"An input topic whose action is {', '.join(others)}.", PAYLOAD, "input"
            ),
            COMMANDS: _channel(
                "{commands}", f"An input topic whose action is {TIMEOUT_COMMAND}.", COMMAND, "commands"
            ),
        },
        messages={PAYLOAD: payload, COMMAND: command},
        operations={
            "readPayload": operation(
                "receive", PAYLOADS, "Makes an event of each payload, exactly once.", (PAYLOAD,), group=group
            ),
            "readCommand": operation(
                "receive",
                COMMANDS,
                f"Makes an event of each command {TIMEOUT_COMMAND} for this runner.",
                (COMMAND,),
                group=group,
            ),
        },
    )


def _channel(address: str, summary: str, name: str, parameter: str) -> Node:
    made = channel(address, summary, (name,), partitions=_PARTITIONS, settings={})
    made["parameters"] = {parameter: {"description": "The name of an input, or its setting topic."}}
    return made


def _command() -> Node:
    moment: Node = {
        "type": ["integer", "string", "null"],
        "description": f"Of a {TIMEOUT_COMMAND}: epoch ms.",
    }
    return {
        "type": "object",
        "properties": {
            "action": {"description": f"Or command: {TIMEOUT_COMMAND}; any other is left alone."},
            "command": {"description": "The same as action."},
            "runner": {"description": "Another than the configured handler: the command is left alone."},
            "element": {"description": "The same as runner."},
            "deployments": {"description": "Deployments that are meant; absent: all."},
            "domain": {**TEXT, "type": ["string", "null"], "description": "It wins over that of the input."},
            "fromTime": moment,
            "from": moment,
            "toTime": moment,
            "to": moment,
        },
    }
