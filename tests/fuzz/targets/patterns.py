"""Any expression or path on a document: a value that can be sent, or a refusal, within counted bounds.

what is done, on which document, then the expression (for writing: the value and the other path as well)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from runner.envelope.functions.table import FUNCTIONS
from runner.envelope.paths import MISSING, compile_path, read, write_output
from runner.envelope.patterns import Scope, search
from runner.errors import EventError
from tests.fuzz.documented import check_refusal
from tests.fuzz.draw import Draw
from tests.fuzz.target import Target
from tests.unit.functions.calls import EVENT

DOCUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "a": {"b": [1, 2.5, {"c": "x"}, None, [[]]], "": {"é": "📎"}},
        "items": [{"id": n, "name": f"n{n}", "tags": ["x", "y"], "on": n % 2 == 0} for n in range(20)],
        "text": 'one, "two",three\n1,2,3',
        "time": 1_795_000_000_123,
        "numbers": [3, 1, 2, -1, 0.5, 1e308, 2**53],
        "expr": "items[].id",
    },
    {"deep": json.loads('{"d":' * 60 + "1" + "}" * 60), "wide": {f"k{n}": [n] * 9 for n in range(300)}},
)
BEFORE: Final = tuple(json.dumps(document) for document in DOCUMENTS)


def check(data: bytes) -> None:
    """Do one of the things that senders may ask for; the document stays as it is."""
    draw = Draw(data)
    way, number = draw.of(WAYS), draw.number(len(DOCUMENTS))
    document = DOCUMENTS[number]
    try:
        result = way(document, draw)
    except EventError as error:
        check_refusal(error)
    else:
        if result is not MISSING:
            msgspec.json.encode(result)
            json.dumps(result, allow_nan=False, ensure_ascii=False).encode()
    assert json.dumps(document) == BEFORE[number], "the document was changed"


def searched(document: dict[str, Any], draw: Draw) -> Any:
    return search(_rest(draw), document, Scope(EVENT, "inputPattern"))


def found(document: dict[str, Any], draw: Draw) -> Any:
    event = {"payload": document, "eventMeta": {"action": "StartTask"}}
    return read(_rest(draw), node=document.get("a"), payload=document, event=lambda: event)


def started_at(_: dict[str, Any], draw: Draw) -> Any:
    return compile_path(_rest(draw)).root.value


def written(document: dict[str, Any], draw: Draw) -> Any:
    """An output put into the payload: null, text, a list or an object, under drawn paths."""
    value = draw.json()
    input_element = draw.text() if draw.number(2) else None
    return write_output(
        document, value, input_element=input_element, output_element=_rest(draw) if draw.number(4) else None
    )


def _rest(draw: Draw) -> str:
    return draw.rest().decode("utf-8", "ignore")


WAYS: Final[tuple[Callable[[dict[str, Any], Draw], Any], ...]] = (searched, found, written, started_at)

STANDARD: Final = (
    "@",
    "a.b[2].c",
    "items[?on && id > `3`].{i: id, n: name}",
    "items[*].tags[] | [0:4:2]",
    "sort_by(items, &name)[-1].id",
    "map(&to_string(@), numbers)",
    "join(',', keys(a)) || 'none'",
    "!contains(text, 'two') && `{\"x\": [1]}`",
    "max_by(items, &id).*",
    "merge(a, @) == @",
    "wide.*[] | sum(@)",
    "deep.d.d.d | type(@)",
    '"a"."\\u00e9"',
    "[@,@,@] | [*][*]",
    "let",
)
PATHS: Final = (
    *("a.b.0", "$.a.b", "@.eventMeta.action", "$", "@", "-", "b[2].c", "b[-1]", "['']['é']", "..", "a..b"),
    *("$.items[*].id", "$..id", "items[?(@.id > 3)].name", "$.items[0:5:2]", "b[*].`parent`", "$.wide.*"),
    *("$.items[?(@.name == 'n1' & @.on == false)]", "b.`len`", "$.items[?(@.id =~ 'a')]", "$['a','b']"),
    *("$.items[?(@.tags[0] == $.text)]", "[0", "a]", "'", "$.numbers[(@.length-1)]", "b.`sorted`"),
)


HOSTILE: Final = (
    "@|" * 300 + "@",
    "[@,@]|" * 40 + "@",
    "wide.*[]|[*].[@,@]|[].[@,@]|[].[@,@]|[]",
    "repeat({a: @}, wide.*[], 'k')",
    "dynamic_repeat(@, wide.*[], 'input.wide.*[]')",
    "find_paths(@, '.*.*.*.*x')",
    "!" * 400 + "@",
    "a||" * 1000 + "a",
    "`" + "[" * 300 + "]" * 300 + "`",
    "@" + "[]" * 1500,
)
HOSTILE_PATHS: Final = ("$..*..*..*", "$.wide..[?($..*)]")


def seeds() -> Iterable[bytes]:
    """The syntax of both languages, and a call of every function."""
    for text in STANDARD:
        yield b"\x00\x00" + text.encode()
        yield b"\x00\x01" + text.encode()
    for name, function in FUNCTIONS.items():
        for arguments in _ARGUMENTS:
            if arguments.count(",") in {0, len(function.parameters) - 1}:
                yield b"\x00\x00" + f"{name}({arguments})".encode()
    for text in HOSTILE:
        yield b"\x00\x01" + text.encode()
    for path in HOSTILE_PATHS:
        yield b"\x01\x01" + path.encode()
    for path in PATHS:
        yield b"\x01\x00" + path.encode()
        yield b"\x02\x00" + b"\x04\x02\x01b\x00\x05\x01c\x01\x07" + b"\x00\x01" + path.encode()
        yield b"\x03\x00" + path.encode()


_ARGUMENTS: Final = (
    *("", "@", "text", "numbers", "items", "a", "time", "'a-b c'"),
    *("items,'id'", "a,a", "numbers,numbers", "text,','", "time,'yyyy-MM-dd HH:mm:ss.SSS'", "a,'b'"),
    *("text,'o','0'", "a,items,'k'", "a,'b.2.c',`1`", "@,items,'input.id'", "items,items,'id','id'"),
)
WORDS: Final = """
    [? [*] [] `1` `null` &id @. $.. `parent` `len` && || == =~ 'yyyy-MM-dd' items numbers text wide deep
"""
TARGET: Final = Target(
    "patterns",
    "any JMESPath, JSONPath or dotted path: read, searched, written to",
    check,
    seeds,
    " ".join(f"{name}(" for name in FUNCTIONS) + WORDS,
)
