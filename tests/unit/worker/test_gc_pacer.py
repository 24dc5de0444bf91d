"""Cycles are looked for, and memory is given back, now and then between two batches."""

from __future__ import annotations

import gc
import platform
import resource
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.clock import ManualTicker
from runner.worker.gc_pacer import EVERY_SECONDS, GcPacer


class Ring:
    """Refers to itself."""

    def __init__(self) -> None:
        self.next = self


@pytest.fixture(autouse=True)
def _collector_as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_what_is_left_in_a_cycle_goes_when_it_is_time_and_not_sooner() -> None:
    ticker = ManualTicker()
    asked = GcPacer(ticker).overlap(lambda: False)
    for _ in range(2):
        left = weakref.ref(Ring())
        ticker.advance(EVERY_SECONDS - 1)
        asked()
        assert left() is not None
        ticker.advance(1)
        asked()
        assert left() is None


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library of this machine is no glibc")
def test_what_was_let_go_is_given_back_to_the_system() -> None:
    ticker = ManualTicker()
    asked = GcPacer(ticker).overlap(lambda: False)
    held = [bytes(2000) for _ in range(20_000)]
    # With something left at its end a heap does not become shorter by itself.
    del held[:-1]
    before = _resident_bytes()
    ticker.advance(EVERY_SECONDS)
    asked()
    assert _resident_bytes() < before - 30_000_000


def _resident_bytes() -> int:
    pages = Path("/proc/self/statm").read_text("ascii").split()[1]
    return int(pages) * resource.getpagesize()


def test_what_was_there_before_it_is_not_looked_at() -> None:
    GcPacer(ManualTicker())
    assert gc.get_freeze_count() > 0
    assert gc.get_threshold()[0] > 100_000


def test_it_is_asked_what_was_to_be_asked() -> None:
    collector = GcPacer(ManualTicker())
    assert collector.overlap(lambda: True)()
    assert not collector.overlap(lambda: False)()
