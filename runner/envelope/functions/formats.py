"""Functions that read and write JSON and CSV as text.

What is written does not depend on the version of Python: CSV is written here, because the csv module
does not quote the same everywhere; and its messages are not repeated.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from typing import Any, Final

from runner.envelope.functions.signature import Evaluation, Misuse
from runner.envelope.plain import decode_whole, encode
from runner.envelope.units import characters
from runner.envelope.values import Json

_OPTIONS: Final = frozenset({"delimiter", "quote"})
_LINE_END: Final = "\n"
_BYTE_ORDER_MARK: Final = "\ufeff"


def to_json(evaluation: Evaluation, text: str) -> Json:
    """Return the value that a JSON text holds."""
    evaluation.spend(characters(len(text)) + sum(text.count(sign) for sign in "[{,"))
    try:
        value = decode_whole(text.removeprefix(_BYTE_ORDER_MARK))
    except (ValueError, RecursionError):
        raise Misuse("text is not JSON, or holds a number that is too large") from None
    return value


def from_json(evaluation: Evaluation, value: Json) -> Json:
    """Return the value as JSON text, without spaces."""
    evaluation.measure(value)
    return printed(value)


def csv_to_json(evaluation: Evaluation, text: str, options: dict[str, Any]) -> Json:
    """Return one object of texts for each row after the first, whose cells name the fields."""
    dialect = _dialect(options)
    evaluation.spend(text.count(dialect["delimiter"]) + text.count(_LINE_END) + len(text) // 8)
    try:
        rows = [row for row in csv.reader(_lines(text), strict=True, **dialect) if row]
    except csv.Error:
        raise Misuse(
            f"text is not CSV: a quote is not closed or is followed by something else, a carriage return"
            f" stands alone, or a cell has more than {csv.field_size_limit()} characters"
        ) from None
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
    """Return a header with every field that occurs, and a row for each record."""
    dialect = _dialect(options)
    header: dict[str, None] = {}
    for record in records:
        header.update(dict.fromkeys(record))
    if not header:
        return ""
    evaluation.measure(records)
    evaluation.spend((len(records) + 1) * len(header))
    rows = [header, *([_cell(record.get(field)) for field in header] for record in records)]
    return "".join(_row(row, dialect["delimiter"], dialect["quotechar"]) for row in rows)


def printed(value: Json) -> str:
    """Return a value as JSON text; Misuse for what cannot be written so."""
    try:
        return encode(value).decode()
    except (ValueError, RecursionError):
        raise Misuse("the value cannot be written as JSON") from None


def _row(cells: Iterable[str], delimiter: str, quote: str) -> str:
    """Write one row; an empty line would be none, so a single empty cell is quoted."""
    written = [_quoted(cell, delimiter, quote) for cell in cells]
    return (delimiter.join(written) or quote * 2) + _LINE_END


def _quoted(cell: str, delimiter: str, quote: str) -> str:
    if any(sign in cell for sign in (delimiter, quote, "\r", "\n", _BYTE_ORDER_MARK)):
        return f"{quote}{cell.replace(quote, quote * 2)}{quote}"
    return cell


def _lines(text: str) -> list[str]:
    """Return the lines with their ends; only a line feed ends one, and a byte order mark is part of none."""
    return [f"{line}{_LINE_END}" for line in text.removeprefix(_BYTE_ORDER_MARK).split(_LINE_END)]


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
    return value if isinstance(value, str) else printed(value)
