"""Permissions: which verbs a page offers. What it offers is asked of the same rules as what is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from runner.errors import EventError
from runner.tasks.record import Record
from runner.web.callers import Caller
from runner.web.commands import RequestIdentity
from runner.web.parts import WebComponents
from runner.web.problems import Refused
from runner.web.rights import require_may
from runner.web.ways import WAYS

_EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "assign": {"roles": ["-"], "override": True},
    "cancel": {"reason": "-"},
    "comments": {"text": "-"},
    "draft": {"data": {}},
    "update": {"priority": 0},
}
"""Values with which a verb can be asked about."""
_NOTHING_ASKED: Final = RequestIdentity("POST", "", b"")


def permitted(parts: WebComponents, caller: Caller, record: Record) -> frozenset[str]:
    """Return the verbs, as ``WAYS`` names them, that a caller may send to a task as it is now."""
    return frozenset(verb for verb in WAYS if _may(parts, caller, record, verb))


def _may(parts: WebComponents, caller: Caller, record: Record, verb: str) -> bool:
    values = _EXAMPLES.get(verb, {})
    try:
        command = parts.commands.on_task(caller, _NOTHING_ASKED, WAYS[verb].action, record.key, values)
        require_may(record, command, parts.policy)
        command.plan.verb.guard(record, command.plan, parts.policy)
    except (Refused, EventError):
        return False
    return record.state.status in command.plan.verb.from_states
