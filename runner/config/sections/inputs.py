"""Other ways in: topics whose messages are only payloads, by a name of the operator's choice."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from runner.config.sections.section import Section
from runner.config.values import DottedName, Frozen, Text, Texts, Topic, invalid

InputAction = Literal["ProceedTask", "TimeoutTask", "TimeoutBetween", "TIMEOUT"]

_ROLES: Final[Mapping[str, InputAction]] = {
    "proceedTask": "ProceedTask",
    "timeoutTask": "TimeoutTask",
    "timeoutBetween": "TimeoutBetween",
}
"""The same actions as some engines spell them, where a topic has a role."""

# Times that were there and not looked at would time out another period than was asked for.
_USUAL_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "TimeoutBetween": {"fromTimePath": "fromTime", "toTimePath": "toTime"},
}


def _only_json(encoding: str) -> str:
    if encoding != "json":
        raise invalid(f"is {encoding}, but the payloads of input topics are read as JSON only", "remove it")
    return encoding


def _action(given: Any) -> Any:
    return _ROLES.get(given, given) if isinstance(given, str) else given


class Input(Section):
    """One input topic, and what is added to its payloads to make events of them."""

    topic: Topic | None = Field(default=None, description="The topic; null: it has the name of this input.")
    action: Annotated[InputAction, BeforeValidator(_action)] = Field(
        description=(
            "What every message asks for: ProceedTask, TimeoutTask, TimeoutBetween, "
            "or TIMEOUT for a topic of commands."
        ),
        json_schema_extra={"enum": [*_ROLES.values(), "TIMEOUT", *_ROLES]},
    )
    encoding: Annotated[str, AfterValidator(_only_json)] = Field(
        default="json",
        json_schema_extra={"enum": ["json"]},
        description="How the payloads are written: json, whatever the encoding of other topics.",
    )
    domain: Text | None = Field(default=None, description="Domain of the tasks: eventMeta.domain.")
    input_element: Text | None = Field(
        default=None, description="Path of the input in the payload; null: all of it."
    )
    output_element: Text | None = Field(default=None, description="Where the reply has its output.")
    response_stream: Topic | None = Field(
        default=None, description="Where replies go, one of responses.streams; null: to topics.responses."
    )
    parameters: Frozen[str, Any] = Field(
        default={}, description="eventMeta.parameters: taskIdPath, enrichPath, inputPattern and so on."
    )
    user: Text | None = Field(default=None, description="Who the caller is, for every message; null: nobody.")
    roles: Texts = Field(default=(), description="The caller's roles, for every message.")
    user_header: Text | None = Field(
        default=None,
        description="Header that names the caller: whoever may write to the topic may then act for anybody.",
    )
    roles_header: Text | None = Field(
        default=None, description="Header that lists the caller's roles, comma-separated."
    )
    request_id_header: Text | None = Field(
        default=None, description="Header with the request id; without one it is made of the message's place."
    )
    request_id_path: DottedName | None = Field(
        default=None, description="Dotted name in the payload of the request id, instead of a header."
    )

    def event_meta(self) -> dict[str, Any]:
        """Return what this says of eventMeta."""
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
