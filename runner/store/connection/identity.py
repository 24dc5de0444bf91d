"""Identity of the masters: a text that changes when a server restarts or another one takes over.

``run_id`` is new with every start of a server, ``master_replid`` with every takeover.
"""

from __future__ import annotations

import re
from hashlib import sha1
from typing import Final

from runner.store.connection.command import Connection
from runner.store.connection.refusals import unavailable

_IDS: Final = re.compile(rb"^(?:run_id|master_replid):(\w+)", re.MULTILINE)


def identity(connection: Connection) -> str:
    """Return the identity of the servers that are masters now."""
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
