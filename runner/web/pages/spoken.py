"""Spoken: the environment of templates in a language. All is escaped, and every text is looked up."""

from __future__ import annotations

from functools import cache, partial

from jinja2 import Environment, PackageLoader, StrictUndefined

from runner.web.pages import assets
from runner.web.pages.languages import LANGUAGES, Words, catalogue
from runner.web.pages.names import humanised
from runner.web.pages.refusals import refusal
from runner.web.pages.views import STATES


@cache
def spoken(language: str) -> Environment:
    """Return the environment of a language; one for all."""
    made = Environment(
        loader=PackageLoader("runner.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    words = Words(language)
    found = catalogue(language)
    # Not of the new style: what that looks up counts as safe and as a format, also what people wrote.
    made.install_gettext_callables(words.said, found.ngettext, newstyle=False)  # type: ignore[attr-defined] # the extension adds it
    made.filters["humanised"] = humanised
    made.filters["state"] = lambda state: words(STATES.get(state, state))
    made.globals.update(static=assets.address, languages=LANGUAGES, refusal=partial(refusal, words))
    return made
