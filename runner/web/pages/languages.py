"""Languages: which one a browser gets, and its words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from typing import Final

from runner.forms.words import TYPES, sentence_templates
from runner.web.pages.dates import span

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "de": "Deutsch"}
"""By code, each in its own words; the first is that of the sources."""
USUAL: Final = "en"
COOKIE: Final = "runner-language"

_RANGE: Final = re.compile(r"\s*([A-Za-z]{1,8}|\*)(?:-[A-Za-z0-9-]*)?\s*(?:;\s*q=([0-9.]{1,5}))?\s*")


def chosen(cookie: str | None, accepted: str) -> str:
    """Return the code of a language: the one that was chosen, else the first that a browser accepts."""
    if cookie is not None and cookie in LANGUAGES:
        return cookie
    wishes = []
    for each in accepted[:500].split(","):
        match = _RANGE.fullmatch(each)
        if match is not None and match[1].lower() in LANGUAGES:
            wishes.append((_weight(match[2]), match[1].lower()))
    wishes = [wish for wish in wishes if wish[0] > 0]
    return max(wishes, key=lambda wish: wish[0])[1] if wishes else USUAL


def _weight(text: str | None) -> float:
    try:
        return 1.0 if text is None else float(text)
    except ValueError:
        return 0.0


@cache
def catalogue(language: str) -> NullTranslations:
    """Return the words of a language; of the usual one those of the sources."""
    if language == USUAL:
        return NullTranslations()
    with files("runner.web").joinpath("locale", language, "LC_MESSAGES", "inbox.mo").open("rb") as file:
        return GNUTranslations(file)


def later(text: str) -> str:
    """Return a text as it is: a mark that it is looked up where it is shown."""
    return text


@dataclass(frozen=True, slots=True)
class Words:
    """The words of one language."""

    language: str

    def __call__(self, text: str, **values: object) -> str:
        """Return a text of the sources in this language, with values put in."""
        found = catalogue(self.language).gettext(text)
        return found % values if values else found

    def count(self, one: str, many: str, number: int) -> str:
        """Return what is said of so many."""
        return catalogue(self.language).ngettext(one, many, number) % {"count": number}

    def span(self, ms: int) -> str:
        """Return how long a time is, in its largest unit; empty for less than a minute."""
        number, unit = span(ms)
        if not number:
            return ""
        names = {"d": self("%(count)s d"), "h": self("%(count)s h"), "min": self("%(count)s min")}
        return names[unit] % {"count": number}

    def said(self, message: str) -> str:
        """Return a sentence about an answer (``runner.forms.words``), whatever values it has in it."""
        if self.language == USUAL:
            return message
        if _is_type(message):
            named = self(_OR).join(self(part) for part in message.removeprefix(_MUST_BE).split(_OR))
            return self("must be {expected_value}").format(expected_value=named)
        for template, pattern in _templates():
            match = pattern.fullmatch(message)
            if match is not None:
                return self(template).format(**match.groupdict())
        return self(message)


_VALUE: Final = re.compile(r"\{\w+\}")
_MUST_BE: Final = "must be "
_OR: Final = " or "


def _is_type(message: str) -> bool:
    parts = message.removeprefix(_MUST_BE).split(_OR)
    return message.startswith(_MUST_BE) and all(part in TYPES.values() for part in parts)


@cache
def _templates() -> list[tuple[str, re.Pattern[str]]]:
    """Return templates and what their sentences look like, those first that say most by themselves."""
    found = []
    for template in sorted(sentence_templates(), key=lambda text: len(_VALUE.sub("", text)), reverse=True):
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.*)", re.escape(template))
        found.append((template, re.compile(pattern, re.DOTALL)))
    return found
