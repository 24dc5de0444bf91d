"""Notices and their messages for unit tests."""

import json
from typing import Any, Final

from runner.kafka.message import Message
from runner.notify.notice import Notice, read_notice

LIMIT: Final = 1_000_000


def cloud_event(event: str = "created", *, number: int = 1, **changes: Any) -> dict[str, Any]:
    """A notification as a worker writes it; ``changes`` are fields of ``data``."""
    task = changes.pop("task", {})
    return {
        "specversion": "1.0",
        "id": f"1/0@{number}-0",
        "source": "/tasks/orders",
        "type": f"saga.task.{event}",
        "subject": "t-1",
        "time": "2026-11-22T08:30:00Z",
        "data": {
            "task": {"id": "t-1", "domain": "orders", "name": "Order 7", "roles": ["manager"], **task},
            "actor": "ann",
            "recipients": {"user": "bob", "roles": ["manager"]},
            **changes,
        },
    }


def notice(event: str = "created", **changes: Any) -> Notice:
    return read_notice(json.dumps(cloud_event(event, **changes)).encode(), LIMIT)


def message(value: Any, offset: int = 0, partition: int = 0, headers: Any = ()) -> Message:
    raw = json.dumps(value).encode() if isinstance(value, dict) else value
    return Message(partition, offset, b"t-1", raw, headers)
