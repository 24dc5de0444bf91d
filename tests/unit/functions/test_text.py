"""Functions on text, and on JSON and CSV written as text."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.unit.functions.calls import check, check_refused

ROWS: Final = [{"id": "a", "n": 1}, {"n": None, "x": [1, {"y": "z"}], "id": 'say "hi",\nyou'}, {}]

CALLS: Final[list[tuple[str, Any, Any]]] = [
    ("replace(@, '.', '-')", "a.b.c", "a-b-c"),
    ("replace(@, 'a', '')", "banana", "bnn"),
    ("replace(@, 'x', 'y')", "abc", "abc"),
    ("split(@, ', ')", "a, b, ", ["a", "b", ""]),
    ("split(@, '|')", "a.b", ["a.b"]),
    ("split(@, ',')", "", [""]),
    ("substr(@, `1`, `3`)", "äöüß", "öü"),
    ("substr(@, `1`)", "abc", "bc"),
    ("substr(@, `5`, `9`)", "abc", ""),
    ("substr(@, `-2`)", "abc", "bc"),
    ("substr(@, `0`, `1e30`)", "abc", "abc"),
    ("trim(@)", " \t a b\n", "a b"),
    ("to_lower(@)", "ÄB1", "äb1"),
    ("to_upper(@)", "äß1", "ÄSS1"),
    ("slug(@)", "  Crème Brûlée -- à la carte! ", "creme-brulee-a-la-carte"),
    ("slug(@)", "北京 2024", "2024"),
    ("slug(@, `true`)", "北京 Straße", "beijing-strasse"),
    ("slug(@)", "…", ""),
    ("encode_url(@)", "a b/c?ü=&+~", "a%20b%2Fc%3F%C3%BC%3D%26%2B~"),
    ("decode_url(@)", "a+b%20c%2Fü%C3%BC", "a b c/üü"),
    ("decode_url(encode_url(@))", "100% +ÿ\U0001f600", "100% +ÿ\U0001f600"),
    ("btoa(@)", "Grüße", "R3LDvMOfZQ=="),
    ("btoa(@)", {"a": [1, "ü"]}, "eyJhIjpbMSwiw7wiXX0="),
    ("btoa(@)", 12, "MTI="),
    ("btoa(nothing)", {}, "bnVsbA=="),
    ("atob(@)", "R3LDvMOfZQ==", "Grüße"),
    ("atob(@)", "R3LDvMOfZQ", "Grüße"),
    ("atob(@)", "", ""),
    ("to_json(@)", ' {"a": [1, 2.5, null, true]} ', {"a": [1, 2.5, None, True]}),
    ("to_json(@)", '"\\u00e4"', "ä"),
    ("from_json(@)", {"a": [1, 2.5, None, True, "ä\n"]}, '{"a":[1,2.5,null,true,"ä\\n"]}'),
    ("from_json(nothing)", {}, "null"),
    ("to_json(from_json(@))", [{"x": "y"}], [{"x": "y"}]),
    (
        "csv_to_json(@)",
        'id,text\r\n1,"a, ""b""\nc"\r\n\n2,\n3\n',
        [{"id": "1", "text": 'a, "b"\nc'}, {"id": "2", "text": ""}, {"id": "3"}],
    ),
    ('csv_to_json(@, `{"delimiter": ";", "quote": "\'"}`)', "a;b\n';';\"", [{"a": ";", "b": '"'}]),
    ("csv_to_json(@)", "", []),
    ("csv_to_json(@)", "\ufeffa\n1", [{"a": "1"}]),
    ("csv_to_json(@)", "\ufeff", []),
    ("to_json(@)", "\ufeff[1]", [1]),
    ("json_to_csv(@)", [{"a": "x\ry", "b\r": " z "}], 'a,"b\r"\n"x\ry", z \n'),
    ("json_to_csv(@)", [{"a": ""}, {"a": None}], 'a\n""\n""\n'),
    ("csv_to_json(json_to_csv(@))", [{"\ufeffa": "\ufeff"}], [{"\ufeffa": "\ufeff"}]),
    ("json_to_csv(@)", [{"": 1}], '""\n1\n'),
    ("csv_to_json(json_to_csv(@))", [{"a": "\r"}, {"a": ""}], [{"a": "\r"}, {"a": ""}]),
    ("csv_to_json(@)", "a,b\n", []),
    ("csv_to_json(@)", "a\n\u2028x\x0b\n", [{"a": "\u2028x\x0b"}]),
    ("json_to_csv(@)", ROWS, 'id,n,x\na,1,\n"say ""hi"",\nyou",,"[1,{""y"":""z""}]"\n,,\n'),
    ('json_to_csv(@, `{"delimiter": "\\t"}`)', [{"a": 1, "b": True}], "a\tb\n1\ttrue\n"),
    ("json_to_csv(@)", [], ""),
    ("json_to_csv(@)", [{}, {}], ""),
    ("csv_to_json(json_to_csv(@))", [{"a": "1", "b": 'x"y\n'}], [{"a": "1", "b": 'x"y\n'}]),
]

REFUSALS: Final = [
    ("replace(@, '', 'x')", "abc", "search is empty"),
    ("replace(@, 'a', `1`)", "abc", "replacement is number"),
    ("replace(@, 'a', '" + "b" * 1000 + "')", "a" * 100_000, "more than 1000000"),
    ("split(@, '')", "abc", "delimiter is empty"),
    ("split(@, ',')", 5, "text is number"),
    ("substr(@, '1')", "abc", "start is string"),
    ("substr(@, `1.5`)", "abc", "start is number"),
    ("trim(@)", ["a"], "text is an array of string"),
    ("to_lower(@)", 1, "text is number"),
    ("to_upper(nothing)", {}, "text is null"),
    ("slug(@, 'yes')", "a", "transliterate is string"),
    ("encode_url(@)", 5, "text is number"),
    ("decode_url(@)", "100%", "hexadecimal"),
    ("decode_url(@)", "%fx", "hexadecimal"),
    ("decode_url(@)", "%ff", "not UTF-8"),
    ("btoa(&a)", {}, "value is expression"),
    ("atob(@)", "Zm9v=Zm9v", "not base64"),
    ("atob(@)", "====", "not base64"),
    ("atob(@)", "Zm9v\n", "not base64"),
    ("atob(@)", "a*b=", "not base64"),
    ("atob(@)", "ä", "not base64"),
    ("atob(@)", "a", "not base64"),
    ("atob(@)", "/w==", "not UTF-8"),
    ("to_json(@)", "{a: 1}", "not JSON"),
    ("to_json(@)", "", "not JSON"),
    ("to_json(@)", "NaN", "not JSON"),
    ("to_json(@)", '"\\ud800"', "not JSON"),
    ("to_json(@)", "[" * 100_000, "not JSON"),
    ("from_json(&a)", {}, "value is expression"),
    ("csv_to_json(@)", "a,a\n1,2", "same name"),
    ("csv_to_json(@)", "a\n1,2", "row 1 has more cells"),
    ("csv_to_json(@)", 'a\n"1', "not CSV"),
    ("csv_to_json(@)", 'a\n"1"2', "not CSV"),
    ("csv_to_json(@)", "a\n1\r2", "not CSV"),
    ("csv_to_json(@)", "a\n" + "x" * 131_073, "not CSV"),
    ('csv_to_json(@, `{"separator": ";"}`)', "a", "no option 'separator'"),
    ('csv_to_json(@, `{"delimiter": ";;"}`)', "a", "one character"),
    ('csv_to_json(@, `{"delimiter": "\\""}`)', "a", "are the same"),
    ("json_to_csv(@)", [1], "records is an array of number"),
    ('json_to_csv(@, `{"quote": 5}`)', [{"a": 1}], "one character"),
    ("json_to_csv(@)", [{f"k{n}": n} for n in range(1100)], "more than 1000000"),
]


@pytest.mark.parametrize(("expression", "data", "expected"), CALLS)
def test_a_call_gives(expression: str, data: Any, expected: Any) -> None:
    check(expression, data, expected)


@pytest.mark.parametrize(("expression", "data", "reason"), REFUSALS)
def test_a_call_is_refused(expression: str, data: Any, reason: str) -> None:
    check_refused(expression, data, reason)
