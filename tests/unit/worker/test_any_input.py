"""Whatever arrives is answered, buried byte for byte, or not for us; and the next event is handled.

Arbitrary bytes, JSON and headers go through the worker's batch processor, into a store that already holds a
task in every state. It must never raise and never stop.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.actions.decision import OutgoingMessage
from runner.actions.incoming import Headers
from runner.kafka.message import Message
from runner.worker.result import BatchResult
from tests.unit.worker.near_envelopes import EXTREMES, HEADERS, KEYS, VALUES
from tests.unit.worker.rig import DEAD_LETTERS, HOMES, NOW, Harness, batch, event, sent

GOOD = "the good event behind it"


def inhabited() -> Harness:
    """A harness whose store holds an open, a due, a proceeded and a timed out task, all on home 0."""
    harness = Harness()
    values = [
        event("StartTask", "open", "open"),
        event("StartTask", "timed", "timed", timeoutOn=NOW - 5),
        event("StartTask", "closed", "closed"),
        event("ProceedTask", "closed", "closed-done"),
        event("StartTask", "task-1", "over", timeoutOn=NOW - 9),
        event("TimeoutTask", "task-1", "over-done"),
    ]
    harness.run(*(harness.message(value) for value in values))
    return harness


def handled(
    value: bytes | None, headers: Headers, key: bytes | None, home: int
) -> tuple[Message, BatchResult]:
    """Process one message and the good one behind it; check that nothing is left over."""
    harness = inhabited()
    message = harness.message(value, home, headers, key)
    good = harness.message(event("StartTask", GOOD, GOOD), home)
    done = harness.process.run(batch([message, good]), {})
    assert harness.another().run(batch([message, good]), {}).outgoing == done.outgoing, (
        "redelivered, it says the same"
    )
    assert done.deferred == []
    assert done.paused == {}
    assert done.positions == {home: good.offset + 1}
    *before, last = done.outgoing
    assert (sent(last).request_id, sent(last).status) == (GOOD, "ACK")
    done.outgoing[:] = before
    return message, done


def what_became_of(message: Message, done: BatchResult) -> str:
    """Say what the messages of one message are; anything else than the expected is an error."""
    kinds = [_kind(outgoing, message) for outgoing in done.outgoing]
    if kinds == ["dead letter"]:
        return "buried"
    if "reply" in kinds:
        assert kinds.count("reply") == 1
        assert set(kinds[:-1]) <= {"resume", "timer"}
        assert kinds[-1] == "reply"
        return "answered"
    if kinds in (["forwarded"], [*kinds[:-1], "continuation"]):
        return "goes on"
    assert kinds in ([], ["resume"])
    return "timer" if _is_timer(message) else "ignored"


def _kind(outgoing: OutgoingMessage, message: Message) -> str:
    names = {name for name, _ in outgoing.headers}
    if outgoing.stream == DEAD_LETTERS:
        assert (outgoing.key, outgoing.value) == (message.key, message.value)
        assert outgoing.headers[: len(message.headers)] == message.headers
        assert "dead-letter-reason" in names
        return "dead letter"
    if outgoing.stream == "requests":
        assert outgoing.partition is not None
        assert 0 <= outgoing.partition < HOMES
        if outgoing.value == message.value:
            return "continuation" if "runner-period" in names else "forwarded"
        assert names == {"runner-timer"}
        return "timer"
    assert outgoing.stream in {"responses", "orders-out"}
    return sent(outgoing).kind


def _meta(message: Message) -> dict[str, Any]:
    meta = json.loads(message.value or b"")["eventMeta"]
    assert isinstance(meta, dict)
    return meta


def _is_timer(message: Message) -> bool:
    if not any(name == "runner-timer" for name, _ in message.headers):
        return False
    return bool(_meta(message).get("action") == "TimeoutTask")


def _is_for_others(message: Message) -> bool:
    meta = _meta(message)
    deployments = meta.get("deployments")
    if isinstance(deployments, str):
        deployments = [name.strip() for name in deployments.split(",") if name.strip()]
    ours = deployments in (None, []) or (isinstance(deployments, list) and "eu" in deployments)
    return meta.get("handler") not in (None, "", "user-task") or not ours


@given(VALUES, HEADERS, KEYS, st.integers(0, HOMES - 1))
@settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
def test_every_input_is_answered_buried_or_not_for_us_and_the_next_is_handled(
    value: bytes | None, headers: Headers, key: bytes | None, home: int
) -> None:
    message, done = handled(value, headers, key, home)
    if what_became_of(message, done) == "ignored":
        assert _is_for_others(message)


@pytest.mark.parametrize("number", range(len(EXTREMES)))
def test_every_extreme_is_answered_or_buried_and_the_next_is_handled(number: int) -> None:
    message, done = handled(EXTREMES[number], (), b"key", 0)
    assert what_became_of(message, done) in {"answered", "buried"}
