"""Prints the OpenAPI document: ``python -m runner.web.openapi > schemas/openapi.json``."""

from __future__ import annotations

import json
import sys

from runner.web.app import describe
from runner.web.document import document


def printed() -> str:
    """Return the document as ``schemas/openapi.json`` has it."""
    return json.dumps(document(describe()), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(printed())
