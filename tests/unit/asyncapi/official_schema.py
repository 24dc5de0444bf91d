"""The official JSON Schema of AsyncAPI, as the package of its authors in the npm registry carries it.

Nothing of it is kept here. It is fetched with npm, in a fixed version, and compared with a fixed hash.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any, Final

PACKAGE: Final = "@asyncapi/specs@6.11.1"
INTEGRITY: Final = (
    "sha512-A3WBLqAKGoJ2+6FWFtpjBlCQ1oFCcs4GxF7zsIGvNqp/klGUHjlA3aAcZ9XMMpLGE8zPeYDz2x9FmO6DSuKraQ=="
)
REMEDY: Final = "install npm (Debian: apt-get install npm), let it reach a registry, and run this test again"


def fetch(folder: Path, version: str) -> dict[str, Any]:
    """Return the schema of a version of AsyncAPI; RuntimeError with the remedy where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"the official schema of AsyncAPI could not be fetched, there is no npm: {REMEDY}")
    command = [npm, "pack", PACKAGE, "--ignore-scripts", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        raise RuntimeError(
            f"the official schema of AsyncAPI could not be fetched: {REMEDY}\n{done.stderr[-2000:]}"
        )
    content = found[0].read_bytes()
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if integrity != INTEGRITY:
        raise RuntimeError(f"{PACKAGE} has the hash {integrity}, not {INTEGRITY}: somebody has changed it")
    with tarfile.open(found[0]) as archive:
        file = archive.extractfile(f"package/schemas/{version}.json")
        assert file is not None
        schema: dict[str, Any] = json.loads(file.read())
    return schema
