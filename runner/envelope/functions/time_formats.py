"""Moments as text: epoch ms to and from Java-style patterns, always UTC, names in English."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.values import Json

MAX_CHARACTERS: Final = 128
"""Longest date pattern."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_MAX_OFFSET_MINUTES: Final = 18 * 60

_TOKEN: Final = re.compile(
    r"'(?P<quoted>(?:[^']|'')*)'|(?P<letter>[A-Za-z])(?P=letter)*|(?P<plain>[^A-Za-z']+)"
)
_SHORT: Final = 3
_UNITS_A_CHARACTER: Final = 2

_NUMBERS: Final[dict[str, Callable[[datetime], int]]] = {
    "y": lambda moment: moment.year,
    "M": lambda moment: moment.month,
    "d": lambda moment: moment.day,
    "D": lambda moment: moment.timetuple().tm_yday,
    "E": lambda moment: moment.isoweekday(),
    "a": lambda moment: moment.hour // 12,
    "H": lambda moment: moment.hour,
    "h": lambda moment: moment.hour % 12 or 12,
    "k": lambda moment: moment.hour or 24,
    "K": lambda moment: moment.hour % 12,
    "m": lambda moment: moment.minute,
    "s": lambda moment: moment.second,
    "S": lambda moment: moment.microsecond // 1000,
}
"""The number of each letter at a moment; months and weekdays count from 1."""

_MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NAMES: Final = {
    "M": dict(zip(_MONTHS, range(1, 13), strict=True)),
    "E": dict(zip(_WEEKDAYS, range(1, 8), strict=True)),
    "a": {"AM": 0, "PM": 1},
}

_ZONE_OF_UTC: Final = {"z": "UTC", "Z": "+0000", "X": "Z"}
_ZONES: Final = {
    "z": re.compile("UTC|GMT|Z", re.IGNORECASE),
    "Z": re.compile(r"[+-]\d{4}", re.ASCII),
    "X": re.compile(r"Z|[+-]\d\d(?::?\d\d)?", re.ASCII | re.IGNORECASE),
}
LETTERS: Final = "".join((*_NUMBERS, *_ZONES))
_DIGITS: Final = frozenset("0123456789")


class PatternPart(NamedTuple):
    """A field of a date pattern, or (no letter) text that stands for itself."""

    letter: str
    width: int
    text: str
    names: Mapping[str, int]
    """The names that the field is written with, and their numbers; none for a number."""

    @property
    def is_short_year(self) -> bool:
        return self.letter == "y" and self.width == 2


def date_to_string(evaluation: Evaluation, moment_ms: int, pattern: str) -> Json:
    """Return the moment as the pattern writes it."""
    parts = _parts_of(evaluation, pattern)
    try:
        moment = _EPOCH + moment_ms * _MS
    except OverflowError as error:
        raise Misuse("ms is not in the years 1 to 9999") from error
    return "".join(_written(part, moment) for part in parts)


def string_to_date(evaluation: Evaluation, text: str, pattern: str) -> Json:
    """Return the moment that a text of this pattern names, in epoch ms; the rest is 1970-01-01 00:00."""
    parts = _parts_of(evaluation, pattern)
    letters = {part.letter for part in parts}
    if "D" in letters and letters & {"M", "d"}:
        raise Misuse("pattern has D, the day of the year, beside M or d; leave one of them out")
    fields: list[tuple[PatternPart, str]] = []
    place = 0
    for part in parts:
        end = _end(part, text, place)
        if end < 0:
            break
        if part.letter:
            fields.append((part, text[place:end].lower()))
        place = end
    else:
        if place == len(text):
            return _epoch_ms(fields)
    raise Misuse(f"text does not have the form {pattern[:60]!r}")


# -- patterns ----------------------------------------------------------------------------------------


def _parts_of(evaluation: Evaluation, pattern: str) -> tuple[PatternPart, ...]:
    evaluation.spend(len(pattern) * _UNITS_A_CHARACTER)
    parts = _parsed(pattern)
    if isinstance(parts, str):
        raise Misuse(parts)
    return parts


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> tuple[PatternPart, ...] | str:
    """Return the parts of a pattern, or what is wrong with it."""
    if not pattern or len(pattern) > MAX_CHARACTERS:
        return f"pattern is empty or longer than {MAX_CHARACTERS} characters"
    parts: list[PatternPart] = []
    place = 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != place:
            break
        place = token.end()
        letter = token["letter"] or ""
        if letter and letter not in LETTERS:
            return f"pattern has the letter {letter}; known are {LETTERS}, and text between single quotes"
        quoted = token["quoted"]
        text = (token["plain"] or "") if quoted is None else quoted.replace("''", "'") or "'"
        width = len(token[0])
        parts.append(PatternPart(letter, width, "" if letter else text, _names_of(letter, width)))
    if place != len(pattern):
        return "pattern has a single quote that is not closed"
    return tuple(parts)


def _names_of(letter: str, width: int) -> dict[str, int]:
    if letter not in _NAMES or (letter == "M" and width < _SHORT):
        return {}
    end = _SHORT if width <= _SHORT else None
    return {name[:end]: number for name, number in _NAMES[letter].items()}


# -- writing -----------------------------------------------------------------------------------------


def _written(part: PatternPart, moment: datetime) -> str:
    if not part.letter:
        return part.text
    if part.letter in _ZONES:
        return _ZONE_OF_UTC[part.letter]
    number = _number_of(part, moment)
    for name, named in part.names.items():
        if named == number:
            return name
    if part.letter == "S":
        return f"{number:03}".ljust(part.width, "0")[: part.width]
    return f"{number:0{part.width}}"


def _number_of(part: PatternPart, moment: datetime) -> int:
    number = _NUMBERS[part.letter](moment)
    return number % 100 if part.is_short_year else number


# -- reading -----------------------------------------------------------------------------------------


def _end(part: PatternPart, text: str, place: int) -> int:
    """Return where a part ends that begins at a place of the text; -1: it is not there."""
    if part.letter in _ZONES:
        zone = _ZONES[part.letter].match(text, place)
        return -1 if zone is None else zone.end()
    spellings = part.names if part.letter else (part.text,)
    for spelling in spellings:
        end = place + len(spelling)
        if text[place:end].lower() == spelling.lower():
            return end
    return -1 if spellings else _digits_end(part, text, place)


def _digits_end(part: PatternPart, text: str, place: int) -> int:
    """Return where a number ends: it has as many digits as its letter is wide.

    A single letter takes up to two, a single D up to three.
    """
    letter, width = part.letter, part.width
    least = max(width, 4) if letter == "y" and width != 2 else width
    alone = 3 if letter == "D" else 2
    most = alone if width == 1 and letter not in "yS" else least
    end = place
    while end < place + most and text[end : end + 1] in _DIGITS:
        end += 1
    return end if end - place >= least else -1


def _epoch_ms(fields: list[tuple[PatternPart, str]]) -> int:
    """Return the moment that the fields of a text name; Misuse unless it has every one of them.

    A day or an hour that does not exist becomes another one here, which does not fit its own field.
    """
    read = [(part, _read(part, text)) for part, text in fields if part.letter not in _ZONES]
    offsets = [_offset(text) for part, text in fields if part.letter in _ZONES] or [timedelta()]
    try:
        local = _moment({"yy" if part.is_short_year else part.letter: number for part, number in read})
        epoch_ms = (local - offsets[0] - _EPOCH) // _MS
    except (ValueError, OverflowError) as error:
        raise Misuse("text names no moment of the years 1 to 9999") from error
    for part, number in read:
        if _number_of(part, local) != number:
            raise Misuse(f"text names no moment of the calendar: {part.letter} does not fit")
    if len(set(offsets)) > 1:
        raise Misuse("text names two time zones, and not alike")
    return epoch_ms


def _read(part: PatternPart, text: str) -> int:
    for name, number in part.names.items():
        if name.lower() == text:
            return number
    return int(text.ljust(_SHORT, "0")[:_SHORT] if part.letter == "S" else text)


def _moment(numbers: dict[str, int]) -> datetime:
    """Return the moment of these numbers; ValueError and OverflowError beyond the years 1 to 9999."""
    year = numbers.get("y", 2000 + numbers["yy"] if "yy" in numbers else 1970)
    year, month = divmod(year * 12 + numbers.get("M", 1) - 1, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC) + timedelta(
        days=numbers.get("D", numbers.get("d", 1)) - 1,
        hours=_hour(numbers),
        minutes=numbers.get("m", 0),
        seconds=numbers.get("s", 0),
        milliseconds=numbers.get("S", 0),
    )


def _hour(numbers: dict[str, int]) -> int:
    """Return the hour of the day, however it is written."""
    if "H" in numbers or "k" in numbers:
        return numbers.get("H", numbers.get("k", 0) % 24)
    return numbers.get("K", numbers.get("h", 12) % 12) + 12 * numbers.get("a", 0)


def _offset(text: str) -> timedelta:
    """Return what a zone is ahead of UTC: no more than 18 hours, as in Java."""
    if text[0] not in "+-":
        return timedelta()
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if int(digits[2:]) > 59 or minutes > _MAX_OFFSET_MINUTES:
        raise Misuse("text names an offset that is none: at most 18:00, with minutes up to 59")
    return timedelta(minutes=-minutes if text[0] == "-" else minutes)
