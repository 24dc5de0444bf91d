"""Dates: moments as people read them, in their language and their time zone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

_MINUTE: Final = 60_000
_HOUR: Final = 60 * _MINUTE
_DAY: Final = 24 * _HOUR
_UNITS: Final = ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "min"))
_LAST_MS: Final = 253_402_214_400_000
"""The last day that can be written."""


@dataclass(frozen=True, slots=True)
class Dates:
    """Writes moments, which are epoch ms."""

    language: str
    zone: tzinfo
    zone_name: str

    def moment(self, ms: int) -> str:
        """Return day and time; the zone too where it is not the reader's own."""
        found = self._local(ms)
        day = self._day(found)
        text = f"{day}, {found:%H:%M}"
        return text if self.zone is not UTC else f"{text} UTC"

    def time(self, ms: int) -> str:
        """Return the time of day."""
        return f"{self._local(ms):%H:%M}"

    def day(self, ms: int) -> str:
        """Return the day alone."""
        return self._day(self._local(ms))

    def short_day(self, ms: int) -> str:
        """Return day and month."""
        found = self._local(ms)
        if self.language == "de":
            return f"{found.day}.{found.month}."
        return f"{found.day} {_MONTHS[found.month - 1]}"

    def starts_of_days(self, now_ms: int, count: int) -> list[int]:
        """Return when each of the last days began, that of today last."""
        today = self._local(now_ms).date()
        days = [today - timedelta(days=back) for back in range(count - 1, -1, -1)]
        return [int(datetime.combine(day, time.min, self.zone).timestamp() * 1000) for day in days]

    def machine(self, ms: int) -> str:
        """Return a moment as HTML takes it in ``datetime``."""
        return datetime.fromtimestamp(_bounded(ms) / 1000, UTC).isoformat(timespec="seconds")

    def local_input(self, ms: int | None) -> str:
        """Return a moment as an input for date and time holds it."""
        return "" if ms is None else f"{self._local(ms):%Y-%m-%dT%H:%M}"

    def from_input(self, text: str) -> int | None:
        """Return the moment of such an input; None where it is none."""
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        aware = found if found.tzinfo is not None else found.replace(tzinfo=self.zone)
        try:
            return int(aware.timestamp() * 1000)
        except (OverflowError, ValueError):
            return None

    def _local(self, ms: int) -> datetime:
        return datetime.fromtimestamp(_bounded(ms) / 1000, self.zone)

    def _day(self, found: datetime) -> str:
        if self.language == "de":
            return f"{found:%d.%m.%Y}"
        return f"{found.day} {_MONTHS[found.month - 1]} {found.year}"


_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def span(ms: int) -> tuple[int, str]:
    """Return how long a time is: a number, and its unit (``d``, ``h`` or ``min``)."""
    for size, unit in _UNITS:
        if abs(ms) >= size:
            return abs(ms) // size, unit
    return 0, "min"


def _bounded(ms: int) -> int:
    return max(0, min(ms, _LAST_MS))


@lru_cache(maxsize=600)
def zone_of(name: str) -> tzinfo:
    """Return the time zone of a name of the tz database; UTC where there is none such."""
    if not name or len(name) > 60:
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        return UTC
