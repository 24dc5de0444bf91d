"""Times and spans for people: local time with UTC beside it, spans in the two largest units."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_UNIT_MS: Final = {"s": 1000, "m": 60_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_SPAN: Final = re.compile(r"(\d{1,9}) ?(s|min|m|h|d)", re.ASCII)
_EPOCH: Final = re.compile(r"[0-9]{10,15}")
_SECONDS_DIGITS: Final = 10
_CLOCK: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
_OFFSET: Final = r"(?:[Zz]|[+-](?:0[0-9]|1[0-8]):?[0-5][0-9])"
_DATE_AND_TIME: Final = re.compile(rf"[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[Tt ]{_CLOCK} ?{_OFFSET}?)?")
"""What Python's parser takes besides depends on its version, and it takes offsets that do not exist."""

_UNITS: Final = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))


def moment(epoch_ms: int) -> str:
    """Return a time as ``2026-11-22 03:44:12 +01:00 (02:44:12 UTC)``.

    With the date of UTC where it is another one, and as plain epoch ms where no calendar reaches.
    """
    local = _local(epoch_ms)
    if local is None:
        return f"{epoch_ms} ms since 1970 (beyond the calendar)"
    in_utc = local.astimezone(UTC)
    zone = local.strftime("%z")
    utc = in_utc.strftime("%H:%M:%S UTC" if local.date() == in_utc.date() else "%Y-%m-%d %H:%M:%S UTC")
    return f"{local:%Y-%m-%d %H:%M:%S} {zone[:3]}:{zone[3:5]} ({utc})"


def clock_time(epoch_ms: int | None) -> str:
    """Return the local time of day to the millisecond; empty where there is none."""
    if epoch_ms is None:
        return ""
    local = _local(epoch_ms)
    return str(epoch_ms) if local is None else f"{local:%H:%M:%S}.{epoch_ms % 1000:03d}"


def minute(epoch_ms: int) -> str:
    """Return the local date and time to the minute, with its offset: ``2026-11-22 03:44 +01:00``."""
    local = _local(epoch_ms)
    return f"{epoch_ms} ms" if local is None else local.isoformat(" ", "minutes").replace("+", " +")


def _local(epoch_ms: int) -> datetime | None:
    """Return the local time; None where no calendar reaches."""
    try:
        return datetime.fromtimestamp(epoch_ms / 1000, tz=UTC).astimezone()
    except (OverflowError, ValueError, OSError):
        return None


def read_moment(text: str, now_ms: int, *, is_ahead: bool = False) -> int:
    """Return the epoch ms of a time as people type it; ValueError for anything else.

    ``15min``, ``2h`` or ``3d`` is so long ago, or so far ahead; ``2026-11-22`` and ``2026-11-22T03:44`` are
    local, with an offset or Z they are not; ten digits are epoch seconds, more are epoch ms.
    """
    text = text.strip()
    if _SPAN.fullmatch(text):
        return now_ms + read_span(text) * (1 if is_ahead else -1)
    if _EPOCH.fullmatch(text):
        return int(text) * (1000 if len(text) == _SECONDS_DIGITS else 1)
    if not _DATE_AND_TIME.fullmatch(text):
        raise ValueError("not a date, and not a date with a time")
    moment = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-").upper())
    return round(moment.timestamp() * 1000)


def read_span(text: str) -> int:
    """Return the ms of a span as people type it: ``90s``, ``15min``, ``2h``, ``3d``; else ValueError."""
    found = _SPAN.fullmatch(text.strip())
    if found is None:
        raise ValueError("not a span")
    return int(found[1]) * _UNIT_MS[found[2]]


def span(duration_ms: int) -> str:
    """Return a span in its two largest units, ``2 h 5 min``; the sign is left out."""
    left = abs(duration_ms)
    parts: list[str] = []
    for unit, unit_ms in _UNITS:
        count, left = divmod(left, unit_ms)
        if count:
            parts.append(f"{count} {unit}")
        elif parts:
            break
        # Milliseconds matter only where there is nothing larger.
        if len(parts) == 2 or (parts and unit == "s"):
            break
    return " ".join(parts) or "0 ms"


def from_now(epoch_ms: int, now_ms: int) -> str:
    """Return where a moment lies: ``in 2 h 5 min``, ``3 s ago`` or ``now``."""
    if epoch_ms == now_ms:
        return "now"
    return f"in {span(epoch_ms - now_ms)}" if epoch_ms > now_ms else f"{span(now_ms - epoch_ms)} ago"
