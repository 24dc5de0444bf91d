"""The environment of the templates of pages: everything is escaped, and every text is looked up."""

from __future__ import annotations

from jinja2 import Environment, PackageLoader, StrictUndefined


def environment() -> Environment:
    """Return an environment without a catalogue: texts are shown in English, as the templates have them."""
    made = Environment(
        loader=PackageLoader("runner.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    # Not of the new style: what that looks up counts as safe and as a format, also what people wrote.
    made.install_null_translations(newstyle=False)  # type: ignore[attr-defined] # the extension adds it
    return made
