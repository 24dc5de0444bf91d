"""What the tests of the batch processor ask for again and again: events, and processes over one store."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from runner.clock import Ticker
from runner.kafka.message import Message
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.worker.result import BatchResult
from runner.worker.task_processor import TaskProcessor
from tests.unit.worker.rig import (
    DEAD_LETTERS,
    Harness,
    batch,
    event,
)


def status_of(record: Record | None) -> Status | None:
    return None if record is None else record.state.status


def start(request_id: str = "req-1", task_id: str = "task-1", **parameters: Any) -> bytes:
    return event("StartTask", task_id, request_id, **parameters)


def proceed(request_id: str = "req-2", task_id: str = "task-1") -> bytes:
    return event("ProceedTask", task_id, request_id)


def again(harness: Harness, *messages: Message) -> BatchResult:
    """The same messages, delivered to a fresh process."""
    return harness.another().run(batch(messages), {})


def sliced(harness: Harness, events: int, ticker: Ticker = lambda: 0.0, **terms: Any) -> TaskProcessor:
    """A process that decides so many events at once."""
    terms_of = replace(harness.terms, slice_events=events, **terms)
    return TaskProcessor(terms_of, harness.store, harness.topics, DEAD_LETTERS, harness.changelog, ticker)
