"""Any events in a row, on two tasks and two homes: answered once each, and the same when they come again.

changelog, poison limit, then for each event: home, header, key, task and request, the event
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from runner.actions.decision import OutgoingMessage
from runner.kafka.message import Message
from runner.worker.result import BatchResult
from tests.fuzz.documented import codes, reasons
from tests.fuzz.draw import Draw
from tests.fuzz.events import ACTIONS, PLACES, WORDS, sent, sent_headers
from tests.fuzz.target import Target
from tests.unit.worker.rig import DEAD_LETTERS, HOMES, TASKS, Harness, batch

MOST: Final = 4
TURNS: Final = 12
"""Each turn gets on by one event at least."""


def check(data: bytes) -> None:
    """Process some messages to the end, every batch twice."""
    draw = Draw(data)
    harness = Harness(with_changelog=bool(draw.number(2)))
    waiting: Sequence[Message] = [message(harness, draw) for _ in range(1 + draw.number(MOST))]
    for _ in range(TURNS):
        if not waiting:
            return
        done = harness.process.run(batch(waiting), {})
        again = harness.another().run(batch(waiting), {})
        assert again.outgoing == done.outgoing, "redelivered, it says something else"
        assert (again.positions, again.deferred) == (done.positions, done.deferred)
        assert not done.paused
        check_positions(waiting, done)
        for outgoing in done.outgoing:
            check_emit(outgoing, waiting)
        waiting = done.deferred
        harness.ticker.advance(draw.number(8) * 10)
    raise AssertionError("it does not come to an end")


def message(harness: Harness, draw: Draw) -> Message:
    """An event as it was drawn, about one of two tasks; or no event at all."""
    home, headers, key = draw.number(2), sent_headers(draw), draw.of((b"key", None))
    task, request = draw.of((b"task-1", b"task-2")), draw.of((b"req-1", b"req-2"))
    value = sent(draw).replace(b"task-1", task).replace(b"req-1", request)
    return harness.message(draw.of((value, value, value, None, b"[]")), home, headers, key)


def check_positions(waiting: Sequence[Message], done: BatchResult) -> None:
    """What is not held is done with, and something is."""
    held = {(each.partition, each.offset) for each in done.deferred}
    passed = [each for each in waiting if (each.partition, each.offset) not in held]
    assert passed
    expected: dict[int, int] = {}
    for each in passed:
        expected[each.partition] = each.offset + 1
    assert done.positions == expected


def check_emit(outgoing: OutgoingMessage, waiting: Sequence[Message]) -> None:
    """Every message that is sent has its place, and says what is documented."""
    headers = dict(outgoing.headers)
    if outgoing.stream == TASKS:
        assert outgoing.key
    elif outgoing.stream == "requests":
        assert outgoing.value
        assert outgoing.partition in range(HOMES)
    elif outgoing.stream == DEAD_LETTERS:
        assert headers["dead-letter-reason"].decode() in reasons()
        assert (outgoing.key, outgoing.value) in [(each.key, each.value) for each in waiting]
    else:
        result = json.loads(outgoing.value or b"")["result"]
        assert headers["event-status"].decode() == result["status"]
        assert result["status"] != "FAIL" or result["error"]["code"] in codes()


def seeds() -> Iterable[bytes]:
    """Every two actions in a row, on one task and on two, on one home and on two."""
    for first in range(len(ACTIONS)):
        for second in range(len(ACTIONS)):
            one, other = bytes([first, 0, 0, 0]), bytes([second, 0, 0, 0])
            yield b"\x01\x01" + b"\x00\x00\x00\x00\x00" + one + b"\x00\x00\x00\x00\x01" + other
            yield b"\x01\x01" + b"\x00\x00\x00\x00\x00" + one + b"\x01\x00\x00\x00\x01" + other
            yield b"\x00\x02" + b"\x00\x00\x00\x01\x00" + one + b"\x00\x00\x00\x00\x00" + other + b"\x00" * 5
    due = bytes([0, 1, PLACES.index(("eventMeta", "parameters", "timeoutOn")), 0, 0, 3, 0, 0])
    yield b"\x00\x03" + b"\x00" * 5 + due + b"\x00" * 5 + bytes([3, 0, 0, 0])


TARGET: Final = Target(
    "batches",
    "any events in a row on two tasks and two homes, every batch twice",
    check,
    seeds,
    " ".join((*WORDS, "1/0@0;1800000000000;0")),
)
