"""When and where an event was given: what `now`, `uuid` and `rand` in its patterns come from."""

from __future__ import annotations

import pytest
from msgspec import structs

from runner.actions.incoming import Headers, Incoming, size_of
from runner.tasks.source import Source
from tests.unit.actions.events import proceed

SENT_MS = 1_800_000_000_123


def given(headers: Headers = (), timestamp_ms: int | None = SENT_MS) -> Incoming:
    return structs.replace(proceed(), source=Source(1, 2, 30), headers=headers, timestamp_ms=timestamp_ms)


def test_an_event_was_given_when_its_message_was_sent() -> None:
    assert given().given_ms == SENT_MS
    assert given(timestamp_ms=None).given_ms is None


def test_an_event_that_was_sent_on_was_given_where_it_was_read_first() -> None:
    first = given()
    copy = structs.replace(
        first, source=Source(1, 3, 99), headers=first.forwarding_headers, timestamp_ms=SENT_MS + 5000
    )
    assert (copy.first_source, copy.given_ms) == (Source(1, 2, 30), SENT_MS)
    assert copy.seed == first.seed
    assert copy.forwarding_headers == first.forwarding_headers


def test_without_a_time_none_is_sent_on() -> None:
    assert given(timestamp_ms=None).forwarding_headers == (("runner-origin", b"1/2@30"),)


def test_the_same_event_sent_again_has_another_seed_and_so_has_another_request() -> None:
    one = given()
    assert structs.replace(one, source=Source(1, 2, 31)).seed != one.seed
    assert structs.replace(one, event=proceed(request={"id": "req-3"}).event).seed != one.seed


@pytest.mark.parametrize("time", [b"", b"x", b"-1", b"1.5", b"\xff", "²".encode(), b"9" * 16, b"9" * 5000])
def test_a_time_that_no_runner_wrote_counts_as_none(time: bytes) -> None:
    assert given((("runner-time", time),)).given_ms == SENT_MS


def test_the_size_of_headers_is_never_less_than_what_kafka_writes() -> None:
    """Length of the name, name, length of the value, value; lengths as zigzag varints."""
    headers = (("a", b""), ("ä" * 40, b"x" * 64), ("日" * 3000, b"y" * 1_100_000), *((("", b""),) * 100))
    written = 0
    for name, value in headers:
        for part in (name.encode(), value):
            written += len(part) + max(1, -(-(len(part) * 2).bit_length() // 7))
    assert written <= size_of(headers) <= written + 8 * len(headers)
