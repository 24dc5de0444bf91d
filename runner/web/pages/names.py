"""Names on a page: of controls, which browsers post back, their ids, and words made of names of fields."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote, unquote

from runner.forms.tree import escaped

DATA: Final = "data"
"""Before the pointer of a field, in the name of its control: the value as the control has it."""
ENTRY: Final = "entry"
"""A list, or an entry of it, is on the page, even if none of its controls posts anything."""
JSON: Final = "json"
"""The value of a field as JSON text."""
MORE: Final = "more"
"""The fields of an object that have no control of their own, as JSON text."""
ZONE: Final = "zone"
"""What a date-time is of: ``Z`` or an offset."""
ADD: Final = "add"
"""A button: one entry more in this list."""
REMOVE: Final = "remove"
"""A button: this entry goes."""

PREFIXES: Final = frozenset({DATA, ENTRY, JSON, MORE, ZONE, ADD, REMOVE})

_WORDS: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[\s_\-.]+")


def below(pointer: str, name: str | int) -> str:
    """Return the pointer of a part of what a pointer leads to."""
    return f"{pointer}/{escaped(str(name))}"


def segment(name: str) -> str:
    """Return the name of a field as a segment of the name of its control."""
    return quote(escaped(name), safe="~")


def address(prefix: str, pointer: str) -> str:
    """Return the name of a control; what HTML cannot hold, or a browser would change, is escaped."""
    return prefix + quote(pointer, safe="/~")


def field_of(name: str) -> str:
    """Return the name of the field, or the number of the entry, that a control is of."""
    return unquote(name.rpartition("/")[2]).replace("~1", "/").replace("~0", "~")


def id_of(pointer: str) -> str:
    """Return the id of the control of a pointer, which has no blanks and may stand behind ``#`` in a link."""
    return address("field", pointer)


def humanised(name: str) -> str:
    """Return words for a name such as ``dateOfBirth`` or ``date_of_birth``: Date of birth."""
    words = [word for word in _WORDS.split(name) if word]
    text = " ".join(word if word.isupper() and len(word) > 1 else word.lower() for word in words)
    return text[:1].upper() + text[1:] or name.strip()
