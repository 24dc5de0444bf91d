"""What a worker process knows of the topics."""

from __future__ import annotations

from typing import Final

from runner.envelope.codec import JsonCodec, Sections
from tests.simulation.log_model import Broker
from tests.simulation.profile import Profile
from tests.simulation.scheduler import Scheduler

MAX_MESSAGE_BYTES: Final = 1_000_000


class Topics:
    """The Outlet: every topic takes everything in JSON."""

    def __init__(self) -> None:
        self._codec = JsonCodec()

    def encode(self, stream: str, sections: Sections) -> bytes:
        """Return JSON."""
        del stream
        return self._codec.encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        """Return a limit that is never met."""
        del stream
        return MAX_MESSAGE_BYTES

    def partition(self, stream: str, request_id: str) -> int | None:
        """Leave it to the hash."""
        del stream, request_id
        return None


class KnownTopic:
    """The requests topic as one process knows it: from its last look, which may be a while ago."""

    def __init__(self, scheduler: Scheduler, broker: Broker, profile: Profile) -> None:
        self._scheduler = scheduler
        self._broker = broker
        self._every_ms = profile.topic_ms
        self._again_ms = 0
        self._known = 0

    def homes(self) -> int:
        """Return how many partitions it had."""
        return self._partitions()

    def has_home(self, partition: int) -> bool:
        """Whether it has this partition; if not, looks again soon."""
        if partition < self._partitions():
            return True
        self._again_ms = min(self._again_ms, self._scheduler.now_ms + 1)
        return False

    def _partitions(self) -> int:
        if self._scheduler.now_ms >= self._again_ms:
            self._look()
        return self._known

    def _look(self) -> None:
        self._known = len(self._broker.requests)
        self._again_ms = self._scheduler.now_ms + self._every_ms
