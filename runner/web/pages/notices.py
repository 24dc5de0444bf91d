"""Notices: what is said after something was done, or was not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from runner.errors import (
    ANSWERS_REFUSED,
    FORBIDDEN,
    NOBODY_TO_RETURN_TO,
    OTHER_VERSION,
    OWNED_BY_ANOTHER,
    TASK_CANCELLED,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
)
from runner.web.pages.languages import Words, later
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
_REFUSED: Final[Mapping[int, tuple[str, str]]] = {
    OTHER_VERSION: (
        later("Somebody has changed this task meanwhile"),
        later("What you typed is still here. Look at what has changed, then send it again."),
    ),
    OWNED_BY_ANOTHER: (later("Somebody else has this task"), later("Nothing was changed.")),
    TASK_PROCEEDED: (later("The task is finished already"), later("Nothing was changed.")),
    TASK_TIMED_OUT: (later("The task has timed out already"), later("Nothing was changed.")),
    TASK_CANCELLED: (later("The task was cancelled already"), later("Nothing was changed.")),
    NOBODY_TO_RETURN_TO: (
        later("The task is for you alone"),
        later("It has no role to be given back to. Ask an admin to assign it to somebody else."),
    ),
    FORBIDDEN: (later("You may not do this"), ""),
    ANSWERS_REFUSED: (later("The answers do not fit the form"), ""),
}
_STATUSES: Final[Mapping[int, tuple[str, str]]] = {
    503: (later("Not possible at the moment"), later("Something that is needed does not answer. Try again.")),
    504: (
        later("No answer yet"),
        later("What you sent may still happen. Sending this page again does it once at most."),
    ),
    413: (later("That is too much at once"), ""),
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
    known = _REFUSED.get(refused.code or 0) or _STATUSES.get(refused.status)
    if known is None:
        detail = refused.detail
        return Notice("bad", words("This was not done"), f"{detail[:1].upper()}{detail[1:]}.")
    title, text = known
    return Notice("bad", words(title), words(text) if text else "")
