"""Where a home is cut, and whether it can go on from there."""

from __future__ import annotations

import pytest

from runner.kafka.message import Message
from runner.worker.assignment import Batch
from runner.worker.batch_state import BatchState


def message(home: int, offset: int) -> Message:
    return Message(home, offset, None, b"")


@pytest.fixture
def progress() -> BatchState:
    """Homes 0 (offsets 3 to 9) and 1 (offset 7)."""
    messages = [message(0, offset) for offset in range(3, 10)]
    return BatchState(Batch((*messages, message(1, 7)), {0: 3, 1: 7}), {}, 0)


def cut(progress: BatchState, home: int = 0) -> list[int]:
    return [offset for offset in range(3, 10) if progress.is_deferred(message(home, offset))]


def test_nothing_is_cut_to_begin_with(progress: BatchState) -> None:
    assert cut(progress) == cut(progress, 1) == []
    assert progress.paused == {}


def test_the_first_message_of_each_home_has_nothing_uncommitted_before_it(progress: BatchState) -> None:
    assert [m for m in range(3, 10) if progress.is_first(message(0, m))] == [3]
    assert progress.is_first(message(1, 7))


def test_a_cut_leaves_an_offset_and_all_behind_it(progress: BatchState) -> None:
    progress.defer(0, 6)
    assert cut(progress) == [6, 7, 8, 9]
    assert cut(progress, 1) == []
    assert progress.paused == {}


def test_the_lowest_cut_counts_whichever_comes_first(progress: BatchState) -> None:
    progress.defer(0, 6)
    progress.defer(0, 8)
    assert cut(progress) == [6, 7, 8, 9]
    progress.defer(0, 4)
    assert cut(progress) == [4, 5, 6, 7, 8, 9]


def test_a_block_is_a_cut_with_a_reason(progress: BatchState) -> None:
    progress.pause(1, 7, "too large")
    assert cut(progress, 1) == [7, 8, 9]
    assert progress.paused == {1: "too large"}


def test_a_block_behind_a_cut_does_not_block_yet(progress: BatchState) -> None:
    progress.defer(0, 4)
    progress.pause(0, 6, "poison")
    assert progress.paused == {}
    assert cut(progress) == [4, 5, 6, 7, 8, 9]


def test_a_cut_before_a_block_lifts_it_until_the_home_comes_to_it_again(progress: BatchState) -> None:
    progress.pause(0, 6, "poison")
    progress.defer(0, 4)
    assert progress.paused == {}


def test_the_earlier_of_two_blocks_gives_the_reason(progress: BatchState) -> None:
    progress.pause(0, 6, "later")
    progress.pause(0, 4, "earlier")
    progress.pause(0, 8, "never reached")
    assert progress.paused == {0: "earlier"}
    assert cut(progress) == [4, 5, 6, 7, 8, 9]
