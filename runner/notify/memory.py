"""The memory of what was sent: a notice does not go to a recipient twice while it is remembered.

It lives in this process and is bounded. What it forgets, or loses with the process, may be sent again where
the offset of the message was not committed: at least once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from hashlib import blake2b

from runner.notify.notice import Notice

_DIGEST_BYTES = 16


class Memory:
    """Which (notice, recipient) were sent last; the oldest are forgotten first. For several threads."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._sent: OrderedDict[bytes, None] = OrderedDict()

    def has(self, notice: Notice, recipient: str) -> bool:
        with self._lock:
            return _digest(notice, recipient) in self._sent

    def note(self, notice: Notice, recipient: str) -> None:
        """Remember that a notice has reached a recipient."""
        digest = _digest(notice, recipient)
        with self._lock:
            self._sent[digest] = None
            self._sent.move_to_end(digest)
            while len(self._sent) > self._most:
                self._sent.popitem(last=False)


def _digest(notice: Notice, recipient: str) -> bytes:
    digest = blake2b(digest_size=_DIGEST_BYTES)
    for part in (notice.source, notice.id, recipient):
        data = part.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.digest()
