"""What ``runner restore`` does where the feed falls silent; all else is tried on real servers."""

from collections.abc import Sequence

import pytest

from runner.cli.restore.patience import SILENCE_SECONDS, PatientFeed
from runner.clock import ManualTicker
from runner.errors import LogUnavailable
from runner.worker.last_told import Told


class ScriptedFeed:
    """Gives what it is told to."""

    def __init__(self) -> None:
        self.next: Sequence[Told] | None = ()

    def begin(self, shard: int) -> None:
        del shard

    def extend(self) -> None:
        pass

    def read(self) -> Sequence[Told] | None:
        return self.next

    def close(self) -> None:
        pass


def test_a_feed_that_stays_silent_is_given_up_with_the_reason() -> None:
    ticker, feed = ManualTicker(), ScriptedFeed()
    patient = PatientFeed(feed, "tasks", ticker)
    ticker.advance(SILENCE_SECONDS)
    patient.begin(0)
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == ()
    feed.next = [Told(b"a", b"{}", 0)]
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == feed.next
    feed.next = ()
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == ()
    ticker.advance(0.1)
    with pytest.raises(LogUnavailable, match="topic tasks"):
        patient.read()
    patient.extend()
    assert patient.read() == ()
    feed.next = None
    ticker.advance(2 * SILENCE_SECONDS)
    assert patient.read() is None
