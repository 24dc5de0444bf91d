"""Answering: the form of a task with what is in it, from its definition, its draft and what was typed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Final

from runner.actions.answers import draft_of
from runner.envelope import plain
from runner.forms.form import Form, form_of
from runner.forms.words import Violation
from runner.tasks.keys import definition_key
from runner.tasks.parts import DefinitionVersion, version_part
from runner.tasks.record import Record, read_part
from runner.web.pages.controls import Control, FieldProblem, controls, problems, shown
from runner.web.pages.fields import ANYTHING, Field, fields_of, initial
from runner.web.pages.languages import Words
from runner.web.pages.posted import Posted, read_posted, shown_value, wrong_with
from runner.web.parts import WebComponents, record_with

_WORDS: Final = "data-words-"
_TOLD: Final = ("description", "outcomes")
_ANY_OBJECT: Final = form_of(b'{"type":"object","additionalProperties":true}')


@dataclass(frozen=True, slots=True)
class Definition:
    """One version of a definition, as a page needs it."""

    number: int | None
    """None: there is no definition, and anything is an answer."""
    root: Field
    form: Form
    outcomes: Sequence[str] = ()
    description: str = ""
    schema: Any = None


FREE: Final = Definition(None, ANYTHING, _ANY_OBJECT)


@dataclass(frozen=True, slots=True)
class FilledForm:
    """A form with what is in it."""

    definition: Definition
    control: Control
    value: Any
    """What is in it."""
    problems: Sequence[FieldProblem] = field(default=())

    @property
    def outcomes(self) -> Sequence[str]:
        return self.definition.outcomes


async def definition_of(parts: WebComponents, record: Record) -> Definition:
    """Return the definition that a task is pinned to, or FREE."""
    spec, number = record.start.spec, record.start.spec_version
    if spec is None or number is None:
        return FREE
    found = await read_definition(parts, record.key.domain, spec, number)
    return FREE if found is None else found


async def read_definition(parts: WebComponents, domain: str, spec: str, number: int) -> Definition | None:
    """Return one version of a definition; None where there is none."""
    name = version_part(number)
    record = await record_with(parts, definition_key(domain, spec), [name])
    version = None if record is None else read_part(record, name, DefinitionVersion)
    return None if version is None else _definition(version)


def _definition(version: DefinitionVersion) -> Definition:
    text = bytes(version.definition)
    sections = plain.split(text)
    told: dict[str, Any] = {name: plain.decode(sections[name]) for name in _TOLD if name in sections}
    schema = bytes(sections["schema"])
    return Definition(
        version.number,
        fields_of(text),
        form_of(schema),
        tuple(told.get("outcomes") or ()),
        told.get("description") or "",
        plain.decode(schema),
    )


def translate(form: FilledForm, words: Words) -> None:
    """Put the words that a browser says at a field into a language."""
    for control in controls(form.control):
        control.attributes = {
            name: words.said(text) if name.startswith(_WORDS) else text
            for name, text in control.attributes.items()
        }


def filled(definition: Definition, record: Record) -> FilledForm:
    """Return the form of a task with what was saved, or what it begins with."""
    saved = draft_of(record)
    value = initial(definition.root) if saved is None else saved
    return FilledForm(definition, shown(definition.root, value), value)


def blank(definition: Definition) -> FilledForm:
    """Return a form as a new task shows it."""
    value = initial(definition.root)
    return FilledForm(definition, shown(definition.root, value), value)


@dataclass(frozen=True, slots=True)
class Answers:
    """What somebody has posted of a form."""

    definition: Definition
    posted: Posted
    saved: Any

    @property
    def data(self) -> Any:
        """The answers; None where the whole form was left blank, or does not convert."""
        return self.posted.data if isinstance(self.posted.data, dict) else None

    def wrong(self) -> tuple[Violation, ...]:
        """Return all that is wrong if the task ended with them now."""
        if not isinstance(self.posted.data, dict) and not self.posted.violations:
            return (Violation("", "type", "must be an object"),)
        return wrong_with(self.posted, self.definition.form, self.saved)

    def upon(self, record: Record) -> Answers:
        """Return the same answers for the task as it is now."""
        return replace(self, saved=draft_of(record))

    def form(self, violations: Sequence[Violation] = ()) -> FilledForm:
        """Return the form as it was posted, with what is wrong with it."""
        value = shown_value(self.posted, self.saved)
        control = shown(self.definition.root, value, self.posted.typed, violations)
        return FilledForm(self.definition, control, value, problems(control))


def answers_in(
    definition: Definition, record: Record, pairs: Sequence[tuple[str, str]], *, is_same: bool
) -> Answers:
    """Return what was posted for a task; ``is_same``: whether the page showed the draft that there is now.

    If it did not, a blank field takes nothing back: whoever left it so has not seen what is saved.
    """
    saved = draft_of(record)
    return Answers(definition, read_posted(definition.root, pairs, saved if is_same else None), saved)


def basis_of(record: Record) -> str:
    """Return a digest of what the answers to a task are given upon: whose it is, its draft, its form.

    Another comment does not change it, so nobody has to send a form again for that.
    """
    owner, life = record.ownership, record.life
    draft = draft_of(record) if life is not None and life.has_draft else None
    told = [
        record.state.source,
        record.state.status.value,
        owner.owner,
        owner.is_firm,
        record.start.spec_version,
        draft,
    ]
    return blake2b(plain.encode(told), digest_size=12).hexdigest()
