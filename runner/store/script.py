"""Lua scripts, called by digest and sent as text where a server lacks them, and the servers they know."""

from __future__ import annotations

import re
from hashlib import sha1
from importlib.resources import files
from typing import Final

from runner.store.connection.command import Connection
from runner.store.connection.refusals import unavailable

BOUND: Final = ("load", "apply", "pending_tokens", "verified")
"""Scripts bound to the verified servers: all scripts that read and change tasks."""


_IDS: Final = re.compile(rb"^(?:run_id|master_replid):(\w+)", re.MULTILINE)
"""``run_id`` is new with every start of a server, ``master_replid`` with every takeover."""


class Script:
    """One or more Lua files, joined in order, with the digest by which Redis calls them."""

    def __init__(self, *names: str, server: str | None = None) -> None:
        """``server``: identity of the verified servers; the script is unknown to any other server."""
        folder = files("runner.store").joinpath("scripts")
        text = "".join(folder.joinpath(f"{name}.lua").read_text("utf-8") for name in names)
        self.is_bound = server is not None
        self.text = f"local SERVER = '{server or ''}'\n{text}" if set(names) <= set(BOUND) else text
        self.digest = sha1(self.text.encode(), usedforsecurity=False).hexdigest()


def identity(connection: Connection) -> str:
    """Return a text that changes when a master restarts or another server takes over."""
    answers = [
        answer
        for section in ("server", "replication")
        for answer in connection.run_on_masters(("INFO", section))
    ]
    for answer in answers:
        if isinstance(answer, Exception):
            raise unavailable(answer) from answer
    ids = sorted(match.decode() for answer in answers for match in _IDS.findall(answer))
    return sha1(" ".join(ids).encode(), usedforsecurity=False).hexdigest()[:16]
