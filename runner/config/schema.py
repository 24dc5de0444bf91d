"""The JSON Schema of the configuration, for editors: ``python -m runner.config.schema`` prints it.

``schemas/config.schema.json`` is its output; a test compares the two.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from runner.config.model import Config

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of a configuration file, with every default and description."""
    head = {"$schema": DIALECT, "title": "Configuration of saga-task-runner"}
    return head | {
        name: _untitled(child) for name, child in Config.model_json_schema().items() if name != "title"
    }


def text() -> str:
    """Return the text of ``schemas/config.schema.json``."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _untitled(node: Any) -> Any:
    """Return a schema without the titles that pydantic makes from names."""
    if isinstance(node, dict):
        return {
            name: _untitled(child)
            for name, child in node.items()
            if not (name == "title" and isinstance(child, str))
        }
    return [_untitled(child) for child in node] if isinstance(node, list) else node


if __name__ == "__main__":
    sys.stdout.write(text())
