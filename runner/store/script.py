"""The Lua files as Redis is given them: by their digest, and whole where a server does not know them."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import Final

BOUND: Final = ("load", "apply", "unverified", "verified")
"""Scripts that are bound to the servers that were verified: all that tasks are read and changed by."""


class Script:
    """Lua files in their order, called by a digest and sent whole where a server does not know them yet."""

    def __init__(self, *names: str, server: str | None = None) -> None:
        """``server``: the script is bound to it, and unknown wherever nobody has verified it."""
        folder = files("runner.store").joinpath("scripts")
        text = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self.is_bound = server is not None
        self.text = f"local SERVER = '{server or ''}'\n{text}" if set(names) <= set(BOUND) else text
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
