"""Notices: what is said after something was done, or was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.web.pages.languages import Words, later
from runner.web.pages.refusals import refusal
from runner.web.pages.task_page import Notice
from runner.web.problems import Refused

_DONE: Final[Mapping[str, str]] = {
    "claim": later("The task is yours."),
    "release": later("The task was given back."),
    "assign": later("The task was assigned."),
    "save": later("Your answers are saved."),
    "proceed": later("The task is finished."),
    "cancel": later("The task is cancelled."),
    "timeout": later("The task has timed out."),
    "comments": later("The comment is written."),
    "edit": later("The comment is changed."),
    "delete": later("The comment is deleted."),
    "update": later("The task is changed."),
}


def done_notice(words: Words, verb: str, number: str | None = None) -> Notice | None:
    """Return what is said of something that was done, to so many tasks; None for what is unknown."""
    if verb == "bulk":
        count = int(number) if number is not None and number.isdecimal() and len(number) < 4 else 0
        return Notice("good", words.count("One task was changed.", "%(count)d tasks were changed.", count))
    said = _DONE.get(verb)
    return None if said is None else Notice("good", words(said))


def refused_notice(words: Words, refused: Refused) -> Notice:
    """Return what is said of something that was not done."""
    told = refusal(words, refused.status, refused.detail, refused.code)
    return Notice("bad", told.title, told.sentences)
