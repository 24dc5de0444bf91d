"""Texts: templates turn a notice into a letter. All are tried at the start, so an error shows then.

A template is a file ``<language>/<name>.subject.txt``, ``<name>.txt`` or ``<name>.html``; the name is that of
the route, else that of the event, else ``any``. A folder of one's own is looked through before the one that
comes with the runner. Templates run in a sandbox; HTML is escaped by itself.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from jinja2 import (
    FileSystemLoader,
    StrictUndefined,
    Template,
    TemplateError,
    TemplateSyntaxError,
    pass_context,
)
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

from runner.errors import PoisonError
from runner.notify.notice import EVENTS, TASK_FIELDS, Notice
from runner.notify.unusable import Unusable
from runner.notify.wording import Wording
from runner.tasks.path_key import path_key

SHIPPED: Final = Path(__file__).with_name("templates")
ANY: Final = "any"

LONGEST_SUBJECT: Final = 200
LONGEST_BODY: Final = 50_000

_SUBJECT, _TEXT, _HTML = ".subject.txt", ".txt", ".html"
_MOMENTS: Final = {"de": "%d.%m.%Y %H:%M"}
_MOMENT: Final = "%Y-%m-%d %H:%M"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

# What a chat takes for a call to everybody, a link or a mention; a sign without width takes its meaning away.
_NOTHING: Final = "\u200b"
_DISARMED: Final = str.maketrans(
    {"@": f"@{_NOTHING}", "<": f"<{_NOTHING}", "[": f"[{_NOTHING}", "]": f"]{_NOTHING}"}
)


class _Files(NamedTuple):
    """The templates of one letter."""

    subject: Template
    text: Template
    html: Template | None


@dataclass(frozen=True, slots=True)
class TextSettings:
    """Where templates are, and what they show."""

    folder: Path | None = None
    """Looked through before the one that comes with the runner."""
    language: str = "en"
    """Of recipients who name none, or one without templates."""
    zone: tzinfo = UTC
    """In which moments are shown."""
    link: str | None = None
    """URL of a task, with ``{domain}``, and ``{key}`` or ``{id}``."""


class Texts:
    """Makes letters. Raises Unusable where a template is missing or wrong in any language."""

    def __init__(self, settings: TextSettings, names: Iterable[str], languages: Iterable[str]) -> None:
        """``names`` and ``languages`` are those that routes ask for; each must be there."""
        if settings.folder is not None and not settings.folder.is_dir():
            raise Unusable("templates", f"names {settings.folder}, which is no folder", "correct the path")
        self._settings = settings
        self._folders = [folder for folder in (settings.folder, SHIPPED) if folder is not None]
        self._plain, self._escaping = self._environment(escape=False), self._environment(escape=True)
        self.languages = frozenset(
            path.name for folder in self._folders for path in folder.iterdir() if path.is_dir()
        )
        """Languages that have templates."""
        for language in (settings.language, *languages):
            if language not in self.languages:
                known = ", ".join(sorted(self.languages))
                raise Unusable("language", f"is {language}, which has no templates", f"use one of {known}")
        self._files: dict[tuple[str, str | None, str], _Files] = {}
        self._check(tuple(names))

    def letter(self, notice: Notice, language: str | None, name: str | None, *, for_chat: bool) -> Wording:
        """Return the letter of a notice. PoisonError where its template fails with this notice.

        ``language`` None, or one without templates: the usual one. ``name`` None: the event's template.
        ``for_chat``: what people wrote can then call or link nobody.
        """
        if language not in self.languages:
            language = self._settings.language
        values = self._values(notice, language)
        if for_chat:
            values = {key: _disarmed(value) for key, value in values.items()} | {"link": values["link"]}
        try:
            files = self._files[language, name, notice.event]
            text = files.text.render(values).strip()
            html = None if files.html is None else files.html.render(values).strip()
            subject = _one_line(files.subject.render(values))
        except Exception as error:
            raise PoisonError("TEMPLATE", f"{_where(error, self._folders)}: {_what(error)}") from error
        return Wording(subject, _cut(text, LONGEST_BODY), html)

    def _environment(self, *, escape: bool) -> ImmutableSandboxedEnvironment:
        """Return an environment for texts or for HTML.

        One for each: a macro from a file that does not escape would count as safe in HTML that imports it.
        """
        environment = ImmutableSandboxedEnvironment(
            loader=FileSystemLoader(self._folders),
            undefined=StrictUndefined,
            autoescape=escape,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
        )
        environment.filters["moment"] = self._moment
        return environment

    def _values(self, notice: Notice, language: str) -> dict[str, Any]:
        link = self._settings.link
        if link is not None:
            key, task_id = path_key(_whole(notice.task_id)), _escaped(notice.task_id)
            link = link.replace("{key}", key).replace("{id}", task_id)
            link = link.replace("{domain}", _escaped(notice.domain))
        return {
            "event": notice.event,
            "task": notice.task,
            "domain": notice.task["domain"],
            "actor": notice.actor,
            "user": notice.user and notice.task.get("user"),
            "roles": notice.task["roles"] or [],
            "count": notice.count,
            "time": notice.time,
            "language": language,
            "link": link,
        }

    def _check(self, names: tuple[str, ...]) -> None:
        """Load every template, and try it with every notice there can be."""
        for language in sorted(self.languages):
            for name in (None, *names):
                for event in EVENTS:
                    self._files[language, name, event] = self._found(language, name, event)
        for language, name, event in self._files:
            for sample in _samples(event):
                try:
                    self.letter(sample, language, name, for_chat=False)
                except PoisonError as error:
                    raise Unusable("templates", f"has an error in {error}", "correct the template") from None

    def _found(self, language: str, name: str | None, event: str) -> _Files:
        candidates = [each for each in (name, event, ANY) if each is not None]
        subject = self._first(language, candidates, _SUBJECT)
        text = self._first(language, candidates, _TEXT)
        if subject is None or text is None:
            wanted = f"{language}/{ANY}{_SUBJECT if subject is None else _TEXT}"
            raise Unusable(
                "templates", f"has no {wanted}", "add it: every language needs a subject and a text"
            )
        # HTML of another folder, or of a more general name, would hide a text that somebody wrote.
        folder, path = text
        html = path.removesuffix(_TEXT) + _HTML
        has_html = (folder / html).is_file()
        return _Files(self._load(subject[1]), self._load(path), self._load(html) if has_html else None)

    def _first(self, language: str, names: Iterable[str], suffix: str) -> tuple[Path, str] | None:
        """Return folder and path of the first template there is; names before folders."""
        for name in names:
            for folder in self._folders:
                path = f"{language}/{name}{suffix}"
                if (folder / path).is_file():
                    return folder, path
        return None

    def _load(self, path: str) -> Template:
        try:
            return (self._escaping if path.endswith(_HTML) else self._plain).get_template(path)
        except (TemplateError, OSError, UnicodeError) as error:
            place = f"{path} line {error.lineno}" if isinstance(error, TemplateSyntaxError) else path
            raise Unusable(
                "templates", f"has an error in {place}: {_what(error)}", "correct the template"
            ) from None

    @pass_context
    def _moment(self, context: Context, value: Any) -> str:
        """Return epoch milliseconds as a time for people; empty where there is none."""
        if not isinstance(value, int | float):
            return ""
        try:
            moment = (_EPOCH + timedelta(milliseconds=value)).astimezone(self._settings.zone)
        except (OverflowError, ValueError):
            return str(value)
        return f"{moment:{_MOMENTS.get(context['language'], _MOMENT)}} {moment.tzname()}"


def _samples(event: str) -> Iterator[Notice]:
    """Give a notice with everything, and one with as little as there may be."""
    full: dict[str, Any] = {
        **dict.fromkeys(TASK_FIELDS, "text"),
        **dict.fromkeys(("createdOn", "timeout", "dueOn", "followUpOn"), 1_795_000_000_000),
        **dict.fromkeys(("priority", "comments", "level", "specVersion"), 1),
        "roles": ["role"],
        "approvals": {"required": 2, "given": 1},
    }
    empty = dict.fromkeys(TASK_FIELDS)
    yield Notice("1-0", "/tasks/d", event, "d", "t", "2026-11-22T08:30:00Z", full, "ann", "bob", ("role",), 2)
    yield Notice("1-0", "/tasks/d", event, "d", "t", "", empty, "", None, (), None)


def _disarmed(value: Any) -> Any:
    if isinstance(value, str):
        return value.translate(_DISARMED)
    if isinstance(value, Mapping):
        return {key: _disarmed(item) for key, item in value.items()}
    return [_disarmed(item) for item in value] if isinstance(value, list) else value


def _escaped(text: str) -> str:
    return quote(_whole(text), safe="")


def _whole(text: str) -> str:
    """Return a text without halves of pairs of characters, which no address can have."""
    return text.encode("utf-8", "replace").decode()


def _one_line(text: str) -> str:
    """Return a text as one header line: no line end of any kind is left in it."""
    return _cut(" ".join(text.split()), LONGEST_SUBJECT)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _where(error: BaseException, folders: Iterable[Path]) -> str:
    """Return template and line of an error."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        for folder in folders:
            if Path(frame.filename).is_relative_to(folder) and not frame.filename.endswith(".py"):
                return f"{Path(frame.filename).relative_to(folder)} line {frame.lineno}"
    return "a template"


def _what(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__)
