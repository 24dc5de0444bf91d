"""DefineTask, and the definitions that tasks are pinned to: what answers a ``taskSpec`` takes.

A definition is a record of its own, with a home of its own. Each version of it is a part, written once.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

import msgspec

from runner.actions.callers import read_caller
from runner.actions.decision import Done, Outcome
from runner.actions.incoming import Incoming
from runner.actions.inputs import MAX_TIME_MS, TaskInput, domain_of
from runner.actions.plan import Reading, TaskPlan, own_parts
from runner.actions.policy import Policy
from runner.actions.task_result import definition_result
from runner.actions.values import given, parameter_of
from runner.envelope.event import Event, as_text
from runner.envelope.paths import MISSING
from runner.envelope.plain import decode, encode, is_well_formed, split
from runner.envelope.values import read_number, same
from runner.errors import (
    NOT_CONVERTIBLE,
    OTHER_VERSION,
    PARAMETER_MISSING,
    EventError,
    RecordAwaited,
)
from runner.forms.form import Form, check_schema, form_of
from runner.forms.refusal import SchemaRefused
from runner.tasks.keys import TaskKey, definition_key, domain_of_definition
from runner.tasks.parts import (
    LIFE,
    DefinitionVersion,
    Life,
    Status,
    TaskStart,
    TaskState,
    encode_part,
    version_part,
)
from runner.tasks.record import Record, read_part
from runner.tasks.repeats import after_verb

MAX_SPEC_CHARACTERS: Final = 200
MAX_DESCRIPTION_CHARACTERS: Final = 4000
MAX_OUTCOMES: Final = 50
MAX_VERSIONS: Final = 1000
"""Versions of one definition at most; each is kept for the tasks that are pinned to it."""

MAX_OUTCOME_CHARACTERS: Final = 100
MAX_UI_BYTES: Final = 65_536
"""Bytes of ``uiOrder`` and of ``uiWidgets``, as JSON, at most."""

_SPEC: Final = re.compile(r"[A-Za-z0-9._]+(?:-+[A-Za-z0-9._]+)*\Z")


class DefinedForm(msgspec.Struct, frozen=True):
    """The form of a version of a definition, ready to check answers."""

    form: Form
    outcomes: tuple[str, ...]


# -- defining --------------------------------------------------------------------------------------


def define_task(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    """Return SUCCESS with ``result.definition``: a new version, or the newest where it is the same again.

    Raises EventError 10009 (no schema) or 10011 (a schema or another value that is no good).
    """
    _check_newest(record, plan)
    sent = _definition(plan)
    if record is not None and _is_newest(record, sent):
        return Done(now_ms, result={"definition": definition_result(record)}), None
    user = read_caller(plan.incoming.event, policy, policy.domains[domain_of_definition(plan.key)]).user
    version = DefinitionVersion(0, "", 0, now_ms, msgspec.Raw(encode(sent)), user)
    return _defined(record, plan, now_ms, version)


def _check_newest(record: Record | None, plan: TaskPlan) -> None:
    """EventError 10132 where the newest version is not ``ifVersion``, 10011 where there are too many."""
    expected = given("ifVersion", plan.task_input, plan.incoming)
    versions = 0 if record is None or record.life is None else record.life.versions
    if expected is not None and str(expected) != str(versions - 1):
        newest = f"version {versions - 1} is the newest now" if versions else "there is no version yet"
        raise EventError(OTHER_VERSION, f"{newest}; look at it, and define again")
    if versions >= MAX_VERSIONS:
        raise EventError(NOT_CONVERTIBLE, f"it has {MAX_VERSIONS} versions; use another taskSpec")


def definition_of(incoming: Incoming, task_input: TaskInput, policy: Policy) -> TaskKey:
    """Return the key of the definition that a DefineTask names; EventError 10009 or 10011."""
    spec = as_text(given("taskSpec", task_input, incoming), "taskSpec")
    if spec is None:
        raise EventError(PARAMETER_MISSING, "what is defined? name it in parameters.taskSpec")
    if not is_spec(spec):
        raise EventError(
            NOT_CONVERTIBLE,
            f"taskSpec {spec[:100]!r} is no name of a definition: use letters, digits, '.', '_' and, "
            f"inside, '-', {MAX_SPEC_CHARACTERS} at most",
        )
    return definition_key(domain_of(incoming.event, policy), spec)


def is_spec(text: str) -> bool:
    """Whether a text may name a definition."""
    return len(text) <= MAX_SPEC_CHARACTERS and _SPEC.match(text) is not None


def first_home(key: TaskKey, partitions: int) -> int:
    """Return the home of a definition that is not there yet."""
    return crc32(f"{key.domain}:{key.id}".encode()) % partitions


def asks_for_newest(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return the newest version of the definition, which the one that is sent is compared with."""
    del plan
    life = None if record is None else record.life
    return () if record is None or life is None else own_parts(record, version_part(life.versions - 1))


def _is_newest(record: Record, sent: dict[str, Any]) -> bool:
    newest = 0 if record.life is None else record.life.versions - 1
    version = read_part(record, version_part(newest), DefinitionVersion)
    return version is not None and same(decode(version.definition), sent)


def _defined(
    record: Record | None, plan: TaskPlan, now_ms: int, version: DefinitionVersion
) -> tuple[Outcome, Record]:
    """Return the outcome and the record with one version more."""
    source, partition = str(plan.incoming.source), plan.incoming.source.partition
    if record is None:
        state = TaskState(Status.OPEN, partition, source, now_ms)
        record = Record(plan.key, 0, state, TaskStart(msgspec.Raw(b"{}")))
    revision = record.revision + 1
    life = Life(revision, revision, source) if record.life is None else record.life
    number = life.versions
    life = msgspec.structs.replace(
        life,
        revision=revision,
        source=source,
        versions=number + 1,
        identities=after_verb(record, plan.incoming.event.identity()),
    )
    part = msgspec.structs.replace(version, revision=revision, source=source, number=number)
    own = {version_part(number): encode_part(part)}
    after = msgspec.structs.replace(record, revision=revision, life=life, parts={**record.parts, **own})
    written: dict[str, bytes | None] = {LIFE: encode_part(life), **own}
    return Done(now_ms, result={"definition": definition_result(after)}, written=written), after


def _definition(plan: TaskPlan) -> dict[str, Any]:
    """Return what was sent of a definition, checked; EventError 10009 or 10011."""
    names = ("description", "schema", "uiOrder", "uiWidgets", "outcomes")
    sent = {name: given(name, plan.task_input, plan.incoming) for name in names}
    named = {name: value for name, value in sent.items() if value is not None}
    if "schema" not in named:
        raise EventError(PARAMETER_MISSING, "which answers? name their JSON Schema in parameters.schema")
    if not is_well_formed(named):
        raise EventError(NOT_CONVERTIBLE, "a text in the definition holds half of a character pair")
    try:
        check_schema(named["schema"])
    except SchemaRefused as refused:
        pointer = f"/schema{refused.pointer}"
        raise EventError(NOT_CONVERTIBLE, f"the schema is refused at {pointer}: {refused.message}") from None
    _check_description(named.get("description"))
    _check_ui(named)
    _check_outcomes(named.get("outcomes", []))
    return named


def _check_description(value: Any) -> None:
    if value is not None and not (isinstance(value, str) and len(value) <= MAX_DESCRIPTION_CHARACTERS):
        raise EventError(
            NOT_CONVERTIBLE, f"description must be text of {MAX_DESCRIPTION_CHARACTERS} characters at most"
        )


def _check_ui(named: dict[str, Any]) -> None:
    order, widgets = named.get("uiOrder", []), named.get("uiWidgets", {})
    if not (isinstance(order, list) and all(isinstance(name, str) for name in order)):
        raise EventError(NOT_CONVERTIBLE, "uiOrder must be a list of names of fields")
    if not isinstance(widgets, dict):
        raise EventError(NOT_CONVERTIBLE, "uiWidgets must be an object, a widget for each field")
    if max(len(encode(order)), len(encode(widgets))) > MAX_UI_BYTES:
        raise EventError(NOT_CONVERTIBLE, f"uiOrder and uiWidgets may have {MAX_UI_BYTES} bytes each")


def _check_outcomes(value: Any) -> None:
    outcomes = value if isinstance(value, list) else [None]
    are_names = all(
        isinstance(name, str) and name.strip() == name != "" and len(name) <= MAX_OUTCOME_CHARACTERS
        for name in outcomes
    )
    if not are_names or len(outcomes) > MAX_OUTCOMES or len(set(outcomes)) < len(outcomes):
        raise EventError(
            NOT_CONVERTIBLE,
            f"outcomes must be a list of different names, {MAX_OUTCOMES} at most, each of "
            f"{MAX_OUTCOME_CHARACTERS} characters at most",
        )


# -- tasks of a definition -------------------------------------------------------------------------


def asks_for_definition(plan: TaskPlan, record: Record | None) -> tuple[Reading, ...]:
    """Return the definition that a StartTask names, whether or not it is there; no text is refused later."""
    del record
    event = plan.incoming.event
    if "taskSpec" not in event.parameters:
        return ()
    spec = event.parameter("taskSpec")
    return () if spec is None or not is_spec(spec) else (Reading(definition_key(plan.key.domain, spec)),)


def pinned_version(plan: TaskPlan, *, is_required: bool) -> int | None:
    """Return the version that a task which starts is pinned to; None where its spec has no definition.

    EventError 10011 (there is no such version), 10009 (no definition, where ``is_required``).
    """
    event = plan.incoming.event
    wanted = _wanted_version(plan)
    spec = event.parameter("taskSpec")
    record = None if spec is None else plan.others.get(definition_key(plan.key.domain, spec))
    if record is None or record.life is None:
        if is_required:
            raise EventError(PARAMETER_MISSING, _no_definition(event))
        if wanted is not None:
            raise EventError(NOT_CONVERTIBLE, _no_definition(event))
        return None
    newest = record.life.versions - 1
    if wanted is not None and wanted > newest:
        text = f"taskSpecVersion {wanted} of {spec} is not there; {newest} is the newest"
        raise EventError(NOT_CONVERTIBLE, text)
    return newest if wanted is None else wanted


def pinned_form(record: Record, plan: TaskPlan) -> DefinedForm | None:
    """Return the form of the version that a task is pinned to; None where it has none.

    Raises RecordAwaited where that version is not there: its DefineTask is about to be decided again.
    """
    spec, number = record.start.spec, record.start.spec_version
    if spec is None or number is None:
        return None
    definition = plan.others.get(definition_key(record.key.domain, spec))
    version = None if definition is None else read_part(definition, version_part(number), DefinitionVersion)
    if version is None:
        raise RecordAwaited(f"version {number} of definition {spec}, to which a task is pinned, is not there")
    return _form(bytes(version.definition))


@lru_cache(maxsize=256)
def _form(definition: bytes) -> DefinedForm:
    """Return the form of a definition as stored: the same bytes are the same form, in every domain."""
    fields = split(definition)
    outcomes: Any = decode(fields["outcomes"]) if "outcomes" in fields else None
    return DefinedForm(form_of(bytes(fields["schema"])), tuple(outcomes or ()))


def _wanted_version(plan: TaskPlan) -> int | None:
    value = parameter_of("taskSpecVersion", plan.task_input, plan.incoming)
    text = as_text(None if value is MISSING else value, "taskSpecVersion")
    if text is None:
        return None
    number = read_number(text.strip())
    if number is None or not 0 <= number <= MAX_TIME_MS or number != int(number):
        raise EventError(NOT_CONVERTIBLE, f"taskSpecVersion {text[:40]!r} is no version: use 0, 1, 2 …")
    return int(number)


def _no_definition(event: Event) -> str:
    spec = event.parameter("taskSpec")
    if spec is None:
        return "which definition? name it in parameters.taskSpec"
    return f"there is no definition of taskSpec {spec[:100]!r}; send a DefineTask first"
