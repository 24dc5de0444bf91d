"""The Avro schema of an envelope: ``python -m runner.envelope.avro_schema`` prints it.

``schemas/envelope.avsc`` is its output; a test compares the two. The free-form sections are JSON text,
so that whatever a saga puts into them passes through; a section that is absent is null, one that is
JSON's null is the text ``null``.
"""

from __future__ import annotations

import json
import sys
from typing import Any, Final

SECTIONS: Final = {
    "requestMeta": "An object, owned by the gateway; its id is the request's.",
    "sagaMeta": "An array of objects, owned by the saga engine; the last one is the current saga.",
    "eventMeta": "An object, owned by the saga engine: what is to be done.",
    "payload": "An object, owned by anyone.",
    "result": "An object or null, owned by whoever handled the event last.",
}
"""The sections that the protocol names, and what they hold."""

OTHERS: Final = "others"
"""The field of all that the protocol does not name."""

SCHEMA: Final[dict[str, Any]] = {
    "type": "record",
    "name": "Envelope",
    "namespace": "saga.task",
    "doc": "An event of a saga. Every section is one JSON value as text; null where it is absent.",
    "fields": [
        *(
            {"name": name, "type": ["null", "string"], "default": None, "doc": f"JSON text. {about}"}
            for name, about in SECTIONS.items()
        ),
        {
            "name": OTHERS,
            "type": {"type": "map", "values": "string"},
            "default": {},
            "doc": "JSON text of every other top-level field, by its name.",
        },
    ],
}


def text() -> str:
    """Return the schema as it stands in its file, and as it is registered."""
    return json.dumps(SCHEMA, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(text())
