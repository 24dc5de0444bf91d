"""Any function on any JSON: plain JSON or a refusal with 10011, the same again, and nothing is changed."""

from __future__ import annotations

import copy
import json
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st
from jmespath.exceptions import JMESPathError

from runner.envelope.functions.table import FUNCTIONS
from runner.envelope.patterns import Scope, search
from runner.envelope.plain import Written, encode
from runner.envelope.units import EvaluationRefused
from runner.errors import NOT_CONVERTIBLE, EventError
from tests.unit.functions.calls import EVENT

TEXTS: Final = st.text(max_size=6) | st.sampled_from(
    [
        *("a", "a.b", "0", "a.0", ",", "a,b\n1,2", "yyyy-MM-dd", "1970-01-01", "[1]", '{"a":1}', "(a+)+$"),
        *("YQ==", "%41", "entry.a", 'dynamic(@, `"a"`)', "type(@)", "1e400", "\ud800"),
    ]
)
NUMBERS: Final = (
    st.integers(-3, 10)
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from([1e308, 10**320, -(10**320), 2**53, 253402300799999])
    | st.sampled_from(["0.10", "1e2", "-0", "1e400", "12345678901234567890.5", "43.0"]).map(Written)
)
KEYS: Final = st.sampled_from(["a", "b", "0", "a.b", "", "delimiter", "quote"])
VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=10,
)
OF_KIND: Final[dict[str, st.SearchStrategy[Any]]] = {
    "any": VALUES,
    "array": st.lists(VALUES, max_size=4),
    "array[array]": st.lists(st.lists(VALUES, max_size=3), max_size=3),
    "array[number]": st.lists(NUMBERS, max_size=4),
    "array[object]": st.lists(st.dictionaries(KEYS, VALUES, max_size=3), max_size=3),
    "array[string]": st.lists(TEXTS, max_size=3),
    "boolean": st.booleans(),
    "expression": st.nothing(),
    "integer": NUMBERS,
    "number": NUMBERS,
    "object": st.dictionaries(KEYS, VALUES, max_size=3),
    "string": TEXTS,
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[str, list[Any]]:
    """A function and arguments: mostly of the kinds that it takes."""
    function = FUNCTIONS[draw(st.sampled_from(sorted(FUNCTIONS)))]
    arguments = [
        draw(st.one_of(*(OF_KIND[kind] for kind in parameter.kinds)) if draw(st.integers(0, 9)) else VALUES)
        for parameter in function.parameters
    ]
    return function.name, arguments[: draw(st.integers(0, len(arguments)))] if not draw(
        st.integers(0, 9)
    ) else arguments


def outcome(expression: str, value: Any) -> str:
    try:
        result = search(expression, value, Scope(EVENT, "inputPattern"))
    except EventError as refusal:
        assert refusal.code == NOT_CONVERTIBLE  # noqa: PT017 - both ends are right
        assert isinstance(refusal.__cause__, EvaluationRefused | JMESPathError | UnicodeEncodeError)  # noqa: PT017
        refusal.message.encode()
        return refusal.message
    printed = encode(result).decode()
    assert json.loads(printed) == result
    return printed


@settings(deadline=None, max_examples=1000)
@given(call=calls())
def test_any_call_gives_plain_json_or_is_refused_and_does_so_again(call: tuple[str, list[Any]]) -> None:
    name, arguments = call
    data = {f"p{number}": argument for number, argument in enumerate(arguments)}
    before = copy.deepcopy(data)
    expression = f"{name}({', '.join(data)})"
    said = outcome(expression, data)
    assert data == before
    assert outcome(expression, data) == said
