"""What time it is in the store, between two answers of it."""

from __future__ import annotations

from runner.clock import ManualTicker
from runner.worker.schedule import StoreClock


def test_before_the_store_was_asked_nobody_knows() -> None:
    assert StoreClock(ManualTicker(50)).now_ms() is None


def test_the_last_answer_is_carried_on_by_the_ticker() -> None:
    ticker = ManualTicker(50)
    time = StoreClock(ticker)
    time.observe(1_800_000_000_000)
    assert time.now_ms() == 1_800_000_000_000
    ticker.advance(1.5)
    assert time.now_ms() == 1_800_000_001_500


def test_a_new_answer_replaces_the_estimate_also_backwards() -> None:
    ticker = ManualTicker()
    time = StoreClock(ticker)
    time.observe(10_000)
    ticker.advance(5)
    time.observe(12_000)
    assert time.now_ms() == 12_000


def test_no_answer_changes_nothing() -> None:
    time = StoreClock(ManualTicker())
    time.observe(0)
    assert time.now_ms() is None
    time.observe(7_000)
    time.observe(0)
    assert time.now_ms() == 7_000
