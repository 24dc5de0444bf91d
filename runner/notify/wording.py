"""A letter: a notice in words for one recipient."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Wording:
    """Subject (one line), text, and HTML for those who show it."""

    subject: str
    text: str
    html: str | None = None
