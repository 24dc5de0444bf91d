"""An input topic: what the configuration adds to a payload to complete it to an event."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runner.actions.timeout_between import TIMEOUT_COMMAND


@dataclass(frozen=True, slots=True)
class InputTopic:
    """The settings of one input topic, made from the configuration by ``cli``."""

    name: str
    topic: str
    meta: Mapping[str, Any]
    """The eventMeta of every event, but for ``requestTime``: action, domain, parameters and so on."""
    user: str = ""
    """The caller; empty: nobody. Never read from the payload, which anyone can write."""
    roles: tuple[str, ...] = ()
    user_header: str | None = None
    roles_header: str | None = None
    request_id_header: str | None = None
    request_id_path: str | None = None

    @property
    def is_command(self) -> bool:
        """Whether the messages are commands, of which only some are for this runner."""
        return bool(self.meta["action"] == TIMEOUT_COMMAND)
