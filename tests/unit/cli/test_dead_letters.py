"""What a message of the dead-letter topic says, whatever its bytes are."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from runner.actions.decision import OutgoingMessage
from runner.cli.dlq.letters import (
    REPLAY_OF,
    REPLAYED,
    Letter,
    LetterFilter,
    LetterPlace,
    original_headers,
    parse_place,
    read_letter,
    replayed_place,
)
from runner.cli.dlq.list_command import Letters
from runner.cli.dlq.show_command import LONGEST_VALUE, value_lines
from runner.kafka.message import Message
from runner.kafka.topic_message import TopicMessage
from runner.worker.dead_letters import DeadLetters
from tests.unit.actions.events import FakeOutlet


def seen(
    outgoing: OutgoingMessage, partition: int = 3, offset: int = 7, time_ms: int | None = 1000
) -> TopicMessage:
    """The message as a reader of the topic sees it."""
    headers = {name: (value or b"").decode(errors="replace") for name, value in outgoing.headers}
    key = (outgoing.key or b"").decode(errors="replace")
    return TopicMessage(
        "dlq", partition, offset, time_ms, key, headers, outgoing.value, outgoing.key, outgoing.headers
    )


def buried(headers: tuple[tuple[str, bytes], ...] = (), value: bytes | None = b"odd") -> OutgoingMessage:
    message = Message(2, 40, b"k", value, headers)
    return DeadLetters("dlq", "requests", FakeOutlet(dlq=1_000_000)).message(message, "NOT_JSON", "no JSON")


def letter(time_ms: int | None, reason: str = "NOT_JSON", offset: int = 0) -> Letter:
    return Letter(LetterPlace(0, offset), time_ms, reason, "", "requests", None, "", 0, "")


def test_a_letter_says_what_the_worker_wrote_into_it() -> None:
    read = read_letter(seen(buried((("mine", b"\xff"),))))

    assert (str(read.place), read.reason, read.message) == ("3@7", "NOT_JSON", "no JSON")
    assert (read.topic, read.source, read.came_from) == ("requests", LetterPlace(2, 40), "requests/2@40")
    assert (read.key, read.size, read.again) == ("k", 3, "")


def test_the_original_headers_are_those_before_it_was_buried_and_before_it_was_replayed() -> None:
    original = (("a", b"\xff"), ("a", b"2"), ("traceparent", b"00-1"))
    once = buried((*original, (REPLAYED, b"dlq/3@1")))

    assert original_headers(once.headers) == original
    assert read_letter(seen(once)).again == "dlq/3@1"


def test_a_note_is_told_from_a_letter_and_speaks_of_its_own_partition_only() -> None:
    def note(value: bytes, partition: int = 3) -> LetterPlace | None:
        return replayed_place(seen(OutgoingMessage("dlq", b"k", None, ((REPLAY_OF, value),)), partition))

    assert note(b"3@5") == LetterPlace(3, 5)
    assert note(b"4@5") is None
    assert note(b"nonsense") is None
    forged = buried(((REPLAY_OF, b"3@5"),))
    assert replayed_place(seen(forged)) is None


def test_what_somebody_else_wrote_is_a_letter_from_nowhere() -> None:
    read = read_letter(seen(OutgoingMessage("dlq", None, None, ()), time_ms=None))

    assert (read.reason, read.topic, read.source, read.came_from) == ("-", None, None, "-")


def test_places_are_read_as_they_are_written() -> None:
    assert parse_place(str(LetterPlace(3, 17))) == LetterPlace(3, 17)
    for odd in ("", "3", "@", "3@", "-1@3", "3@4@5", "3@99999999999999999999", "٣@4"):
        assert parse_place(odd) is None


def test_reasons_and_times_choose() -> None:
    asked = LetterFilter(frozenset({"NOT_JSON"}), since_ms=10, until_ms=20)

    fitting = [time_ms for time_ms in (9, 10, 19, 20) if asked.fits(letter(time_ms))]
    assert fitting == [10, 19]
    assert asked.fits(letter(None))
    assert not asked.fits(letter(15, "TOO_LARGE"))
    assert LetterFilter().fits(letter(15, "anything"))


def test_of_many_letters_the_newest_are_kept_and_all_are_counted() -> None:
    letters = Letters()
    topic = [seen(buried(), offset=number, time_ms=number) for number in (5, 1, 4, 2, 3)]
    topic.append(seen(OutgoingMessage("dlq", b"k", None, ((REPLAY_OF, b"3@5"),))))

    newest = letters.newest(topic, LetterFilter(), 3)

    assert [each.time_ms for each in newest] == [3, 4, 5]
    assert letters.counts == {"NOT_JSON": 5}
    assert letters.replayed == {newest[-1].place}


@given(st.binary(max_size=300) | st.text(max_size=300).map(str.encode) | st.none())
def test_no_value_does_anything_to_a_terminal(value: bytes | None) -> None:
    assert all(line.isprintable() for line in value_lines(value))


def test_json_is_laid_out_and_what_is_long_is_cut() -> None:
    assert list(value_lines(b'{"a":[1,"\xc2\x9b"]}')) == [
        "{",
        '  "a": [',
        "    1,",
        r'    "\x9b"',
        "  ]",
        "}",
    ]
    long = list(value_lines(msgspec.json.encode("x" * (LONGEST_VALUE + 10))))
    assert long[-1] == "(12 more bytes; --raw gives all)"
    assert len(long[0]) == LONGEST_VALUE
    assert next(value_lines(b"x" + "任".encode() * LONGEST_VALUE)) == "x" + "任" * (LONGEST_VALUE // 3)
