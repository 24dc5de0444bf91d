"""Text that a database can store and index, whatever somebody has put into it.

PostgreSQL refuses a zero byte, and an entry of an index beyond some 2,700 bytes. A role, a user or an id may
have either. So columns that are compared hold such text in another form, the same wherever it is written or
looked for; no two texts have the same form.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import Text, TypeDecorator
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

LONGEST_BYTES: Final = 600
"""Longer text is cut, and followed by a digest of all of it."""

_UNESCAPED: Final = re.compile("\x01([01])")
_CUT: Final = "\x01#"
_ESCAPED: Final = {0: "\x01" + "0", 1: "\x01" + "1"}


def stored(text: str) -> str:
    """Return the form in which a text stands in a column that is compared: nearly always the text itself.

    UnicodeEncodeError, a ValueError, for what is no text in UTF-8.
    """
    if len(text) * 4 <= LONGEST_BYTES and "\x00" not in text and "\x01" not in text:
        text.encode()
        return text
    encoded = text.encode()
    if len(encoded) > LONGEST_BYTES:
        start = encoded[:LONGEST_BYTES].decode(errors="ignore")
        return f"{start.translate(_ESCAPED)}{_CUT}{sha256(encoded).hexdigest()}"
    return text.translate(_ESCAPED)


def restored(text: str) -> str:
    """Return the text of which this is the stored form; of one that was cut, what is left of it."""
    return _UNESCAPED.sub(lambda found: chr(int(found[1])), text) if "\x01" in text else text


def is_cut(form: str) -> bool:
    """Whether this is the stored form of a text of which not all is left."""
    return _CUT in form


class ComparedText(TypeDecorator[str]):
    """A column whose values are compared, in byte order on every database; ``stored`` on the way in."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(Text(collation="C") if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        del dialect
        return None if value is None else stored(value)
