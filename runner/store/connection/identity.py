"""Which servers are masters now: what tells them from any others, and from themselves before.

``run_id`` is new with every start of a server, ``master_replid`` with every time it takes over.
"""

from __future__ import annotations

import re
from hashlib import sha1
from typing import Final

from runner.store.connection.command import Connection
from runner.store.connection.refusals import unavailable

_IDS: Final = re.compile(rb"^(?:run_id|master_replid):(\w+)", re.MULTILINE)


def identity(connection: Connection) -> str:
    """Return what tells the servers that are masters now from any others, and from themselves before."""
    told = [
        answer
        for section in ("server", "replication")
        for answer in connection.run_on_masters(("INFO", section))
    ]
    for answer in told:
        if isinstance(answer, Exception):
            raise unavailable(answer) from answer
    ids = sorted(found.decode() for answer in told for found in _IDS.findall(answer))
    return sha1(" ".join(ids).encode(), usedforsecurity=False).hexdigest()[:16]
