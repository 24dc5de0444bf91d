"""The one error of forms: a schema that cannot be used."""

from __future__ import annotations


class SchemaRefused(Exception):
    """A schema cannot be used; ``pointer`` is the JSON pointer into it, ``message`` says why."""

    def __init__(self, pointer: str, message: str) -> None:
        super().__init__(f"{pointer or 'the schema'}: {message}")
        self.pointer = pointer
        self.message = message
