"""What the encoding of an event costs by itself: read as the worker reads it, and answered once."""

from __future__ import annotations

import time
from typing import Final

from runner.envelope.avro import AvroCodec
from runner.envelope.codec import Codec, JsonCodec
from tests.bench.events import start_event

EVENTS: Final = 20_000
CODECS: Final[dict[str, Codec]] = {"json": JsonCodec(), "avro": AvroCodec()}
"""Confluent's wire format has the record of ``avro`` behind another prefix."""


def measure_codec(codec: Codec) -> float:
    """Return microseconds an event."""
    json = JsonCodec()
    value = codec.encode(json.decode(start_event(1, "codec").value))
    began = time.perf_counter()
    for _ in range(EVENTS):
        sections = json.decode(codec.to_json(value))
        sections["result"] = {"receiveTime": 0, "endTime": 0, "status": "ACK"}
        codec.encode(sections)
    return (time.perf_counter() - began) / EVENTS * 1_000_000
