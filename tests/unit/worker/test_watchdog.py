"""A loop that does not come round any more is given up, and no other."""

from threading import Event
from types import SimpleNamespace

import pytest

from runner.clock import ManualTicker
from runner.errors import Fenced
from runner.worker.health import HealthState
from runner.worker.watchdog import Watchdog

STUCK_SECONDS = 75.0


@pytest.mark.parametrize(("silent_seconds", "codes"), [(75.0, []), (75.1, [Fenced.exit_code])])
def test_a_worker_is_ended_once_its_loop_is_silent_for_too_long(
    silent_seconds: float, codes: list[int]
) -> None:
    ticker, ended = ManualTicker(), list[int]()
    state = HealthState(ticker())
    ticker.advance(1000)
    state.tick(ticker())
    ticker.advance(silent_seconds)
    Watchdog(state, STUCK_SECONDS, ticker, ended.append).look()
    assert ended == codes


def test_it_ends_the_worker_although_nobody_takes_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """A log that is not read any more may be what the loop is stuck in."""
    read_again = Event()
    blocked = SimpleNamespace(error=lambda *_, **__: read_again.wait())
    monkeypatch.setattr("runner.worker.watchdog._log", blocked)
    ticker, ended = ManualTicker(), list[int]()
    state = HealthState(ticker())
    ticker.advance(STUCK_SECONDS + 1)
    Watchdog(state, STUCK_SECONDS, ticker, ended.append).look()
    assert ended == [Fenced.exit_code]
    read_again.set()


def test_it_looks_by_itself_until_it_is_closed() -> None:
    ended = Event()
    ticker = ManualTicker()
    watchdog = Watchdog(HealthState(ticker()), 0.01, ticker, lambda _: ended.set())
    ticker.advance(1)
    watchdog.start()
    assert ended.wait(10)
    watchdog.close()
