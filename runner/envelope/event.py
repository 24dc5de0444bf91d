"""The event: an envelope whose sections are decoded at their first use.

Made from the sections of a codec. What cannot be answered (no request id) is poison; what can be
answered but is wrong raises EventError where it is read, which becomes a FAIL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from hashlib import blake2b
from math import isfinite
from typing import Any, Final

import msgspec

from runner.envelope.codec import Sections
from runner.envelope.plain import Written, decode, decode_whole, encode, is_well_formed, split
from runner.errors import NOT_CONVERTIBLE, EventError, PoisonError

_UNREAD: Final = object()

_NOTHING: Final = re.compile(r"-?[0.]+[eE]")


class _RequestHead(msgspec.Struct):
    """The one field of requestMeta that every event needs; the others are skipped unread."""

    id: Any = None


_request_head: Final = msgspec.json.Decoder(_RequestHead, float_hook=Written)


@dataclass(frozen=True, slots=True)
class MetaRules:
    """Metadata rules (docs/protocol.md): values for fields of eventMeta and for its parameters.

    A *default* fills a field that is absent or null, an *override* replaces whatever is there.
    """

    defaults: Mapping[str, Any] = field(default_factory=dict)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    parameter_defaults: Mapping[str, Any] = field(default_factory=dict)
    parameter_overrides: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        """Whether there is any rule at all."""
        return bool(self.defaults or self.overrides or self.parameter_defaults or self.parameter_overrides)

    def apply(self, meta: Mapping[str, Any]) -> dict[str, Any]:
        """Return eventMeta with the rules applied; the argument is left alone."""
        applied = _ruled(meta, self.defaults, self.overrides)
        if self.parameter_defaults or self.parameter_overrides:
            parameters = applied.get("parameters")
            # Anything but an object is left as it is, to be refused where it is read.
            if parameters is None or isinstance(parameters, dict):
                applied["parameters"] = _ruled(
                    parameters or {}, self.parameter_defaults, self.parameter_overrides
                )
        return applied


NO_RULES: Final = MetaRules()


class Event:
    """One envelope. Sections are decoded at first use; the object is never changed afterwards."""

    __slots__ = (
        "_parameters",
        "_payload",
        "_raw",
        "_request_id",
        "_result",
        "_saga",
        "memo",
        "meta",
        "sections",
        "sent_meta",
        "trouble",
    )

    def __init__(
        self,
        sections: Sections,
        meta: dict[str, Any],
        raw: bytes | None = None,
        sent_meta: dict[str, Any] | None = None,
        trouble: EventError | None = None,
    ) -> None:
        self.sections = sections
        self.trouble = trouble
        """Why eventMeta cannot be read, where it cannot; what can be made out of it is ``meta``."""
        self.meta = meta
        self.sent_meta = meta if sent_meta is None else sent_meta
        """EventMeta before the metadata rules: what the runner itself sent is read from here."""
        self._raw = raw
        self._request_id: str | None = None
        self._payload: Any = _UNREAD
        self._result: Any = _UNREAD
        self._saga: dict[str, Any] | None = None
        self._parameters: dict[str, Any] | None = None
        self.memo: Any = None
        """What was made of the event last, for whoever asks again (``callers``)."""

    @property
    def raw(self) -> bytes:
        """The whole event as JSON, with the metadata rules applied."""
        if self._raw is None:
            self._raw = encode(self.sections)
        return self._raw

    @property
    def request_id(self) -> str:
        """requestMeta.id as text. PoisonError NOT_AN_ENVELOPE where it cannot be read."""
        if self._request_id is None:
            self._request_id = _request_id(self.sections.get("requestMeta"))
        return self._request_id

    @property
    def action(self) -> str:
        """eventMeta.action as text; empty where there is none that can be read."""
        value = self.meta.get("action")
        if type(value) is not str or not value.isascii():
            value = _any_text(value)
        return value or ""

    @property
    def payload(self) -> dict[str, Any] | None:
        """The payload as an object; None if absent or null. EventError 10011 for anything else."""
        if self._payload is _UNREAD:
            self._payload = self._object("payload")
        payload: dict[str, Any] | None = self._payload
        return payload

    @property
    def result(self) -> dict[str, Any] | None:
        """The result as an object; None if absent or null. EventError 10011 for anything else."""
        if self._result is _UNREAD:
            self._result = self._object("result")
        result: dict[str, Any] | None = self._result
        return result

    @property
    def parameters(self) -> dict[str, Any]:
        """eventMeta.parameters; empty if absent. EventError 10011 if it is no object."""
        if self._parameters is None:
            parameters = self.meta.get("parameters")
            if not (parameters is None or isinstance(parameters, dict)):
                raise EventError(NOT_CONVERTIBLE, "eventMeta.parameters must be an object")
            self._parameters = parameters or {}
        return self._parameters

    @property
    def saga_id(self) -> str | None:
        return as_text(self._current_saga().get("sagaId"), "sagaMeta.sagaId")

    @property
    def step_id(self) -> str | None:
        """StepId of the current (last) saga, as text: a number is read as its text."""
        return as_text(self._current_saga().get("stepId"), "sagaMeta.stepId")

    def text(self, name: str) -> str | None:
        """Return a field of eventMeta as text; None if absent, null or blank."""
        value = self.meta.get(name)
        if value is None or (type(value) is str and not value.isspace()):
            return value or None
        return as_text(value, f"eventMeta.{name}")

    def parameter(self, name: str) -> str | None:
        """Return a parameter as text; None if absent, null or blank."""
        value = self.parameters.get(name)
        if value is None or (type(value) is str and not value.isspace()):
            return value or None
        return as_text(value, f"eventMeta.parameters.{name}")

    def section(self, name: str) -> Any:
        """Return any section as plain JSON values, a copy of its own; None if absent.

        EventError 10011 where a text in it cannot be told to anybody.
        """
        return _plain(self.sections.get(name), name, whole=True)

    def whole(self) -> dict[str, Any]:
        """Return the whole event as plain JSON values (where ``@.`` paths start)."""
        return {name: self._values(name) for name in self.sections}

    def identity(self) -> str:
        """Return the identity of the event, a short digest: an event with the same one is a duplicate.

        Action, request id, sagaId, stepId and requestTime; without requestTime the whole value
        (docs/protocol.md, "Repeats"), but for white space round it, which is not stored.
        """
        time = self.text("requestTime")
        if time is None:
            return blake2b(self.raw.strip(), digest_size=12).hexdigest()
        named = encode([self.action, self.request_id, self.saga_id, self.step_id, time])
        return blake2b(named, digest_size=12).hexdigest()

    def answered(self, result: Mapping[str, Any], payload: Any = _UNREAD) -> Sections:
        """Return the sections of this event with our result and, if given, another payload.

        Fields of an earlier result that are not ours survive; ours (``status``, ``error``, ``task``,
        ``requested`` and the times) never leak from an earlier handler, nor what is ours only beside them.
        """
        sections = dict(self.sections)
        # Most events come without one, and keep the place of it where they have one.
        sections["result"] = {**self._foreign_result(), **result} if "result" in sections else result
        if payload is not _UNREAD:
            sections["payload"] = payload
        return sections

    def _foreign_result(self) -> dict[str, Any]:
        try:
            result = self.result or {}
        except EventError:
            return {}
        is_ours = _OUR_REPLIES & result.keys() or _is_definition(result.get("definition"))
        ours = _OUR_RESULT | _OF_OUR_REPLIES if is_ours else _OUR_RESULT
        return {name: value for name, value in result.items() if name not in ours}

    def _current_saga(self) -> dict[str, Any]:
        if self._saga is None:
            entries = self.section("sagaMeta")
            entries = [] if entries is None else entries
            if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
                raise EventError(NOT_CONVERTIBLE, "sagaMeta must be an array of objects")
            self._saga = entries[-1] if entries else {}
        return self._saga

    def _values(self, name: str) -> Any:
        return _plain(self.sections.get(name), name)

    def _object(self, name: str) -> dict[str, Any] | None:
        value = self._values(name)
        if value is None or isinstance(value, dict):
            return value
        raise EventError(NOT_CONVERTIBLE, f"{name} must be an object")


_OUR_RESULT: Final = frozenset({"receiveTime", "endTime", "status", "error", "task", "requested"})
_OUR_REPLIES: Final = frozenset({"task", "requested"})
"""Fields by which an earlier result of the runner itself is known."""
_OF_OUR_REPLIES: Final = frozenset({"from", "to", "comment", "definition"})
"""Fields that such a result may have besides; in a result of anybody else they are not ours."""


def _is_definition(value: Any) -> bool:
    """Whether a value is what the reply to a DefineTask has, which is all that tells such a reply."""
    return isinstance(value, dict) and value.keys() == {"domain", "taskSpec", "version"}


def read_event(sections: Sections, raw: bytes | None, rules: MetaRules = NO_RULES) -> Event:
    """Return the event of these sections, with the metadata rules of its topic applied.

    ``raw`` is the same event as JSON, if at hand. Never raises: an event for another handler is none
    of our business, however odd, and what is wrong with another is said to its sender (``trouble``).
    """
    sent, trouble = _meta(sections.get("eventMeta"))
    if not rules:
        return Event(sections, sent, raw, trouble=trouble)
    meta = rules.apply(sent)
    if trouble is not None:
        return Event(sections, meta, raw, sent, trouble)
    return Event({**sections, "eventMeta": meta}, meta, None, sent)


def require_answerable(event: Event) -> None:
    """Make sure that a request id can be read.

    Raises PoisonError NOT_AN_ENVELOPE otherwise: a FAIL would reach nobody.
    """
    _ = event.request_id


def require_sound(event: Event) -> None:
    """Make sure that every section is of its type, so that what is stored can be read again.

    Raises EventError 10011 naming the one that is not. ``require_answerable`` has looked at requestMeta.
    """
    if event.trouble is not None:
        raise event.trouble
    _ = event.payload, event.result, event.parameters, event.saga_id, event.step_id
    _ = event.text("requestTime")


def stored_event(raw: bytes) -> Event:
    """Return an event that was stored by this runner: rules were applied when it was read.

    ValueError or RecursionError for what is none.
    """
    return read_event(split(raw), raw)


def as_text(value: Any, name: str) -> str | None:
    """Return text, or a number as its text; None for null and blank text.

    A whole number is written as one, whatever it was sent as: 43.0 is 43. Raises EventError 10011 for
    anything else; ``name`` says in the message what it was.
    """
    if isinstance(value, str):
        if not value.isascii() and not is_well_formed(value):
            raise EventError(NOT_CONVERTIBLE, f"{name} holds half of a character pair")
        return value if value.strip() else None
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise EventError(NOT_CONVERTIBLE, f"{name} must be text")
    return str(value) if isinstance(value, int) else _number_text(value)


def _number_text(number: float) -> str:
    """Return the same text for the same number, however it was spelled; no digit is lost."""
    written = number.text if isinstance(number, Written) else repr(number)
    if not isfinite(number):
        return written
    shortest = repr(float(number))
    try:
        exact = Decimal(written)
    except InvalidOperation:
        # An exponent beyond all bounds: all that is finite with it is 0, or nearly.
        return "0" if _NOTHING.match(written) else written
    if exact == int(exact):
        return str(int(exact))
    return shortest if Decimal(shortest) == exact else written


def _any_text(value: Any) -> str | None:
    with suppress(EventError):
        return as_text(value, "")
    return None


def _request_id(raw: Any) -> str:
    if raw is None:
        raise PoisonError("NOT_AN_ENVELOPE", "requestMeta is missing: nobody can be answered")
    try:
        value = _request_head.decode(raw).id
    except ValueError:
        # What the parser dislikes may stand beside the id.
        try:
            meta = decode(raw)
        except (ValueError, RecursionError):
            raise PoisonError("NOT_AN_ENVELOPE", "requestMeta is no JSON: nobody can be answered") from None
        if not isinstance(meta, dict):
            raise PoisonError("NOT_AN_ENVELOPE", "requestMeta is no object: nobody can be answered") from None
        value = meta.get("id")
    if type(value) is str and value and value.isascii():
        return value
    if value is None or value == "":
        raise PoisonError("NOT_AN_ENVELOPE", "requestMeta.id is missing: nobody can be answered")
    try:
        # A blank id is one: only its sender has to understand it.
        return as_text(value, "requestMeta.id") or str(value)
    except EventError as error:
        raise PoisonError("NOT_AN_ENVELOPE", f"{error.message}: nobody can be answered") from None


def _meta(raw: Any) -> tuple[dict[str, Any], EventError | None]:
    """Return eventMeta, and what is wrong with it."""
    trouble = None
    try:
        meta = _plain(raw, "eventMeta", whole=True)
    except EventError as error:
        meta, trouble = _plain(raw, "eventMeta"), error
    if meta is None:
        return {}, trouble
    if not isinstance(meta, dict):
        return {}, EventError(NOT_CONVERTIBLE, "eventMeta must be an object")
    return meta, trouble


def _plain(value: Any, name: str, *, whole: bool = False) -> Any:
    """Return a section as plain JSON values; ``whole``: EventError for half of a character pair."""
    if value is None or not isinstance(value, msgspec.Raw):
        return value
    try:
        return decode_whole(value) if whole else decode(value)
    except (ValueError, RecursionError) as error:
        raise EventError(NOT_CONVERTIBLE, f"{name} cannot be read: {error}") from None


def _ruled(
    fields: Mapping[str, Any], defaults: Mapping[str, Any], overrides: Mapping[str, Any]
) -> dict[str, Any]:
    present = {name: value for name, value in fields.items() if value is not None}
    return {**fields, **defaults, **present, **overrides}
