"""Sections about events: caller, metadata, inputs and limits."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field

from runner.config.sections.section import BrokenRule, Section
from runner.config.values import DottedName, Expressions, Frozen, Text, Texts, Topic, invalid
from runner.limits import USUAL, WIDEST, EventLimits


class Caller(Section):
    """Who sent an event: JMESPath on the whole event, the first that is not null counts."""

    user: Expressions = ("requestMeta.claims.sub", "requestMeta.origin.id")
    """Where the caller's user id stands: JMESPath on the event, the first non-null wins."""
    roles: Expressions = ("requestMeta.claims.roles",)
    """Where the caller's roles stand: JMESPath on the event, the first non-null wins."""


class MetaValue(Section):
    """A value for one field of eventMeta: ``default`` where it is absent, or ``override`` always."""

    default: Any = None
    """Value where the event has none."""
    override: Any = None
    """Value whatever the event says."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if {"default", "override"} <= self.model_fields_set:
            yield BrokenRule(
                ("default",), ("override",), "is never used, for override always wins", "keep one of them"
            )


class Meta(Section):
    """Values for eventMeta of events read from requests; any field may be named."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MetaValue] = Field(init=False)

    parameters: Frozen[str, MetaValue] = Field(default={})
    """Values for eventMeta.parameters, by the parameter's name."""

    def defaults(self) -> dict[str, Any]:
        """Return a partial eventMeta: the values for fields that an event lacks."""
        return self._chosen("default")

    def overrides(self) -> dict[str, Any]:
        """Return a partial eventMeta: the values that replace those of an event."""
        return self._chosen("override")

    def _chosen(self, kind: Literal["default", "override"]) -> dict[str, Any]:
        fields = _of_kind(self.__pydantic_extra__, kind)
        parameters = _of_kind(self.parameters, kind)
        return fields | ({"parameters": parameters} if parameters else {})


def _of_kind(values: Any, kind: str) -> dict[str, Any]:
    return {name: getattr(value, kind) for name, value in values.items() if kind in value.model_fields_set}


InputAction = Literal["ProceedTask", "TimeoutTask", "TimeoutBetween", "TIMEOUT"]

_ROLES: Final[Mapping[str, InputAction]] = {
    "proceedTask": "ProceedTask",
    "timeoutTask": "TimeoutTask",
    "timeoutBetween": "TimeoutBetween",
}
"""The same actions as some engines spell them, where a topic has a role."""

# Times that were there and not looked at would time out another period than was asked for.
_USUAL_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "TimeoutBetween": {"fromTimePath": "fromTime", "toTimePath": "toTime"}
}


def _only_json(encoding: str) -> str:
    if encoding != "json":
        raise invalid(f"is {encoding}, but the payloads of input topics are read as JSON only", "remove it")
    return encoding


def _action(given: Any) -> Any:
    return _ROLES.get(given, given) if isinstance(given, str) else given


class Input(Section):
    """One input topic, and what is added to its payloads to make events of them."""

    topic: Topic | None = None
    """The topic; null: it has the name of this input."""
    action: Annotated[InputAction, BeforeValidator(_action)] = Field(
        json_schema_extra={"enum": [*_ROLES.values(), "TIMEOUT", *_ROLES]}
    )
    """What every message asks for: ProceedTask, TimeoutTask, TimeoutBetween, or TIMEOUT for a topic of
    commands.
    """
    encoding: Annotated[str, AfterValidator(_only_json)] = Field(
        default="json", json_schema_extra={"enum": ["json"]}
    )
    """How the payloads are written: json, whatever the encoding of other topics."""
    domain: Text | None = None
    """Domain of the tasks: eventMeta.domain."""
    input_element: Text | None = None
    """Path of the input in the payload; null: all of it."""
    output_element: Text | None = None
    """Where the reply has its output."""
    response_stream: Topic | None = None
    """Where replies go, one of responses.streams; null: to topics.responses."""
    parameters: Frozen[str, Any] = Field(default={})
    """eventMeta.parameters: taskIdPath, enrichPath, inputPattern and so on."""
    user: Text | None = None
    """Who the caller is, for every message; null: nobody."""
    roles: Texts = ()
    """The caller's roles, for every message."""
    user_header: Text | None = None
    """Header that names the caller: whoever may write to the topic may then act for anybody."""
    roles_header: Text | None = None
    """Header that lists the caller's roles, comma-separated."""
    request_id_header: Text | None = None
    """Header with the request id; without one it is made of the message's place."""
    request_id_path: DottedName | None = None
    """Dotted name in the payload of the request id, instead of a header."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if self.request_id_header is not None and self.request_id_path is not None:
            yield BrokenRule(
                ("requestIdPath",),
                ("requestIdHeader",),
                "is set, while requestIdHeader is as well",
                "keep one of them",
            )

    def event_meta(self) -> dict[str, Any]:
        """Return the eventMeta of every event of the input."""
        usual = _USUAL_PARAMETERS.get(self.action, {})
        named = {
            "action": self.action,
            "domain": self.domain,
            "inputElement": self.input_element,
            "outputElement": self.output_element,
            "responseStream": self.response_stream,
            "parameters": {**usual, **self.parameters} or None,
        }
        return {name: value for name, value in named.items() if value is not None}


class Limits(Section):
    """Bounds on what a sender can ask for; docs/protocol.md has those that are fixed as well."""

    event_bytes: int = Field(default=USUAL.event_bytes, ge=1024, le=WIDEST.event_bytes)
    """Largest event that is read, in bytes: a larger message is a dead letter, TOO_LARGE. Responses are
    bounded by max.message.bytes of their topic.
    """
    headers: int = Field(default=USUAL.headers, ge=16, le=WIDEST.headers)
    """Most headers of a message; FAIL 10011 beyond."""
    header_bytes: int = Field(default=USUAL.header_bytes, ge=1024, le=WIDEST.header_bytes)
    """Most bytes of all headers of a message, names and values; FAIL 10011 beyond."""
    id_bytes: int = Field(default=USUAL.id_bytes, ge=64, le=WIDEST.id_bytes)
    """Longest request id, and longest id of a new task, in bytes; FAIL 10011 beyond. Tasks that are there
    already can be ended whatever this is.
    """
    pattern_characters: int = Field(default=USUAL.pattern_characters, ge=64, le=WIDEST.pattern_characters)
    """Longest pattern, and expression from the data, in characters; FAIL 10011 beyond."""
    pattern_values: int = Field(default=USUAL.pattern_values, ge=1000, le=WIDEST.pattern_values)
    """Most values that one pattern visits and builds, 32 characters of text for one; FAIL 10011 beyond. A
    million takes about a second and at most 150 MB while it is evaluated.
    """
    data_bytes: int = Field(default=USUAL.data_bytes, ge=1024, le=WIDEST.data_bytes)
    """Largest result of inputPattern, and largest data of a new task, in bytes of JSON; FAIL 10011 beyond."""
    poison_in_a_row: int = Field(default=100, ge=0, le=1_000_000)
    """Dead letters in a row on one partition before it is paused and /health/ready says no; 0: never."""

    hook_seconds: int = Field(default=60, ge=1, le=86_400)
    """Least repeatEvery of a hook, in seconds: how soon a reminder may be repeated; FAIL 10011 below."""

    def of_event(self) -> EventLimits:
        return EventLimits(**{field.name: getattr(self, field.name) for field in fields(EventLimits)})
