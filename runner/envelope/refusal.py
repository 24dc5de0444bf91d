"""The error of a refused path or pattern: FAIL 10011 with a text fit for a reply.

Beside ``paths`` and ``patterns``, which call it. What it makes travels in ``result.error.message``,
so it is short, on one line, and can always be written as UTF-8, whatever the sender put in.
"""

from __future__ import annotations

from typing import Final

from runner.envelope.values import kind_of
from runner.errors import NOT_CONVERTIBLE, EventError

SHOWN_CHARACTERS: Final = 80
REASON_CHARACTERS: Final = 240


def refusal(kind: str, text: object, reason: str, *, over_limit: bool = False) -> EventError:
    """Error 10011 that names what was refused: its kind, its text (shortened) and the reason.

    ``kind`` is the word for it in the protocol: ``path``, ``pattern``, ``outputElement``;
    ``over_limit`` is that of the error.
    """
    message = f"{kind} {_quoted(text)}: {_printable(reason)}"
    return EventError(NOT_CONVERTIBLE, message, over_limit=over_limit)


def _quoted(text: object) -> str:
    if not isinstance(text, str):
        return f"of type {kind_of(text)}"
    if len(text) <= SHOWN_CHARACTERS:
        return repr(text)
    return f"{text[:SHOWN_CHARACTERS]!r}… ({len(text)} characters)"


def _printable(reason: str) -> str:
    line = " ".join(reason[: REASON_CHARACTERS * 2].split())
    if len(line) > REASON_CHARACTERS:
        line = f"{line[:REASON_CHARACTERS]}…"
    return line.encode("utf-8", "backslashreplace").decode("utf-8")
