"""Headers that no runner writes: other clients can send them, and nobody may stumble over them."""

from __future__ import annotations

import contextlib
import ctypes
import time
from collections.abc import Collection
from typing import Final

import pytest
from confluent_kafka import Producer, cimpl

from runner.changelog.reader import KafkaChangelog
from runner.embedded import embedded_broker
from runner.errors import ChangelogUnreadable
from runner.kafka.kafka_log import KafkaLog
from runner.kafka.message import Message
from tests.waiting import WAIT_SECONDS

TOPIC: Final = 1
"""Tags of the arguments of rd_kafka_producev, as rdkafka.h numbers them."""
VALUE: Final = 4
HEADERS: Final = 10
END: Final = 0


class RawProducer:
    """librdkafka without its Python layer, which would refuse such names."""

    def __init__(self, bootstrap: str) -> None:
        pointer, text, size = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
        library = self._library = ctypes.CDLL(cimpl.__file__)
        library.rd_kafka_conf_new.restype = pointer
        library.rd_kafka_conf_set.argtypes = [pointer, text, text, text, size]
        library.rd_kafka_new.restype = pointer
        library.rd_kafka_new.argtypes = [ctypes.c_int, pointer, text, size]
        library.rd_kafka_headers_new.restype = pointer
        library.rd_kafka_headers_new.argtypes = [size]
        library.rd_kafka_header_add.argtypes = [pointer, text, ctypes.c_ssize_t, text, ctypes.c_ssize_t]
        library.rd_kafka_flush.argtypes = [pointer, ctypes.c_int]
        library.rd_kafka_destroy.argtypes = [pointer]
        properties, error = library.rd_kafka_conf_new(), ctypes.create_string_buffer(512)
        assert (
            library.rd_kafka_conf_set(properties, b"bootstrap.servers", bootstrap.encode(), error, 512) == 0
        )
        self._client = library.rd_kafka_new(0, properties, error, 512)
        assert self._client, error.value

    def send(self, topic: bytes, value: bytes, name: bytes) -> None:
        """Send a message with one header; returns once it is acknowledged."""
        headers = self._library.rd_kafka_headers_new(1)
        self._library.rd_kafka_header_add(headers, name, len(name), b"text", 4)
        failed = self._library.rd_kafka_producev(
            ctypes.c_void_p(self._client),
            *(ctypes.c_int(TOPIC), ctypes.c_char_p(topic)),
            *(ctypes.c_int(VALUE), ctypes.c_char_p(value), ctypes.c_size_t(len(value))),
            *(ctypes.c_int(HEADERS), ctypes.c_void_p(headers)),
            ctypes.c_int(END),
        )
        assert failed == 0
        assert self._library.rd_kafka_flush(self._client, int(WAIT_SECONDS * 1000)) == 0

    def close(self) -> None:
        self._library.rd_kafka_destroy(self._client)


class Listener:
    """Notes what was assigned."""

    def __init__(self) -> None:
        self.partitions: list[int] = []

    def assigned(self, partitions: Collection[int]) -> None:
        self.partitions += partitions

    def revoked(self, partitions: Collection[int]) -> None:
        del partitions


def read(log: KafkaLog, listener: Listener, number: int) -> list[Message]:
    """Poll until that many messages have come."""
    found: list[Message] = []
    opened, deadline = False, time.monotonic() + WAIT_SECONDS
    while len(found) < number:
        assert time.monotonic() < deadline, f"{len(found)} of {number} messages came"
        found += log.poll(10, 0.1)
        if listener.partitions and not opened:
            log.read_from({0: 0})
            opened = True
    return found


@pytest.mark.embedded
def test_a_message_with_a_header_name_that_is_no_text_is_read_as_one_and_the_next_after_it() -> None:
    with contextlib.ExitStack() as stack:
        bootstrap = stack.enter_context(embedded_broker({"requests": 1}))
        producer = RawProducer(bootstrap)
        stack.callback(producer.close)
        began_ms = int(time.time() * 1000)
        for value, name in ((b"one", b"fine"), (b"two", b"\xff\xfe"), (b"three", b"fine")):
            producer.send(b"requests", value, name)
        listener = Listener()
        brokers = {"bootstrap.servers": bootstrap}
        group = {**brokers, "group.id": "group", "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        log = KafkaLog("requests", group, brokers, listener, "topic-id")
        stack.callback(log.close)
        log.start()
        messages = read(log, listener, 3)
    assert [message.value for message in messages] == [b"one", b"two", b"three"]
    assert [bool(message.unreadable) for message in messages] == [False, True, False]
    assert [message.headers for message in messages] == [(("fine", b"text"),), (), (("fine", b"text"),)]
    ended_ms = int(time.time() * 1000)
    assert all(began_ms <= (message.timestamp_ms or 0) <= ended_ms for message in messages)


def _read_out(changelog: KafkaChangelog) -> None:
    while changelog.read() is not None:
        pass


@pytest.mark.embedded
@pytest.mark.parametrize("home", [None, b"", b"third"])
def test_a_message_of_the_changelog_whose_home_is_no_number_is_named(home: bytes | None) -> None:
    with contextlib.ExitStack() as stack:
        brokers = {"bootstrap.servers": stack.enter_context(embedded_broker({"tasks": 1}))}
        producer = Producer(brokers)
        producer.produce("tasks", b"value", b"key", headers=[("home", home)])
        assert producer.flush(WAIT_SECONDS) == 0
        changelog = stack.enter_context(contextlib.closing(KafkaChangelog("tasks", brokers, "group")))
        changelog.begin(0)
        with pytest.raises(ChangelogUnreadable, match="tasks/0@0"):
            _read_out(changelog)
