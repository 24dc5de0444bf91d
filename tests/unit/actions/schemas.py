"""The JSON Schemas of ``schemas/``, ready to check with."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

FOLDER: Final = Path(__file__).parents[3] / "schemas"


@cache
def validator(name: str) -> Draft202012Validator:
    """Validator for ``schemas/{name}.schema.json``, which is checked to be a schema itself."""
    schema = json.loads((FOLDER / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def complaints(name: str, value: Any) -> list[str]:
    """What a schema has against a value."""
    return [error.message for error in validator(name).iter_errors(value)]
