"""A worker with its homes open: what tests of the loop send it, and what it answered."""

from __future__ import annotations

from typing import Any

from tests.unit.worker.rig import Worker, event, sent


def start(name: str, **parameters: Any) -> bytes:
    return event("StartTask", name, name, **parameters)


def proceed(name: str) -> bytes:
    return event("ProceedTask", name, f"{name}-done")


def answered(worker: Worker) -> list[str]:
    """The request ids that were answered, in order."""
    return [sent(outgoing).request_id for outgoing in worker.log.sent if outgoing.stream == "responses"]


def opened(worker: Worker) -> Worker:
    """Step until its homes are open and it has nothing to do."""
    worker.until_idle()
    worker.log.calls.clear()
    return worker
