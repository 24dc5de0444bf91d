"""A package of the npm registry, in a fixed version and compared with a fixed hash; nothing of it is kept."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Final

REMEDY: Final = "install npm (Debian: apt-get install npm), let it reach a registry, and run this test again"


def fetched(folder: Path, package: str, integrity: str, member: str) -> bytes:
    """Return a file of a package (``name@version``); RuntimeError with the remedy where it cannot be had."""
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(f"{package} could not be fetched, there is no npm: {REMEDY}")
    command = [npm, "pack", package, "--ignore-scripts", "--pack-destination", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = list(folder.glob("*.tgz"))
    if done.returncode or not found:
        raise RuntimeError(f"{package} could not be fetched: {REMEDY}\n{done.stderr[-2000:]}")
    content = found[0].read_bytes()
    got = "sha512-" + base64.b64encode(hashlib.sha512(content).digest()).decode()
    if got != integrity:
        raise RuntimeError(f"{package} has the hash {got}, not {integrity}: somebody has changed it")
    with tarfile.open(found[0]) as archive:
        file = archive.extractfile(f"package/{member}")
        assert file is not None
        return file.read()
