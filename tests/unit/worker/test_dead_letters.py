"""A dead letter is the message byte for byte, with where from and why."""

from __future__ import annotations

import pytest

from runner.actions.incoming import size_of
from runner.actions.render import OVERHEAD_BYTES
from runner.errors import EventError
from runner.kafka.message import Message
from runner.worker.dead_letters import MAX_MESSAGE_CHARACTERS, DeadLetters
from tests.unit.actions.events import FakeOutlet


def taking(size: int | None) -> DeadLetters:
    """The dead letters of ``requests``, in a topic that takes so much; None: there is no such topic."""
    return DeadLetters("dead-letters", "requests", FakeOutlet(dead_letters=size))


BOX = taking(100_000)


def test_key_value_and_headers_are_kept_byte_for_byte() -> None:
    headers = (("twice", b"\x00\xff"), ("twice", b""), ("dead-letter-reason", b"of another time"))
    letter = BOX.message(Message(3, 41, b"\xfe", b"\xff\x00", headers), "NOT_UTF8", "why")
    assert (letter.stream, letter.key, letter.value, letter.partition) == (
        "dead-letters",
        b"\xfe",
        b"\xff\x00",
        None,
    )
    assert letter.headers[:3] == headers


def test_a_tombstone_without_key_stays_one() -> None:
    letter = BOX.message(Message(0, 0, None, None), "TOMBSTONE", "")
    assert letter.key is None
    assert letter.value is None


def test_headers_say_where_from_and_why() -> None:
    letter = BOX.message(Message(3, 41, None, b"x"), "NOT_JSON", "the value is not JSON")
    assert letter.headers == (
        ("dead-letter-topic", b"requests"),
        ("dead-letter-partition", b"3"),
        ("dead-letter-offset", b"41"),
        ("dead-letter-reason", b"NOT_JSON"),
        ("dead-letter-message", b"the value is not JSON"),
    )


def test_the_text_is_shortened_and_can_always_be_written() -> None:
    letter = BOX.message(Message(0, 0, None, b"x"), "WHY", "\ud800" + "é" * 1000)
    text = dict(letter.headers)["dead-letter-message"]
    assert text == ("?" + "é" * (MAX_MESSAGE_CHARACTERS - 1)).encode()


def test_the_largest_letter_is_one_of_exactly_the_limit() -> None:
    message = Message(0, 0, b"key", b"value", (("name", b"text"),))
    letter = BOX.message(message, "WHY", "text")
    size = size_of(letter.headers) + len(b"keyvalue") + OVERHEAD_BYTES
    assert taking(size).message(message, "WHY", "text") == letter
    with pytest.raises(EventError, match="does not take a dead letter") as caught:
        taking(size - 1).message(message, "WHY", "text")
    assert caught.value.code == 13020


def test_without_a_topic_there_is_no_letter_and_the_error_names_the_way_out() -> None:
    with pytest.raises(EventError, match=r"'dead-letters'.*create it"):
        taking(None).message(Message(0, 0, None, b""), "WHY", "")
