"""The changelog: every change of a task, as start and state and as other parts, and their tombstones."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from runner.changelog.codec import (
    DOMAIN_IN_KEY,
    EVENT,
    FORMAT,
    HOME,
    REVISION,
    SOURCE,
    ChangelogEntry,
    PartEntry,
)
from runner.cli.asyncapi.building import (
    NOTHING,
    TEXT,
    Node,
    TopicDescription,
    channel,
    fields,
    message,
    of_file,
    operation,
)
from runner.cli.asyncapi.headers import headers
from runner.cli.topics_command import wanted_topics
from runner.config import Config
from runner.config.sections.kafka import TASKS
from runner.tasks import schema
from runner.tasks.source import WRITTEN

CHANNEL: Final = "tasks"
CHANGED: Final = "taskChanged"
REMOVED: Final = "taskRemoved"
PART_REMOVED: Final = "partRemoved"

_RECORD: Final = "record.schema.json"
_MAIN: Final = ("state", "start")
_HEADERS: Final = headers((REVISION, SOURCE, HOME, EVENT))
_OF_ENTRIES: Final[dict[str, Node]] = {
    "format": {"const": FORMAT, "description": "Version of the value; refuse one you do not know."},
    "domain": {**TEXT, "description": "That of the task; of a definition, with a word behind a space."},
    "id": TEXT,
    "revision": {"type": "integer", "minimum": 1, "description": "Counts the changes of the record."},
    "state": of_file(f"{_RECORD}#/$defs/TaskState"),
    "start": of_file(f"{_RECORD}#/$defs/TaskStart"),
    "source": {
        "type": "string",
        "pattern": f"^{WRITTEN.pattern}$",
        "description": "Source of the StartTask of this round; a part of another round is old.",
    },
}
_KEY_OF_TASK: Final[Node] = {
    "type": "string",
    "pattern": f"^{DOMAIN_IN_KEY}:",
    "description": "Domain and task id, domain:id; a colon in the domain is written %3A, a percent sign %25.",
}


def changelog(config: Config) -> TopicDescription:
    """Return channel, messages and operations of the changelog."""
    name = TASKS if config.topics.tasks is None else config.topics.tasks
    parts = {_message_of(part): _part(part) for part in _parts()}
    messages = {CHANGED: _changed(), **parts, REMOVED: _removed(), PART_REMOVED: _part_removed()}
    return TopicDescription(
        channels={
            CHANNEL: channel(
                name,
                "Every change of a task, in the transaction that commits it.",
                messages,
                partitions=(
                    "The shard of the task; as many partitions as redis.shards. All messages about a task "
                    "are in one partition, in the order of its changes."
                ),
                settings=wanted_topics(config)[name],
                description=(
                    "Read it with isolation.level read_committed. The state of a task is that of its "
                    "messages of the same source; whether it is open, only state says. There is no such "
                    "topic where topics.tasks is null."
                ),
            )
        },
        messages=messages,
        operations={
            "tellChange": operation(
                "send", CHANNEL, "Tells a change of a record, a message for each part.", (CHANGED, *parts)
            ),
            "tellRemoval": operation(
                "send",
                CHANNEL,
                "Tells that a record was removed after its retention, or that a part of it is gone.",
                (REMOVED, PART_REMOVED),
            ),
            "restore": operation(
                "receive",
                CHANNEL,
                "Fills Redis again, where it has lost something. It belongs to no consumer group.",
                messages,
            ),
        },
    )


def _parts() -> dict[str, str]:
    """Return the reference to the schema of each part beside start and state, by the pattern of its name."""
    record = schema.json_schema()
    single = {f"^{name}$": node for name, node in record["properties"].items() if name not in _MAIN}
    return {pattern: node["$ref"] for pattern, node in (single | record["patternProperties"]).items()}


def _message_of(part: str) -> str:
    """Return the name of the message of a part."""
    return f"{_word(part)}Changed"


def _word(part: str) -> str:
    return part.strip("^$").partition("/")[0]


def _entry(struct: type[msgspec.Struct], **more: Any) -> Node:
    """Return the schema of a value, with the fields of its struct."""
    described = _OF_ENTRIES | more
    return fields(
        {field.encode_name: described[field.encode_name] for field in msgspec.structs.fields(struct)}
    )


def _changed() -> Node:
    return message(
        "Start and state of a task",
        "The task after a change of its state: after its start, or its end.",
        key=_KEY_OF_TASK,
        headers=_HEADERS,
        payload=_entry(ChangelogEntry),
    )


def _part(part: str) -> Node:
    word = _word(part)
    return message(
        f"Part {word} of a task",
        f"The part {word} after a change; docs/protocol.md says what it is.",
        key=_key_of_part(part.strip("^$")),
        headers=_HEADERS,
        payload=_entry(
            PartEntry, part={"type": "string", "pattern": part}, value=of_file(f"{_RECORD}{_parts()[part]}")
        ),
    )


def _removed() -> Node:
    return message(
        "A task was removed",
        "A tombstone: the record was removed after its retention.",
        key=_KEY_OF_TASK,
        headers=headers(),
        payload=NOTHING,
    )


def _part_removed() -> Node:
    any_part = "|".join(part.strip("^$") for part in _parts())
    return message(
        "A part is gone",
        "A tombstone: the task was removed or started anew, or a verb has cleared the part.",
        key=_key_of_part(f"({any_part})"),
        headers=headers(),
        payload=NOTHING,
    )


def _key_of_part(part: str) -> Node:
    return {
        "type": "string",
        "pattern": f"^{DOMAIN_IN_KEY}%{part}:",
        "description": "domain%part:id; the domain written as in the key of the task.",
    }
