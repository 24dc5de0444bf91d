"""Times and spans, as people read them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.cli.times import clock_time, from_now, minute, moment, read_moment, span

AT = datetime(2026, 11, 22, 2, 44, 12, 345_000, tzinfo=UTC)
AT_MS = int(AT.timestamp() * 1000)
LONGEST_MS = 2**53 - 1


def test_a_moment_is_local_time_with_utc_beside_it() -> None:
    local = AT.astimezone()

    shown = moment(AT_MS)

    assert shown.startswith(f"{local:%Y-%m-%d %H:%M:%S} ")
    assert shown.endswith("02:44:12 UTC)")


def test_a_time_of_day_has_milliseconds() -> None:
    assert clock_time(AT_MS) == f"{AT.astimezone():%H:%M:%S}.345"
    assert clock_time(None) == ""


def test_a_moment_no_calendar_reaches_is_shown_as_it_is() -> None:
    assert moment(LONGEST_MS) == f"{LONGEST_MS} ms since 1970 (beyond the calendar)"
    assert clock_time(LONGEST_MS) == str(LONGEST_MS)


@pytest.mark.parametrize(
    ("duration_ms", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1 s"),
        (1999, "1 s"),
        (60_000, "1 min"),
        (61_500, "1 min 1 s"),
        (3_600_000, "1 h"),
        (3_605_000, "1 h"),
        (7_500_000, "2 h 5 min"),
        (86_400_000 + 3_600_000, "1 d 1 h"),
        (-61_000, "1 min 1 s"),
    ],
)
def test_a_span_has_its_two_largest_units(duration_ms: int, shown: str) -> None:
    assert span(duration_ms) == shown


def test_a_moment_lies_ahead_or_back() -> None:
    assert from_now(61_000, 0) == "in 1 min 1 s"
    assert from_now(0, 2000) == "2 s ago"
    assert from_now(5, 5) == "now"


@given(st.integers(min_value=0, max_value=LONGEST_MS))
def test_every_time_a_task_can_have_is_shown(epoch_ms: int) -> None:
    assert moment(epoch_ms)
    assert clock_time(epoch_ms)
    assert span(epoch_ms)
    assert minute(epoch_ms)


@pytest.mark.parametrize(
    ("text", "epoch_ms"),
    [
        ("15min", AT_MS - 900_000),
        ("15m", AT_MS - 900_000),
        ("2 h", AT_MS - 7_200_000),
        ("3d", AT_MS - 3 * 86_400_000),
        ("10s", AT_MS - 10_000),
        ("2026-11-22T02:44:12.345Z", AT_MS),
        ("2026-11-22 03:44:12.345+01:00", AT_MS),
        ("2026-11-22T02:44:12.345z", AT_MS),
        ("2026-11-22t04:14:12.345 +0130", AT_MS),
        ("2026-11-22T03:44 +01:00", AT_MS // 60_000 * 60_000),
        (str(AT_MS), AT_MS),
        (str(AT_MS // 1000), AT_MS // 1000 * 1000),
    ],
)
def test_a_time_is_read_as_people_type_it(text: str, epoch_ms: int) -> None:
    assert read_moment(text, AT_MS) == epoch_ms


def test_a_time_without_an_offset_is_local() -> None:
    local = AT.astimezone().replace(tzinfo=None)
    assert read_moment(local.isoformat(), 0) == AT_MS
    assert read_moment(minute(AT_MS).replace(" +", "+").replace(" -", "-"), 0) == AT_MS // 60_000 * 60_000


NO_TIMES: Final = [
    *("", "yesterday", "5", "2h 5min", "-2h", "2026-13-01", "12:00", "٣h", "9" * 20, "1_795_000_000"),
    *("2026-11-22T24:00", "2026-11-22T03:44+01:99", "2026-11-22T03:44+25:00", "2026-11-22T03:60"),
    *("2026-02-30", "2026-11-22T03:44:60Z", "20261122", "2026-W47-1", "2026-11-22T03", "2026-11-22T0344"),
    *("2026-11-22x03:44", "\uff12\uff1026-11-22", "0000-01-01"),
]


@pytest.mark.parametrize("text", NO_TIMES)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - whatever the words
        read_moment(text, AT_MS)
