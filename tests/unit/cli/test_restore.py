"""What ``runner restore`` does where the changelog falls silent; all else is tried on real servers."""

from collections.abc import Sequence

import pytest

from runner.changelog.snapshot import ChangelogRecord
from runner.cli.restore.site import SILENCE_SECONDS, PatientChangelog
from runner.clock import ManualTicker
from runner.errors import LogUnavailable


class ScriptedChangelog:
    """Gives what it is told to."""

    def __init__(self) -> None:
        self.next: Sequence[ChangelogRecord] | None = ()

    def begin(self, shard: int) -> None:
        del shard

    def extend(self) -> None:
        pass

    def read(self) -> Sequence[ChangelogRecord] | None:
        return self.next

    def close(self) -> None:
        pass


def test_a_changelog_that_stays_silent_is_given_up_with_the_reason() -> None:
    ticker, changelog = ManualTicker(), ScriptedChangelog()
    patient = PatientChangelog(changelog, "tasks", ticker)
    ticker.advance(SILENCE_SECONDS)
    patient.begin(0)
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == ()
    changelog.next = [ChangelogRecord(b"a", b"{}", 0)]
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == changelog.next
    changelog.next = ()
    ticker.advance(SILENCE_SECONDS)
    assert patient.read() == ()
    ticker.advance(0.1)
    with pytest.raises(LogUnavailable, match="topic tasks"):
        patient.read()
    patient.extend()
    assert patient.read() == ()
    changelog.next = None
    ticker.advance(2 * SILENCE_SECONDS)
    assert patient.read() is None
