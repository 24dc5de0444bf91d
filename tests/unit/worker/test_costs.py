"""What the worker adds to what no worker can do without, in processor time: a guard against slow creep.

Ratios of one run only: both sides are measured in turns in this thread, so that a slow or a busy machine
slows both. ``make bench`` has the figures that count.
"""

from __future__ import annotations

import time
from statistics import median
from typing import Final

from runner.envelope.codec import JsonCodec
from tests.unit.worker.rig import Harness, batch, event

EVENTS: Final = 300
ROUNDS: Final = 7
LARGEST: Final = 35.0
"""Decode, decide, apply and tell, as a multiple of reading each event and writing three. It was 19."""


def test_an_event_costs_no_more_than_a_multiple_of_reading_and_writing_it() -> None:
    bare, whole = [], []
    for round_ in range(ROUNDS):
        harness = Harness(with_changelog=True)
        values = [_start(round_, number) for number in range(EVENTS)]
        values += [_proceed(round_, number) for number in range(EVENTS)]
        messages = [harness.message(value) for value in values]
        bare.append(_seconds_of_codec(values))
        began = time.thread_time()
        done = harness.process.run(batch(messages), {})
        whole.append(time.thread_time() - began)
        assert done.counts == {("StartTask", "ACK"): EVENTS, ("ProceedTask", "PROCEEDED"): EVENTS}
    assert median(whole) < LARGEST * median(bare)


def _seconds_of_codec(values: list[bytes]) -> float:
    """Return what it takes to read each event, and to write an answer and a half and its task."""
    codec = JsonCodec()
    began = time.thread_time()
    for value in values:
        sections = codec.decode(value)
        sections["result"] = {"receiveTime": 0, "endTime": 0, "status": "ACK"}
        for _ in range(3):
            codec.encode(sections)
    return time.thread_time() - began


def _start(round_: int, number: int) -> bytes:
    return event("StartTask", f"t{round_}-{number}", f"s{round_}-{number}")


def _proceed(round_: int, number: int) -> bytes:
    form = {"form": {"note": "x" * 300}}
    return event("ProceedTask", f"t{round_}-{number}", f"p{round_}-{number}", payload=form, enrichPath="form")
