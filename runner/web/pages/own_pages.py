"""Own pages: templates of whoever runs this, in place of generated forms."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from jinja2 import BaseLoader, ChoiceLoader, Environment, FileSystemLoader, PrefixLoader, TemplateNotFound
from markupsafe import Markup

from runner.web.pages.manner import Manner
from runner.web.pages.spoken import spoken

_OWN: Final = "own"
"""Before their names, so that none of them stands in place of one of ours."""


class OwnPages:
    """Templates in place of generated forms: ``<domain>/<spec>.html`` or ``<spec>.html``."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._made: dict[str, Environment] = {}

    def rendered(self, named: tuple[str, str], manner: Manner, values: Mapping[str, Any]) -> Markup | None:
        """Return the page of a spec of a domain, escaped; None where there is none of its own."""
        if self._folder is None or not all(map(_is_file_name, named)):
            return None
        domain, spec = named
        made = self._environment(manner.words.language, self._folder)
        try:
            template = made.select_template([f"{_OWN}/{domain}/{spec}.html", f"{_OWN}/{spec}.html"])
        except TemplateNotFound:
            return None
        return Markup(template.render(values, words=manner.words, dates=manner.dates))  # noqa: S704 - it is escaped

    def _environment(self, language: str, folder: Path) -> Environment:
        if language not in self._made:
            ours = spoken(language)
            loaders: list[BaseLoader] = [PrefixLoader({_OWN: FileSystemLoader(folder)})]
            loaders += [] if ours.loader is None else [ours.loader]
            self._made[language] = ours.overlay(loader=ChoiceLoader(loaders))
        return self._made[language]


def _is_file_name(name: str) -> bool:
    return bool(name) and not name.startswith(".") and not {"/", "\\", "\0"} & {*name}
