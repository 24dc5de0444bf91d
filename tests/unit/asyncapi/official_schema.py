"""The official JSON Schema of AsyncAPI, as the package of its authors in the npm registry carries it.

Nothing of it is kept here. It is fetched with npm, in a fixed version, and compared with a fixed hash.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from tests.servers.npm_package import fetched

PACKAGE: Final = "@asyncapi/specs@6.11.1"
INTEGRITY: Final = (
    "sha512-A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="
)


def fetch(folder: Path, version: str) -> dict[str, Any]:
    """Return the schema of a version of AsyncAPI; RuntimeError with the remedy where it cannot be had."""
    schema: dict[str, Any] = json.loads(fetched(folder, PACKAGE, INTEGRITY, f"schemas/{version}.json"))
    return schema
