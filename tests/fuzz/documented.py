"""What the protocol's tables say a refusal may be."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final

from runner.errors import EventError, PoisonError

_PROTOCOL: Final = Path(__file__).parents[2] / "docs" / "protocol.md"


@cache
def codes() -> frozenset[int]:
    """The codes of ``result.error.code``."""
    return frozenset(map(int, re.findall(r"^\| (\d+) \|", _text(), re.MULTILINE)))


@cache
def reasons() -> frozenset[str]:
    """The reasons of dead letters."""
    return frozenset(re.findall(r"^\| `([A-Z0-9_]+)` \|", _text(), re.MULTILINE))


def check_refusal(error: EventError) -> None:
    """Make sure that a refusal is documented, says something, and can be sent."""
    assert error.code in codes(), error.code
    check_said(error)


def check_poison(error: PoisonError) -> None:
    """Make sure that the reason of a dead letter is documented, says something, and can be written."""
    assert error.reason in reasons(), error.reason
    check_said(error)


def check_said(error: Exception) -> None:
    """Make sure that an error says something that can be written."""
    assert str(error).strip()
    str(error).encode()


def _text() -> str:
    return _PROTOCOL.read_text("utf-8")
