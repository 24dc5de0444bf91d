"""Lua scripts: the files of this package, called by digest, sent as text where a server lacks them."""

from __future__ import annotations

from hashlib import sha1
from importlib.resources import files
from typing import Final

BOUND: Final = ("load", "apply", "pending_tokens", "verified")
"""Scripts bound to the verified servers: all scripts that read and change tasks."""


class Script:
    """One or more Lua files, joined in order, with the digest by which Redis calls them."""

    def __init__(self, *names: str, server: str | None = None) -> None:
        """``server``: identity of the verified servers; the script is unknown to any other server."""
        folder = files("runner.store").joinpath("scripts")
        text = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self.is_bound = server is not None
        self.text = f"local SERVER = '{server or ''}'\n{text}" if set(names) <= set(BOUND) else text
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()
