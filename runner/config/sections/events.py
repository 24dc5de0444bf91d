"""What is read from an event besides what it says: its caller, and metadata by topic."""

from typing import Any, Literal

from pydantic import ConfigDict, Field

from runner.config.sections.section import Section
from runner.config.values import Expressions, Frozen


class Caller(Section):
    """Who sent an event: JMESPath on the whole event, the first that is not null counts."""

    user: Expressions = Field(
        default=("requestMeta.claims.sub", "requestMeta.origin.id"),
        description="Where the caller's user id stands: JMESPath on the event, the first non-null wins.",
    )
    roles: Expressions = Field(
        default=("requestMeta.claims.roles",),
        description="Where the caller's roles stand: JMESPath on the event, the first non-null wins.",
    )


class MetaValue(Section):
    """A value for one field of eventMeta: ``default`` where it is absent, or ``override`` always."""

    default: Any = Field(default=None, description="Value where the event has none.")
    override: Any = Field(default=None, description="Value whatever the event says.")


class Meta(Section):
    """Values for eventMeta of events read from requests; any field may be named."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, MetaValue] = Field(init=False)

    parameters: Frozen[str, MetaValue] = Field(
        default={}, description="Values for eventMeta.parameters, by the parameter's name."
    )

    def defaults(self) -> dict[str, Any]:
        """A partial eventMeta: what to add where the event has nothing."""
        return self._chosen("default")

    def overrides(self) -> dict[str, Any]:
        """A partial eventMeta: what to write over whatever the event has."""
        return self._chosen("override")

    def _chosen(self, kind: Literal["default", "override"]) -> dict[str, Any]:
        fields = _of_kind(self.__pydantic_extra__, kind)
        parameters = _of_kind(self.parameters, kind)
        return fields | ({"parameters": parameters} if parameters else {})


def _of_kind(values: Any, kind: str) -> dict[str, Any]:
    return {name: getattr(value, kind) for name, value in values.items() if kind in value.model_fields_set}
