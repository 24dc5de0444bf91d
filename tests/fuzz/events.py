"""Events drawn from bytes: sound but in a few places, as their senders make mistakes."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from typing import Any, Final

from runner.actions.incoming import HOPS, ORIGIN, PERIOD, TIME, TIMER, Headers
from runner.actions.registry import VERBS
from tests.fuzz.draw import Draw
from tests.unit.actions.events import HOUR, NOW, envelope

ACTIONS: Final = (*VERBS, "TimeoutBetween", "TIMEOUT", "nothing")
RICH: Final = {
    "taskId": "task-1",
    "a": {"b": [1, {"c": "x"}], "roles": ["manager"]},
    "user": {"id": "ann", "roles": ["manager"]},
    "from": 1,
    "to": NOW,
}
PLACES: Final[tuple[tuple[str, ...], ...]] = (
    *((name,) for name in ("requestMeta", "sagaMeta", "eventMeta", "payload", "result", "other")),
    *(("requestMeta", name) for name in ("id", "claims", "origin")),
    *(("payload", name) for name in ("taskId", "a", "user", "from", "to", "b")),
    *(
        ("eventMeta", name)
        for name in ("action", "version", "domain", "handler", "deployments", "parameters")
    ),
    *(("eventMeta", name) for name in ("inputElement", "outputElement", "responseStream", "requestTime")),
    *(
        ("eventMeta", "parameters", name)
        for name in (
            *("inputPattern", "outputPattern", "skipPattern", "taskIdPath", "enrichPath"),
            *("fromTimePath", "toTimePath", "timeout", "timeoutOn", "taskRoles", "taskUser"),
            *("taskName", "taskSpec", "taskAction", "ignoreErrors"),
            *("taskSpecVersion", "decisionElement", "dueOn", "followUpOn", "priority", "notes"),
            *("taskUserPath", "taskRolesPath", "data", "outcome", "ifVersion", "ignoreClaim"),
            *("text", "commentId", "delete", "user", "roles", "override", "reason"),
            *("schema", "outcomes", "uiOrder", "uiWidgets", "description", "hooks"),
        )
    ),
    *(("eventMeta", "parameters", "schema", name) for name in ("type", "properties", "required", "allOf")),
)
WORDS: Final = (
    *("a", "a.b", "a.b.0", "a.b[1].c", "$", "$.a", "@", "@.payload.a", "-", "a[*]", "$..c", "a[?(@.c)]"),
    *("orders", "trusting", "unchecked", "brief", "orders-out", "nowhere", "user-task", "eu"),
    *("{a: @, taskId: taskId}", "[@, @]", "length(@)", "[uuid(), now()]", "ann", "manager", "10118,10119"),
)
_SOUND: Final[dict[str, dict[str, Any]]] = {
    "StartTask": {
        "taskSpec": "form",
        "taskRoles": "manager",
        "hooks": [{"on": "arrival", "after": 5, "do": "remind", "repeatEvery": 60_000, "times": 2}],
    },
    "ProceedTask": {"enrichPath": "a"},
    "SaveTask": {"data": {"b": [1, {"c": "x"}], "n": 1.50}},
    "UpdateTask": {"timeout": 5, "priority": 7, "notes": "n"},
    "CommentTask": {"text": "t"},
    "AssignTask": {"user": "ann"},
    "CancelTask": {"reason": "r"},
    "DefineTask": {
        "taskSpec": "form",
        "schema": {"type": "object", "properties": {"b": {}, "n": {"type": "number"}}},
        "outcomes": ["yes", "no"],
    },
}
"""Parameters without which an action is refused at once."""

FIELDS: Final = (TIMER, PERIOD, ORIGIN, HOPS, TIME, "traceparent", "tracestate", "other")
TEXTS: Final = (
    *(b"1/0@10;%d;0" % (NOW + HOUR), b"1/3@4", b"3", b"1"),
    b'{"to_ms":1,"cursor":"c","requested":2}',
)


def sent_headers(draw: Draw) -> Headers:
    """Up to two headers, those of the runner's own messages among them."""
    return tuple((draw.of(FIELDS), _text(draw)) for _ in range(draw.number(3)))


def sent(draw: Draw) -> bytes:
    """The bytes of an event that is sound but in a few places."""
    action = draw.of(ACTIONS)
    parameters = copy.deepcopy(_SOUND.get(action, {}))
    event = envelope(action, payload=copy.deepcopy(RICH), wrong_meta={"requestTime": 1}, **parameters)
    if draw.number(2):
        event["requestMeta"]["claims"] = {"sub": "root", "roles": ["admin", "manager"]}
    for _ in range(draw.number(6)):
        *way, name = draw.of(PLACES)
        put(event, way, name, draw.of(WORDS) if draw.number(2) else draw.json())
    value = json.dumps(event).encode()
    if draw.number(8) == 7:
        at = draw.number(256) * len(value) // 256
        value = value[:at] + draw.rest() + value[at:]
    return value


def put(event: dict[str, Any], way: Sequence[str], name: str, value: Any) -> None:
    """Put a value in a place, if the way there still is one."""
    node: Any = event
    for step in way:
        node = node.get(step) if isinstance(node, dict) else None
    if isinstance(node, dict):
        node[name] = value


def _text(draw: Draw) -> bytes:
    return draw.some(40) if draw.number(2) else draw.of(TEXTS)
