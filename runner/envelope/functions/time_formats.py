"""Moments as text: epoch ms to and from Java-style patterns, always UTC, names in English.

The calendar is reckoned here: nothing on this path may know a clock or a time zone. Days are counted
in eras of 400 years that begin on 1 March, where the leap day is the last of its year.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final, NamedTuple

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.merge import Json

MAX_CHARACTERS: Final = 128
"""Longest date pattern."""

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
WEEKDAYS: Final = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")
"""From the first day of 1970 on."""

_DAY_MS: Final = 86_400_000
_ERA_DAYS: Final = 146_097
_TO_1970: Final = 719_468
"""Days from 1 March of the year 0 to 1 January 1970."""

_MIN_MS: Final = -62_135_596_800_000
_MAX_MS: Final = 253_402_300_799_999
"""The years 1 to 9999."""

_MAX_OFFSET_MINUTES: Final = 18 * 60

_TOKEN: Final = re.compile(
    r"'(?P<quoted>(?:[^']|'')*)'|(?P<letter>[A-Za-z])(?P=letter)*|(?P<plain>[^A-Za-z']+)"
)
_SHORT: Final = 3
_UNITS_A_CHARACTER: Final = 2


class Part(NamedTuple):
    """A field of a date pattern, or (no letter) text that stands for itself."""

    letter: str
    width: int
    text: str = ""


class Moment(NamedTuple):
    """A moment in its parts, UTC."""

    year: int
    month: int
    day: int
    day_of_year: int
    weekday: str
    hour: int
    minute: int
    second: int
    ms: int


def date_to_string(evaluation: Evaluation, moment_ms: int, pattern: str) -> Json:
    """The moment as the pattern writes it."""
    parts = _parts_of(evaluation, pattern)
    if not _MIN_MS <= moment_ms <= _MAX_MS:
        raise Misuse("ms is not in the years 1 to 9999")
    moment = _moment(moment_ms)
    return "".join(_WRITTEN[part.letter](moment, part.width) if part.letter else part.text for part in parts)


def string_to_date(evaluation: Evaluation, text: str, pattern: str) -> Json:
    """The moment that a text of this pattern names, epoch ms; what it leaves open is 1970-01-01 00:00."""
    parts = _parts_of(evaluation, pattern)
    letters = {part.letter for part in parts}
    if "D" in letters and letters & {"M", "d"}:
        raise Misuse("pattern has D, the day of the year, beside M or d; leave one of them out")
    said: list[tuple[str, str]] = []
    place = 0
    for part in parts:
        end = _end(part, text, place)
        if end < 0:
            break
        if part.letter:
            said.append((_field(part), text[place:end].lower()))
        place = end
    else:
        if place == len(text):
            return _epoch_ms(said)
    raise Misuse(f"text does not have the form {pattern[:60]!r}")


def _moment(moment_ms: int) -> Moment:
    days, left = divmod(moment_ms, _DAY_MS)
    year, month, day = _date(days)
    hour, left = divmod(left, 3_600_000)
    minute, left = divmod(left, 60_000)
    second, ms = divmod(left, 1000)
    day_of_year = days - _days(year, 1, 1) + 1
    return Moment(year, month, day, day_of_year, WEEKDAYS[days % 7], hour, minute, second, ms)


def _date(days: int) -> tuple[int, int, int]:
    """Return year, month and day of a day, counted from 1970."""
    era, day_of_era = divmod(days + _TO_1970, _ERA_DAYS)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _days(year: int, month: int, day: int) -> int:
    """Return the number of a day, counted from 1970."""
    year -= month <= 2
    era, year_of_era = divmod(year, 400)
    day_of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    day_of_era = year_of_era * 365 + year_of_era // 4 - year_of_era // 100 + day_of_year
    return era * _ERA_DAYS + day_of_era - _TO_1970


# -- patterns ----------------------------------------------------------------------------------------


def _parts_of(evaluation: Evaluation, pattern: str) -> tuple[Part, ...]:
    evaluation.spend(len(pattern) * _UNITS_A_CHARACTER)
    parts = _parsed(pattern)
    if isinstance(parts, str):
        raise Misuse(parts)
    return parts


@lru_cache(maxsize=256)
def _parsed(pattern: str) -> tuple[Part, ...] | str:
    """Return the parts of a pattern, or what is wrong with it."""
    if not pattern or len(pattern) > MAX_CHARACTERS:
        return f"pattern is empty or longer than {MAX_CHARACTERS} characters"
    parts: list[Part] = []
    place = 0
    for token in _TOKEN.finditer(pattern):
        if token.start() != place:
            break
        place = token.end()
        letter = token["letter"] or ""
        if letter and letter not in _WRITTEN:
            return f"pattern has the letter {letter}; known are {LETTERS}, and text between single quotes"
        quoted = token["quoted"]
        text = (token["plain"] or "") if quoted is None else quoted.replace("''", "'") or "'"
        parts.append(Part(letter, len(token[0]), "" if letter else text))
    if place != len(pattern):
        return "pattern has a single quote that is not closed"
    return tuple(parts)


def _name(name: str, width: int) -> str:
    return name[:_SHORT] if width <= _SHORT else name


def _year(moment: Moment, width: int) -> str:
    return f"{moment.year % 100:02}" if width == 2 else f"{moment.year:0{width}}"


def _month_text(moment: Moment, width: int) -> str:
    return f"{moment.month:0{width}}" if width < _SHORT else _name(MONTHS[moment.month - 1], width)


_WRITTEN: Final[dict[str, Callable[[Moment, int], str]]] = {
    "y": _year,
    "M": _month_text,
    "d": lambda moment, width: f"{moment.day:0{width}}",
    "D": lambda moment, width: f"{moment.day_of_year:0{width}}",
    "E": lambda moment, width: _name(moment.weekday, width),
    "a": lambda moment, _: "AM" if moment.hour < 12 else "PM",
    "H": lambda moment, width: f"{moment.hour:0{width}}",
    "h": lambda moment, width: f"{moment.hour % 12 or 12:0{width}}",
    "k": lambda moment, width: f"{moment.hour or 24:0{width}}",
    "K": lambda moment, width: f"{moment.hour % 12:0{width}}",
    "m": lambda moment, width: f"{moment.minute:0{width}}",
    "s": lambda moment, width: f"{moment.second:0{width}}",
    "S": lambda moment, width: f"{moment.ms:03}".ljust(width, "0")[:width],
    "z": lambda *_: "UTC",
    "Z": lambda *_: "+0000",
    "X": lambda *_: "Z",
}
"""How each letter is written, in that many signs."""

LETTERS: Final = "".join(_WRITTEN)

_DIGITS: Final = frozenset("0123456789")
_ZONES: Final = {
    "z": re.compile("UTC|GMT|Z", re.IGNORECASE),
    "Z": re.compile(r"[+-]\d{4}", re.ASCII),
    "X": re.compile(r"Z|[+-]\d\d(?::?\d\d)?", re.ASCII | re.IGNORECASE),
}


def _end(part: Part, text: str, place: int) -> int:
    """Return where a part ends that begins at a place of the text; -1: it is not there."""
    if not part.letter:
        end = place + len(part.text)
        return end if text[place:end].lower() == part.text.lower() else -1
    if part.letter in _ZONES:
        found = _ZONES[part.letter].match(text, place)
        return -1 if found is None else found.end()
    is_name = part.letter in "Ea" or (part.letter == "M" and part.width >= _SHORT)
    return _name_end(part, text, place) if is_name else _digits_end(part, text, place)


def _name_end(part: Part, text: str, place: int) -> int:
    for name in {"M": MONTHS, "E": WEEKDAYS, "a": ("AM", "PM")}[part.letter]:
        end = place + len(_name(name, part.width))
        if text[place:end].lower() == _name(name, part.width).lower():
            return end
    return -1


def _digits_end(part: Part, text: str, place: int) -> int:
    """As many digits as the letter is wide; a single letter takes up to two, a single D up to three."""
    letter, width = part.letter, part.width
    least = max(width, 4) if letter == "y" and width != 2 else width
    alone = 3 if letter == "D" else 2
    most = alone if width == 1 and letter not in "yS" else least
    end = place
    while end < place + most and text[end : end + 1] in _DIGITS:
        end += 1
    return end if end - place >= least else -1


def _field(part: Part) -> str:
    """Name what a part says: the same letter in another form says something else."""
    is_name = part.letter in "ME" and part.width >= _SHORT
    is_short = part.letter == "y" and part.width == 2
    return f"{part.letter}{'name' if is_name else ''}{'short' if is_short else ''}"


# -- reading -----------------------------------------------------------------------------------------


def _epoch_ms(said: list[tuple[str, str]]) -> int:
    """Return the moment that the fields of a text name; Misuse unless it has every one of them.

    A day or an hour that does not exist becomes another one here, which does not fit its own field.
    """
    fields = dict(said)
    short = 2000 + int(fields["yshort"]) if "yshort" in fields else 1970
    year = _number(fields, "y", short)
    month = _number(fields, "M", _month(fields.get("Mname", "jan")))
    days = _days(year, month, _number(fields, "d", 1))
    if "D" in fields:
        days = _days(year, 1, _number(fields, "D", 1))
    ms = int(fields.get("S", "0").ljust(3, "0")[:3])
    minutes = _hour(fields) * 60 + _number(fields, "m", 0)
    local = days * _DAY_MS + minutes * 60_000 + _number(fields, "s", 0) * 1000 + ms
    offsets = [_offset_ms(text) for field, text in said if field in _ZONES] or [0]
    at = local - offsets[0]
    if not (_MIN_MS <= local <= _MAX_MS and _MIN_MS <= at <= _MAX_MS):
        raise Misuse("text names no moment of the years 1 to 9999")
    moment = _moment(local)
    for field, text in said:
        if field in _SAYS and not _SAYS[field](moment, text):
            raise Misuse(f"text names no moment of the calendar: {field[0]} does not fit")
    if len(set(offsets)) > 1:
        raise Misuse("text names two time zones, and not alike")
    return at


def _number(fields: dict[str, str], field: str, otherwise: int) -> int:
    return int(fields[field]) if field in fields else otherwise


def _month(name: str) -> int:
    return next(n for n, month in enumerate(MONTHS, 1) if month.lower().startswith(name))


def _hour(fields: dict[str, str]) -> int:
    """Return the hour of the day, however it is written."""
    if "H" in fields or "k" in fields:
        return _number(fields, "H", _number(fields, "k", 0) % 24)
    return _number(fields, "K", _number(fields, "h", 12) % 12) + 12 * (fields.get("a") == "pm")


def _offset_ms(text: str) -> int:
    """Return what a zone is ahead of UTC: no more than 18 hours, as in Java."""
    if text[0] not in "+-":
        return 0
    digits = text[1:].replace(":", "").ljust(4, "0")
    minutes = int(digits[:2]) * 60 + int(digits[2:])
    if int(digits[2:]) > 59 or minutes > _MAX_OFFSET_MINUTES:
        raise Misuse("text names an offset that is none: at most 18:00, with minutes up to 59")
    return minutes * 60_000 * (-1 if text[0] == "-" else 1)


def _counts(part: Callable[[Moment], int]) -> Callable[[Moment, str], bool]:
    return lambda moment, text: int(text) == part(moment)


_SAYS: Final[dict[str, Callable[[Moment, str], bool]]] = {
    "y": _counts(lambda moment: moment.year),
    "yshort": _counts(lambda moment: moment.year % 100),
    "M": _counts(lambda moment: moment.month),
    "Mname": lambda moment, text: MONTHS[moment.month - 1].lower().startswith(text),
    "d": _counts(lambda moment: moment.day),
    "D": _counts(lambda moment: moment.day_of_year),
    "E": lambda moment, text: moment.weekday.lower().startswith(text),
    "Ename": lambda moment, text: moment.weekday.lower().startswith(text),
    "a": lambda moment, text: (text == "pm") is (moment.hour >= 12),
    "H": _counts(lambda moment: moment.hour),
    "h": _counts(lambda moment: moment.hour % 12 or 12),
    "k": _counts(lambda moment: moment.hour or 24),
    "K": _counts(lambda moment: moment.hour % 12),
    "m": _counts(lambda moment: moment.minute),
    "s": _counts(lambda moment: moment.second),
    "S": lambda moment, text: text.ljust(3, "0")[:3] == f"{moment.ms:03}",
}
"""Whether a moment has what a field of a text says."""
