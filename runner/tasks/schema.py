"""The JSON Schema of a stored record, made from the structs of ``parts``.

``python -m runner.tasks.schema`` prints it; ``schemas/record.schema.json`` is its output, which a test
compares.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import msgspec

from runner.tasks import parts as stored
from runner.tasks.parts import (
    Comment,
    DefinitionVersion,
    HistoryEntry,
    Life,
    Notes,
    SavedDraft,
    TaskStart,
    TaskState,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

_ANY_OBJECT: Final = {"type": "object"}

PARTS: Final = (TaskState, TaskStart, Life, HistoryEntry, Comment, SavedDraft, Notes, DefinitionVersion)


def json_schema() -> dict[str, Any]:
    """Return the schema (2020-12) of all parts of a record, with the description of every field."""
    (state, start, life, entry, comment, draft, notes, version), parts = msgspec.json.schema_components(
        PARTS, ref_template="#/$defs/{name}"
    )
    parts["TaskStart"]["properties"]["event"] |= _ANY_OBJECT
    for part in ("SavedDraft", "HistoryEntry"):
        parts[part]["properties"]["data"] |= _ANY_OBJECT
    parts["DefinitionVersion"]["properties"]["definition"] |= _ANY_OBJECT
    for part, field, text in _field_docs():
        parts[part]["properties"][field] = {"description": text} | parts[part]["properties"][field]
    return {
        "$schema": DIALECT,
        "title": "Record of a task",
        "description": "Its parts, each stored as JSON of its own. A plain task has start and state alone.",
        "type": "object",
        "required": ["state", "start"],
        "properties": {"state": state, "start": start, "life": life, "draft": draft, "notes": notes},
        "patternProperties": {
            "^history/[1-9][0-9]*$": entry,
            "^comment/[1-9][0-9]*$": comment,
            "^version/(0|[1-9][0-9]*)$": version,
        },
        "$defs": parts,
    }


def text() -> str:
    """Return the text of the schema file."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def _field_docs() -> Iterator[tuple[str, str, str]]:
    """Yield struct, field as stored, and description of every field."""
    within = (stored.Ending, stored.TaskOwnership, stored.TaskDetails, stored.Hook, stored.HookDone)
    structs = {struct.__name__: struct for struct in (*PARTS, *within)}
    for node in ast.parse(inspect.getsource(stored)).body:
        if isinstance(node, ast.ClassDef) and node.name in structs:
            names = {field.name: field.encode_name for field in msgspec.structs.fields(structs[node.name])}
            for field, below in pairwise(node.body):
                match field, below:
                    case (
                        ast.AnnAssign(target=ast.Name(id=name)),
                        ast.Expr(value=ast.Constant(value=str(doc))),
                    ):
                        yield node.name, names[name], " ".join(doc.split())


if __name__ == "__main__":
    sys.stdout.write(text())
