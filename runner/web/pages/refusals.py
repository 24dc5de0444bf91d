"""Refusals: what is told of something that was not done, in the words of the reader, with a way out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from markupsafe import Markup, escape

from runner.errors import (
    ANSWERS_REFUSED,
    COMMENT_UNKNOWN,
    FORBIDDEN,
    NOBODY_TO_RETURN_TO,
    OTHER_VERSION,
    OWNED_BY_ANOTHER,
    TASK_CANCELLED,
    TASK_NOT_FOUND,
    TASK_PROCEEDED,
    TASK_TIMED_OUT,
)
from runner.web.pages.languages import Words, later

_ENGLISH: Final = Markup(' <span lang="en">{}</span>')


@dataclass(frozen=True, slots=True)
class Refusal:
    """What is told; title and text are in the words of the reader."""

    title: str
    text: str
    detail: str = ""
    """More of it, where title and text say little."""
    is_english: bool = True
    """Whether the detail is, whatever the language of the reader."""

    @property
    def sentences(self) -> str:
        """Text and detail in one, ready for a page."""
        if self.detail and self.is_english:
            return escape(self.text) + _ENGLISH.format(self.detail)
        return f"{self.text} {self.detail}".rstrip()


def refusal(words: Words, status: int, detail: str = "", code: int | None = None) -> Refusal:
    """Return what is told of a problem; ``detail`` is that of the API, in English."""
    known = _BY_CODE.get(code or 0)
    title, text = known or _BY_STATUS.get(status) or _BY_STATUS[500 if status >= 500 else 400]
    if not detail or (known is not None and code not in _VAGUE) or (known is None and status in _CLEAR):
        return Refusal(words(title), words(text))
    said = words(detail)
    sentence = f"{said[:1].upper()}{said[1:]}".rstrip(".") + "."
    return Refusal(words(title), words(text), sentence, said == detail)


_UNCHANGED: Final = later("Nothing was changed.")
_BY_CODE: Final[Mapping[int, tuple[str, str]]] = {
    TASK_NOT_FOUND: (
        later("This task is not there"),
        later("It was taken away, or you may not see it any more. Go on with another one."),
    ),
    COMMENT_UNKNOWN: (later("This comment is not there"), later("It was deleted, or it is not yours.")),
    OTHER_VERSION: (
        later("Somebody has changed this task meanwhile"),
        later("What you typed is still here. Look at what has changed, then send it again."),
    ),
    OWNED_BY_ANOTHER: (
        later("Somebody else has this task"),
        later("Nothing was changed. Go on with another one, or ask them to give it back."),
    ),
    TASK_PROCEEDED: (later("The task is finished already"), _UNCHANGED),
    TASK_TIMED_OUT: (later("The task has timed out already"), _UNCHANGED),
    TASK_CANCELLED: (later("The task was cancelled already"), _UNCHANGED),
    NOBODY_TO_RETURN_TO: (
        later("The task is for you alone"),
        later("It has no role to be given back to. Ask an admin to assign it to somebody else."),
    ),
    FORBIDDEN: (
        later("You may not do this"),
        later("Ask an admin, or somebody with the role that it takes."),
    ),
    ANSWERS_REFUSED: (
        later("The answers do not fit the form"),
        later("What you typed is still here. Correct it, then send it again."),
    ),
}
_VAGUE: Final = frozenset({FORBIDDEN})
"""Codes of which the detail says more."""
_BY_STATUS: Final[Mapping[int, tuple[str, str]]] = {
    400: (later("This was not understood"), later("Check what you have filled in, then send it again.")),
    401: (
        later("Your session has ended"),
        later("Nothing was changed. Sign in again in a new window; drafts are still there."),
    ),
    403: _BY_CODE[FORBIDDEN],
    404: (
        later("This page was not found"),
        later(
            "There is no such page, or you may not see it. A task may have gone to somebody else meanwhile."
        ),
    ),
    409: (
        later("This does not fit what is there now"),
        later("Load the page again and see what has changed."),
    ),
    412: _BY_CODE[OTHER_VERSION],
    413: (later("That is too much at once"), later("Nothing was changed. Send less at a time.")),
    422: _BY_CODE[ANSWERS_REFUSED],
    429: (later("That was too fast"), later("Wait a moment, then load the page again.")),
    500: (
        later("Something went wrong"),
        later("Nobody foresaw this. Try again; if it stays so, tell whoever runs this."),
    ),
    502: (
        later("This could not be delivered"),
        later("Nothing was changed. Tell whoever runs this."),
    ),
    503: (
        later("Not possible at the moment"),
        later("Something that is needed does not answer. Try again in a moment."),
    ),
    504: (
        later("No answer yet"),
        later("What you sent may still happen. Sending this page again does it once at most."),
    ),
}
_CLEAR: Final = frozenset({401, 404, 412, 429, 500, 503, 504})
"""Statuses of which the detail says no more."""
_DETAILS: Final = (
    later("choose tasks, and what is to be done to them"),
    later("these are too many tasks at once, or none that there could be"),
    later("this address is not understood"),
    later("only admins see the overview"),
)
"""Details that people meet on pages, which are looked up as well."""
