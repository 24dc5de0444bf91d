"""Moments as text, and what is new for every event and the same when it comes again."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.functions.calls import EVENT, GIVEN_MS, SomeEvent, called, check, check_refused, refused

MORNING: Final = 1_709_168_645_007
"""2024-02-29 01:04:05.007 UTC, a Thursday."""

CALLS: Final[list[tuple[str, Any, Any]]] = [
    ("date_to_string(@)", MORNING, "02-29-2024"),
    ("date_to_string(@, 'yyyy-MM-dd HH:mm:ss.SSS')", MORNING, "2024-02-29 01:04:05.007"),
    ("date_to_string(@, 'd.M.yy H:m:s.S')", MORNING, "29.2.24 1:4:5.0"),
    ("date_to_string(@, 'EEE, dd MMM yyyy')", MORNING, "Thu, 29 Feb 2024"),
    ("date_to_string(@, 'EEEE MMMM D DDD')", MORNING, "Thursday February 60 060"),
    ("date_to_string(@, 'hh a K k')", MORNING, "01 AM 1 1"),
    ("date_to_string(@, 'hh a K k HH')", 43_200_000, "12 PM 0 12 12"),
    ("date_to_string(@, 'hh a K k HH')", 0, "12 AM 0 24 00"),
    ("date_to_string(@, 'XXX X z Z')", 0, "Z Z UTC +0000"),
    ("date_to_string(@, 'yyyy-MM-dd')", -1, "1969-12-31"),
    ("date_to_string(@, 'yyyy-MM-dd')", -62_135_596_800_000, "0001-01-01"),
    ("date_to_string(@, 'yyyy-MM-dd SSSSSS')", 253_402_300_799_999, "9999-12-31 999000"),
    ("date_to_string(@, `\"yyyy'T'''''HH'o''clock'\"`)", 0, "1970T''00o'clock"),
    ("date_to_string(@, '北 - /')", 0, "北 - /"),
    ("date_to_string(@, 'yyyy')", 5.0, "1970"),
    ("string_to_date(@, 'MM-dd-yyyy')", "02-29-2024", MORNING - MORNING % 86_400_000),
    ("string_to_date(@)", "02-29-2024", MORNING - MORNING % 86_400_000),
    ("string_to_date(date_to_string(@))", 0, 0),
    (
        "string_to_date(@, 'yyyy-MM-dd HH:mm a EEE EEEE')",
        "2024-02-29 13:00 PM Thu Thursday",
        1_709_211_600_000,
    ),
    ("string_to_date(@, 'd dd MMM MMMM yy yyyy')", "1 01 Jan January 70 1970", 0),
    ("string_to_date(@, 'HH:mm XXX')", "18:00 +18:00", 0),
    ("string_to_date(@, 'HH:mm Z z')", "00:00 -0000 UTC", 0),
    ("string_to_date(@, `\"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\"`)", "2024-02-29T01:04:05.007Z", MORNING),
    ("string_to_date(@, `\"yyyy-MM-dd'T'HH:mm:ss.SSSXXX\"`)", "2024-02-29t03:34:05.007+02:30", MORNING),
    ("string_to_date(@, 'yyyy-MM-dd HH:mm Z')", "2024-02-28 20:04 -0500", MORNING - 5007),
    ("string_to_date(@, 'd.M.yy h:mm a')", "1.3.24 12:05 pm", 1_709_294_700_000),
    ("string_to_date(@, 'd MMM yyyy')", "1 mar 1970", 59 * 86_400_000),
    (
        "string_to_date(@, 'EEEE, MMMM d, yyyy')",
        "Thursday, February 29, 2024",
        MORNING - MORNING % 86_400_000,
    ),
    ("string_to_date(@, 'yyyy DDD')", "2024 366", 1_735_603_200_000),
    ("string_to_date(@, 'HH:mm')", "01:30", 5_400_000),
    ("string_to_date(@, 'kk')", "24", 0),
    ("string_to_date(@, 'K a')", "11 PM", 23 * 3_600_000),
    ("string_to_date(@, 'SSSSSS')", "123456", 123),
    ("string_to_date(@, 'yyyy z')", "1970 gmt", 0),
    ("string_to_date(@, 'yyyyMMddHHmmssSSS')", "20240229010405007", MORNING),
    ("now()", {}, GIVEN_MS),
    ("date_to_string(now(), 'yyyy-MM-dd')", {}, "2026-11-18"),
    ("rand(`5`, `5`)", {}, 5),
    ("rand(`2.5`, `2.5`)", {}, 2.5),
    ("length(uuid())", {}, 36),
    ("length(guid())", {}, 36),
]

REFUSALS: Final = [
    ("date_to_string(@)", "1795000000123", "ms is string"),
    ("date_to_string(@)", 1.5, "ms is number"),
    ("date_to_string(@)", 253_402_300_800_000, "years 1 to 9999"),
    ("date_to_string(@)", -(10**30), "years 1 to 9999"),
    ("date_to_string(@, 'YYYY')", 0, "the letter Y; known are yMdDEaHhkKmsSzZX"),
    ("date_to_string(@, 'yyyy w')", 0, "the letter w"),
    ("date_to_string(@, '')", 0, "empty"),
    ('date_to_string(@, `"\'open"`)', 0, "not closed"),
    ("date_to_string(@, '" + "y" * 129 + "')", 0, "128 characters"),
    ("string_to_date()", "02-29-2024", "given 0 arguments"),
    ("string_to_date(@, 'MM-dd-yyyy')", "2-29-2024", "does not have the form 'MM-dd-yyyy'"),
    ("string_to_date(@, 'MM-dd-yyyy')", "02-29-2024 ", "does not have the form"),
    ("string_to_date(@, 'MM-dd-yyyy')", "02-30-2024", "no moment of the calendar"),
    ("string_to_date(@, 'MM-dd-yyyy')", "02-29-2023", "no moment of the calendar"),
    ("string_to_date(@, 'MM-dd-yyyy')", "13-01-2024", "no moment of the calendar"),
    ("string_to_date(@, 'MM-dd-yyyy')", "00-01-2024", "no moment of the calendar"),
    ("string_to_date(@, 'yyyy DDD')", "2023 366", "no moment of the calendar"),
    ("string_to_date(@, 'yyyy')", "0000", "the years 1 to 9999"),
    ("string_to_date(@, 'yyyy XXX')", "0001 +00:01", "the years 1 to 9999"),
    ("string_to_date(@, 'yyyy-MM-dd HH:mm XXX')", "9999-12-31 23:59 -00:01", "the years 1 to 9999"),
    ("string_to_date(@, 'HH:mm XXX')", "00:00 +25:99", "offset that is none"),
    ("string_to_date(@, 'HH:mm Z')", "00:00 +0199", "offset that is none"),
    ("string_to_date(@, 'HH:mm XXX')", "00:00 +01:60", "offset that is none"),
    ("string_to_date(@, 'HH:mm XXX')", "00:00 -18:01", "offset that is none"),
    ("string_to_date(@, 'HH:mm XX')", "00:00 -19", "offset that is none"),
    ("string_to_date(@, 'HH:mm Z XXX')", "00:00 +0100 +02:00", "two time zones"),
    ("string_to_date(@, 'HH:mm z XXX')", "00:00 UTC +02:00", "two time zones"),
    ("string_to_date(@, 'yyyy-MM DDD')", "2024-02 060", "D, the day of the year, beside M or d"),
    ("string_to_date(@, 'DDD dd')", "001 01", "D, the day of the year, beside M or d"),
    ("string_to_date(@, 'yyyy DDD')", "2024 000", "no moment of the calendar"),
    ("string_to_date(@, 'yyyy-MM-dd')", "2024-02-00", "no moment of the calendar"),
    ("string_to_date(@, 'yyyy-MM-dd')", "2024-00-01", "no moment of the calendar"),
    ("string_to_date(@, 'HH:mm a')", "13:00 AM", "a does not fit"),
    ("string_to_date(@, 'HH:mm a')", "00:30 PM", "a does not fit"),
    ("string_to_date(@, 'HH hh')", "13 02", "h does not fit"),
    ("string_to_date(@, 'HH kk')", "00 23", "k does not fit"),
    ("string_to_date(@, 'K a')", "12 PM", "no moment of the calendar"),
    ("string_to_date(@, 'kk')", "25", "no moment of the calendar"),
    ("string_to_date(@, 'HH:mm:ss')", "23:59:60", "no moment of the calendar"),
    ("string_to_date(@, 'yy yyyy')", "24 1925", "y does not fit"),
    ("string_to_date(@, 'MM MMM')", "01 Feb", "M does not fit"),
    ("string_to_date(@, 'SSS S')", "123 2", "S does not fit"),
    ("string_to_date(@, 'HH:mm')", "24:00", "no moment of the calendar"),
    ("string_to_date(@, 'hh a')", "13 AM", "no moment of the calendar"),
    ("string_to_date(@, 'hh a')", "00 AM", "no moment of the calendar"),
    ("string_to_date(@, 'kk')", "00", "no moment of the calendar"),
    ("string_to_date(@, 'HH:mm')", "23:60", "no moment of the calendar"),
    ("string_to_date(@, 'EEE yyyy-MM-dd')", "Mon 2024-02-29", "E does not fit"),
    ("string_to_date(@, 'yyyy yyyy')", "2024 2023", "y does not fit"),
    (
        "string_to_date(@, 'dHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdHdH')",
        "1" * 100 + "x",
        "does not have the form",
    ),
    ("string_to_date(@, 'yyyy')", 2024, "text is number"),
    ("string_to_date(@, 'q')", "1", "the letter q"),
    ("now(@)", {}, "given 1 argument"),
    ("uuid(@)", {}, "given 1 argument"),
    ("guid(@)", {}, "given 1 argument"),
    ("rand(`6`, `1`)", {}, "min is more than max"),
    ("rand(`0`, `1e300`)", {}, "between -2^53 and 2^53"),
    ("rand('0', `1`)", {}, "min is string"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)


@given(moment=st.datetimes(min_value=datetime(1, 1, 1), max_value=datetime(9999, 12, 31)))  # noqa: DTZ001 - UTC below
def test_the_calendar_is_that_of_the_standard_library(moment: datetime) -> None:
    at = moment.replace(tzinfo=UTC)
    epoch_ms = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    form = "yyyy-MM-dd HH:mm:ss.SSS EEEE"
    text = f"{at:%Y}".zfill(4) + f"{at:-%m-%d %H:%M:%S.}{at.microsecond // 1000:03}{at: %A}"
    assert called("date_to_string(@, 'DDD')", epoch_ms) == f"{at:%j}"
    assert (
        called("string_to_date(@, 'yyyy DDD')", f"{at:%Y}".zfill(4) + f"{at: %j}")
        == epoch_ms - epoch_ms % 86_400_000
    )
    assert called(f"date_to_string(@, '{form}')", epoch_ms) == text
    assert called(f"string_to_date(@, '{form}')", text) == epoch_ms


# -- the same again, and never for another ---------------------------------------------------------------


def test_a_uuid_is_one_of_version_5_and_guid_is_another() -> None:
    drawn: Any = called("[uuid(), guid()]")
    uuid, guid = drawn
    form = r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert re.fullmatch(form, uuid)
    assert re.fullmatch(form, guid)
    assert uuid != guid


def test_the_same_event_draws_the_same_again() -> None:
    expression = "[uuid(), rand(`1`, `1000000`), guid(), now()]"
    assert called(expression) == called(expression, event=SomeEvent())


@pytest.mark.parametrize("draw", ["uuid()", "guid()", "rand(`0`, `9007199254740992`)", "rand(`0`, `0.5`)"])
def test_another_event_and_another_pattern_and_another_call_draw_something_else(draw: str) -> None:
    drawn = [
        called(draw),
        called(draw, pattern="outputPattern"),
        called(draw, event=SomeEvent(seed="1/0@101 req-1")),
        called(f"[{draw}, {draw}][1]"),
        called(f"dynamic_repeat(@, `[1, 2, 3]`, '{draw}')[2]"),
    ]
    assert len(set(map(str, drawn))) == len(drawn)


def test_what_an_event_draws_can_be_told_beforehand() -> None:
    """Written down here, so that a new version draws the same for an event that comes again."""
    assert called("uuid()") == "951d1b77-0d6c-5dca-823f-9524928c3372"
    assert called("rand(`1`, `1000`)") == 829


def test_whole_limits_give_whole_numbers_with_both_limits_among_them() -> None:
    drawn: Any = called("[" + ",".join(["rand(`1`, `3`)"] * 100) + "]")
    assert set(drawn) == {1, 2, 3}
    assert {type(number) for number in drawn} == {int}


def test_other_limits_give_a_number_between_them() -> None:
    drawn: Any = called("[" + ",".join(["rand(`-0.5`, `0.5`)"] * 100) + "]")
    assert all(-0.5 <= number < 0.5 for number in drawn)
    assert len(set(drawn)) == 100
    assert min(drawn) < -0.3
    assert max(drawn) > 0.3


def test_without_a_time_there_is_no_now() -> None:
    assert "now() takes (); here no time is known" in refused("now()", {}, SomeEvent(None))
    assert called("uuid()", event=SomeEvent(None)) == called("uuid()", event=EVENT)
