"""The changelog for somebody who waits for it: silence has an end, and a reason to look for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.changelog.comparison import GrowingChangelog
from runner.changelog.snapshot import ChangelogRecord
from runner.clock import Ticker, monotonic_seconds
from runner.errors import LogUnavailable

SILENCE_SECONDS: Final = 60.0
"""Much longer than a transaction of a dead worker stays open."""


class PatientChangelog:
    """Passes on what a changelog gives; LogUnavailable once it has given nothing for too long."""

    def __init__(self, changelog: GrowingChangelog, topic: str, ticker: Ticker = monotonic_seconds) -> None:
        self._changelog = changelog
        self._topic = topic
        self._ticker = ticker
        self._heard_seconds = ticker()

    def begin(self, shard: int) -> None:
        """Go to the first message of a partition."""
        self._changelog.begin(shard)
        self._heard_seconds = self._ticker()

    def extend(self) -> None:
        """Let the end be where it is by now."""
        self._changelog.extend()
        self._heard_seconds = self._ticker()

    def read(self) -> Sequence[ChangelogRecord] | None:
        """Return what comes next; None once the end is reached."""
        found = self._changelog.read()
        if found is None or found:
            self._heard_seconds = self._ticker()
        elif self._ticker() - self._heard_seconds > SILENCE_SECONDS:
            raise LogUnavailable(
                f"Kafka has given nothing of topic {self._topic} for {SILENCE_SECONDS:g} s, "
                "and there is more: its brokers are away, or a transaction "
                "hangs there (docs/guarantees.md, Limits)"
            )
        return found

    def close(self) -> None:
        """Let go of what reading needs."""
        self._changelog.close()
