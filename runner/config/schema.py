"""The JSON Schema of the configuration, for editors: ``python -m runner.config.schema`` prints it.

``schemas/config.schema.json`` is its output; a test compares the two. What the code says of a setting in
the text below it is its description.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

from runner.config.model import Config
from runner.config.sections.section import Section

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of a configuration file, with every default and description."""
    whole = Config.model_json_schema()
    nodes = {Config.__name__: whole, **whole["$defs"]}
    for section in Section.__subclasses__():
        for setting, text in _texts(section):
            properties = nodes[section.__name__]["properties"]
            name = section.model_fields[setting].alias or setting
            properties[name] = dict(sorted({"description": text, **properties[name]}.items()))
    head = {"$schema": DIALECT, "title": "Configuration of saga-task-runner"}
    return head | {name: _untitled(child) for name, child in whole.items() if name != "title"}


def _texts(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Give the settings of a section, each with the text below it in the code."""
    (source,) = ast.parse(inspect.getsource(section)).body
    for setting, below in pairwise(ast.iter_child_nodes(source)):
        match setting, below:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                yield name, " ".join(text.split())


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
