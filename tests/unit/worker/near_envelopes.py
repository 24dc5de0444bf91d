"""Strategies for messages: arbitrary bytes, arbitrary JSON, and envelopes that are nearly right."""

from __future__ import annotations

import json
from typing import Any, Final

from hypothesis import strategies as st

from runner.actions.incoming import Headers
from runner.actions.registry import VERBS

_LEAVES: Final = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([0, -1, 2**53, 2**63, -(2**63), 10**30, 10**400, 1e30, -1e308, 5e-324, 0.1]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=20),
    st.sampled_from(
        [
            "",
            " ",
            "\x00",
            "\u2028",
            "📎",
            "é" * 300,
            "null",
            "NaN",
            "1e30",
            "-5",
            "60000",
            "a.b",
            "$",
            "@",
            "-",
        ]
    ),
)
ANY_JSON: Final = st.recursive(
    _LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)

_IDS: Final = st.one_of(
    st.sampled_from(
        ["task-1", "open", "timed", "closed", "a b", "{x}", "::", "two\nlines", "x" * 4096, "é" * 2048]
    ),
    st.text(max_size=30),
    st.integers(),
)
_PATHS: Final = st.one_of(
    st.sampled_from(
        [
            "taskId",
            "$.taskId",
            "@.requestMeta.id",
            "$",
            "@",
            "-",
            "a.b.c",
            "a.0",
            "items[0]",
            "items[*]",
            "items[?(@.x>1)]",
            "$..taskId",
            "[",
            "a..b",
            ".",
            "'",
            "a[999999999]",
            "x" * 2000,
        ]
    ),
    st.text(max_size=12),
)
_PATTERNS: Final = st.one_of(
    st.sampled_from(
        [
            "taskId",
            "@",
            "{a: taskId}",
            "[@,@]",
            "length(@)",
            "sum(items)",
            "to_string(@)",
            "`{}`",
            '`"\\ud800"`',
            '"\\ud800"',
            "items[?x > `1`]",
            "(((((",
            "foo(bar)",
            "@" + "[@,@]" * 40,
            "max_by(items, &x)",
            "join(',', items)",
            "&x",
        ]
    ),
    st.text(max_size=12),
)
_TIMES: Final = st.one_of(
    st.sampled_from(
        [
            0,
            1,
            -1,
            "60000",
            " 5 ",
            "1e30",
            "NaN",
            "Infinity",
            "-Infinity",
            "1_000",
            "٣",
            1e30,
            2**53,
            2**64,
            10**400,
            0.5,
        ]
    ),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    ANY_JSON,
)
_TEXTS: Final = st.one_of(st.text(max_size=12), ANY_JSON)

_PLACES: Final[dict[str, st.SearchStrategy[Any]]] = {
    "eventMeta.action": st.sampled_from(["startTask", "", " ", 7, None, ["StartTask"]]) | st.text(max_size=8),
    "eventMeta.domain": st.sampled_from(["brief", "unheard-of", "", None, 7, ["orders"]]) | _TEXTS,
    "eventMeta.handler": st.sampled_from(["user-task", "others", "", None, 5]),
    "eventMeta.deployments": st.sampled_from(["eu", "us", ["eu"], ["us"], [], {}, 7, [None]]),
    "eventMeta.version": st.sampled_from([0, "0", 1, None, False, 10**400]) | ANY_JSON,
    "eventMeta.inputElement": _PATHS | ANY_JSON,
    "eventMeta.outputElement": _PATHS | ANY_JSON,
    "eventMeta.requestTime": _TIMES,
    "eventMeta.responseStream": st.sampled_from(["responses", "orders-out", "requests", "gone"]) | _TEXTS,
    "eventMeta.parameters": ANY_JSON,
    "eventMeta.parameters.inputPattern": _PATTERNS,
    "eventMeta.parameters.outputPattern": _PATTERNS,
    "eventMeta.parameters.skipPattern": _PATTERNS,
    "eventMeta.parameters.taskIdPath": _PATHS,
    "eventMeta.parameters.enrichPath": _PATHS,
    "eventMeta.parameters.fromTimePath": st.sampled_from(["from", "to", "nothing"]) | _PATHS,
    "eventMeta.parameters.toTimePath": st.sampled_from(["from", "to", "nothing"]) | _PATHS,
    "eventMeta.parameters.timeout": _TIMES,
    "eventMeta.parameters.timeoutOn": _TIMES,
    "eventMeta.parameters.taskName": _TEXTS,
    "eventMeta.parameters.taskUser": _TEXTS,
    "eventMeta.parameters.taskRoles": st.sampled_from(["clerk,manager", ["clerk"], " , ", [1]]) | _TEXTS,
    "eventMeta.parameters.ignoreErrors": st.sampled_from(["10118,10119", "13020", [10118], {}]) | _TEXTS,
    "eventMeta.parameters.other": ANY_JSON,
    "requestMeta.id": st.sampled_from(["r" * 4096, 7, "\x00", "", None]) | st.text(max_size=12) | ANY_JSON,
    "requestMeta.claims": st.fixed_dictionaries({}, optional={"sub": _TEXTS, "roles": _TEXTS}) | ANY_JSON,
    "requestMeta.origin": ANY_JSON,
    "payload.taskId": _IDS | ANY_JSON,
    "payload.from": _TIMES,
    "payload.to": _TIMES,
    "payload.items": st.lists(ANY_JSON, max_size=3),
    "payload.user": ANY_JSON,
    "requestMeta": ANY_JSON,
    "sagaMeta": st.lists(st.fixed_dictionaries({}, optional={"stepId": _TEXTS, "sagaId": _TEXTS})) | ANY_JSON,
    "eventMeta": ANY_JSON,
    "payload": ANY_JSON,
    "result": ANY_JSON,
    "more": ANY_JSON,
}
_ODDITIES: Final = st.lists(
    st.sampled_from(sorted(_PLACES)).flatmap(lambda place: st.tuples(st.just(place), _PLACES[place])),
    max_size=4,
)


def _near(action: str, task_id: Any, oddities: list[tuple[str, Any]]) -> dict[str, Any]:
    """A sound envelope, and then a few places of it made odd."""
    envelope: dict[str, Any] = {
        "requestMeta": {"id": "req-1"},
        "sagaMeta": [{"sagaId": "purchase", "stepId": "step-2"}],
        "eventMeta": {"action": action, "domain": "orders", "parameters": {}},
        "payload": {"taskId": task_id, "to": 1_800_000_000_000},
    }
    for place, value in oddities:
        *way, last = place.split(".")
        node: Any = envelope
        for name in way:
            node = node.get(name) if isinstance(node, dict) else None
        if isinstance(node, dict):
            node[last] = value
    return envelope


NEAR_ENVELOPES: Final = st.builds(
    _near,
    st.sampled_from([*VERBS, "TimeoutBetween"]),
    st.sampled_from(["open", "timed", "closed", "task-1", "new"]) | _IDS,
    _ODDITIES,
)


def _written(value: Any, spoiled: tuple[int, bytes] | None) -> bytes:
    """JSON as Python writes it (numbers of any size, escapes), with one place spoiled."""
    text = json.dumps(value, ensure_ascii=bool(spoiled)).encode("utf-8", "surrogatepass")
    if spoiled is None:
        return text
    at = spoiled[0] % (len(text) + 1)
    return text[:at] + spoiled[1] + text[at:]


_SPOILS: Final = st.none() | st.tuples(
    st.integers(0, 10_000),
    st.sampled_from([b"\xff", b"\\ud800", b"NaN", b"[" * 300, b'"', b"1" * 500, b"\x00", b"-0", b"e999"]),
)
EXTREMES: Final = (
    b"",
    b"NaN",
    b"1e30",
    b"-1",
    b"9" * 5000,
    b"[" * 10_000,
    b"[" * 10_000 + b"]" * 10_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'"\\ud800"',
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf{}",
    b'{"requestMeta":{"id":' + b"9" * 5000 + b'},"eventMeta":{"action":"StartTask"}}',
    b'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask"},"eventMeta":{"action":"ProceedTask"}}',
    b'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask","domain":"orders"},"payload":1e999}',
    rb'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask","domain":"orders"},"payload":{"a":"\ud800"}}',
    (
        rb'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask","domain":"orders","inputElement":"n"},'
        rb'"payload":{"n":{"taskId":"new","n":["\ud800",{"\ude00":-0}]}},"\ude00":"\ud83d"}'
    ),
    (
        rb'{"requestMeta":{"id":"1"},"eventMeta":{"action":"ProceedTask","domain":"trusting"},'
        rb'"payload":{"taskId":"open","user":{"id":"\ud800","roles":["\ud800"]}}}'
    ),
    b'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask","domain":"orders"},"payload":{"taskId":'
    + b"8" * 4200
    + b"}}",
    b'{"requestMeta":{"id":"1"},"eventMeta":{"action":"StartTask","domain":"orders"},"payload":{"taskId":"'
    + b"x" * 60_000
    + b'"}}',
)

_KINDS: Final[tuple[st.SearchStrategy[bytes | None], ...]] = (
    st.none(),
    st.binary(max_size=60),
    st.sampled_from(EXTREMES),
    st.builds(_written, ANY_JSON, _SPOILS),
    st.builds(_written, NEAR_ENVELOPES, _SPOILS),
    st.builds(_written, NEAR_ENVELOPES, st.none()),
)
# The last kind is the one with most to find in it: it is drawn as often as all others together.
VALUES: Final = st.integers(0, 2 * len(_KINDS) - 3).flatmap(lambda n: _KINDS[min(n, len(_KINDS) - 1)])

_SOURCES: Final = st.sampled_from(
    [
        "1/0@0",
        "1/0@1",
        "1/3@7",
        "9/9@9",
        "1/-5@3",
        "1/" + "9" * 4000 + "@1",
        "1/2@" + "9" * 5000,
        "x",
        "//@@",
        "",
    ]
)
_NUMBERS: Final = st.sampled_from(
    ["0", "1", "-1", "3", "9" * 40, "9" * 4200, "9" * 5000, "-" + "9" * 4200, "1e9", "٣", "x", "", " 2 "]
)


def _cursor(*parts: Any) -> str:
    return json.dumps(parts)


_CURSORS: Final = st.one_of(
    st.builds(
        _cursor,
        st.sampled_from([0, 1, 3, 4, -1, 99, 10**30, 1.5]),
        st.sampled_from(["orders", "brief", "", "zzz"]),
        st.sampled_from([0, 1, 3, -1, 99, 10**30]),
        st.sampled_from([0, 1_800_000_000_000, -1, 2**53, 10**400]),
        st.sampled_from(["", "1/0@1;0;timed", "\x00", "x" * 5000]),
    ),
    st.sampled_from(["", "[]", "null", "[" * 50_000, '[0,"orders",0,0]', "\x00"]),
    st.text(max_size=10),
)


def _period(to_ms: Any, cursor: Any, requested: Any) -> bytes:
    return json.dumps({"to_ms": to_ms, "cursor": cursor, "requested": requested}).encode()


_PERIODS: Final = st.one_of(
    st.builds(
        _period,
        st.sampled_from([0, 1_800_000_000_000, 2**53 - 1, 2**53, -1, 10**30, 10**4200, "x", None]),
        _CURSORS,
        st.sampled_from([0, 7, -1, 2**53 - 1, 10**4200, 1.5]),
    ),
    st.sampled_from(
        [b"", b"{}", b"[]", b'{"x":' + b"[" * 100_000, b'{"to_ms":1,"cursor":null,"requested":1}']
    ),
)
_MARKS: Final = st.one_of(
    st.builds("{};{};{}".format, _SOURCES, _NUMBERS, _NUMBERS).map(str.encode),
    st.just(b"1/0@1;1799999999995;0"),  # of the task that is due
)
_HEADER: Final = st.one_of(
    st.tuples(st.just("runner-timer"), _MARKS | st.binary(max_size=12)),
    st.tuples(st.just("runner-period"), _PERIODS | st.binary(max_size=12)),
    st.tuples(st.just("runner-hops"), _NUMBERS.map(str.encode) | st.binary(max_size=6)),
    st.tuples(st.just("runner-time"), _NUMBERS.map(str.encode) | st.binary(max_size=6)),
    st.tuples(st.just("runner-origin"), _SOURCES.map(str.encode) | st.binary(max_size=6)),
    st.tuples(st.sampled_from(["traceparent", "tracestate"]), st.binary(max_size=12)),
    st.tuples(st.text(max_size=8), st.binary(max_size=8)),
)
HEADERS: Final[st.SearchStrategy[Headers]] = st.lists(_HEADER, max_size=3).map(tuple)
KEYS: Final = st.none() | st.binary(max_size=12)
