"""Functions that read and write JSON and CSV as text."""

from __future__ import annotations

import csv
from typing import Any, Final

import msgspec

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.merge import Json
from runner.envelope.units import characters

_OPTIONS: Final = frozenset({"delimiter", "quote"})
_LINE_END: Final = "\n"


def to_json(evaluation: Evaluation, text: str) -> Json:
    """The value that a JSON text holds."""
    evaluation.spend(characters(len(text)) + sum(text.count(sign) for sign in "[{,"))
    try:
        value: Json = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        raise Misuse("text is not JSON, or holds a number that is too large") from None
    return value


def from_json(evaluation: Evaluation, value: Json) -> Json:
    """The value as JSON text, without spaces."""
    evaluation.measure(value)
    return _printed(value)


def csv_to_json(evaluation: Evaluation, text: str, options: dict[str, Any]) -> Json:
    """One object of texts for each row after the first, whose cells name the fields."""
    dialect = _dialect(options)
    evaluation.spend(text.count(dialect["delimiter"]) + text.count(_LINE_END) + len(text) // 8)
    try:
        rows = [row for row in csv.reader(_lines(text), strict=True, **dialect) if row]
    except csv.Error as error:
        raise Misuse(f"text is not CSV ({error})") from None
    if not rows:
        return []
    header = rows[0]
    if len(set(header)) < len(header):
        raise Misuse("two columns have the same name")
    records: list[Any] = []
    for number, row in enumerate(rows[1:], 1):
        if len(row) > len(header):
            raise Misuse(f"row {number} has more cells than the header")
        records.append(dict(zip(header, row, strict=False)))
    return records


def json_to_csv(evaluation: Evaluation, records: list[dict[str, Any]], options: dict[str, Any]) -> Json:
    """A header with every field that occurs, and a row for each record."""
    dialect = _dialect(options)
    header: dict[str, None] = {}
    for record in records:
        header.update(dict.fromkeys(record))
    if not header:
        return ""
    evaluation.measure(records)
    evaluation.spend((len(records) + 1) * len(header))
    written = _Lines()
    writer = csv.writer(written, lineterminator=_LINE_END, **dialect)
    try:
        writer.writerow(header)
        writer.writerows([_cell(record.get(field)) for field in header] for record in records)
    except csv.Error as error:
        raise Misuse(f"the records cannot be written ({error})") from None
    return "".join(written.lines)


class _Lines:
    """What the csv module writes to."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; only a line feed ends one."""
    return [f"{line}{_LINE_END}" for line in text.split(_LINE_END)]


def _dialect(options: dict[str, Any]) -> dict[str, Any]:
    unknown = sorted(set(options) - _OPTIONS)
    if unknown:
        raise Misuse(f"there is no option {unknown[0][:40]!r}; use delimiter and quote")
    delimiter, quote = options.get("delimiter", ","), options.get("quote", '"')
    for sign in (delimiter, quote):
        if not isinstance(sign, str) or len(sign) != 1 or sign in "\r\n\0":
            raise Misuse("delimiter and quote are one character each")
    if delimiter == quote:
        raise Misuse("delimiter and quote are the same")
    return {"delimiter": delimiter, "quotechar": quote}


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else _printed(value)


def _printed(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, RecursionError):
        raise Misuse("the value cannot be written as JSON") from None
