"""Folding: whatever Kafka has left of a history by now, it folds to what the last messages say."""

from __future__ import annotations

import json
from collections.abc import Iterable
from random import Random
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ChangelogUnreadable
from runner.projection.folding import (
    Folded,
    FoldSettings,
    decode_folded,
    encode_folded,
    fold,
    read_message,
)
from runner.tasks.keys import TaskKey
from tests.contract.histories import (
    ATTRIBUTES,
    POLICY,
    Line,
    compacted,
    history,
    without_tombstones,
)
from tests.e2e.projection_check import Settings, Shown, shown_tasks

SETTINGS = FoldSettings(POLICY, ATTRIBUTES)
SEEDS = st.integers(0, 2**32)


def folded(lines: Iterable[Line], before: dict[TaskKey, Folded] | None = None) -> dict[TaskKey, Folded]:
    """Fold lines, on top of what was folded before."""
    tasks = dict(before or {})
    for line in lines:
        message = read_message(line.offset, line.time_ms, line.key, line.value)
        after = fold(tasks.pop(message.key, None), message, SETTINGS)
        if after is not None:
            # As if it had been stored meanwhile.
            tasks[message.key] = decode_folded(encode_folded(after))
    return {key: task for key, task in tasks.items() if not key.domain.endswith(" definition")}


def seen(tasks: dict[TaskKey, Folded]) -> dict[TaskKey, Any]:
    """What is shown of tasks, and to whom, as it is stored."""
    return {
        key: (json.loads(json.dumps(task.row)), json.loads(json.dumps(_sight(task))), task.version)
        for key, task in tasks.items()
    }


def expected(lines: list[Line]) -> dict[TaskKey, Any]:
    """The same by the judge."""
    shown: list[Shown] = shown_tasks(lines, Settings(ATTRIBUTES))
    return {TaskKey(*each.task): (each.row(), each.sight(), each.version) for each in shown}


def _sight(task: Folded) -> dict[str, Any] | None:
    return None if task.sight is None else msgspec.to_builtins(task.sight)


@given(SEEDS)
def test_a_history_folds_to_what_its_last_messages_say(seed: int) -> None:
    lines = history(Random(seed), 60)
    assert seen(folded(lines)) == expected(lines)


@given(SEEDS, st.randoms(use_true_random=False))
def test_so_does_whatever_compaction_leaves_of_it(seed: int, random: Random) -> None:
    lines = history(Random(seed), 60)
    left = compacted(lines, lambda: random.random() < random.choice((0.0, 0.5, 0.9)))
    assert seen(folded(left)) == expected(lines)
    later = without_tombstones(left, {n for n in range(len(left)) if random.random() < 0.5})
    assert seen(folded(later)) == expected(lines)


@given(SEEDS, st.randoms(use_true_random=False))
def test_so_does_the_rest_for_whoever_has_read_a_part_before(seed: int, random: Random) -> None:
    lines = history(Random(seed), 60)
    middle = random.randrange(len(lines) + 1)
    before = folded(compacted(lines[:middle], lambda: random.random() < 0.5))
    offsets = {(line.partition, line.offset) for line in lines[middle:]}
    left = [
        line
        for line in compacted(lines, lambda: random.random() < 0.5)
        if (line.partition, line.offset) in offsets
    ]
    assert seen(folded(left, before)) == expected(lines)


@given(SEEDS, st.randoms(use_true_random=False))
def test_messages_that_come_again_change_nothing_in_the_end(seed: int, random: Random) -> None:
    """As after a crash with at_least_once: from some point on they are all written again."""
    lines = history(Random(seed), 60)
    first, last = sorted(random.choices(range(len(lines) + 1), k=2))
    assert seen(folded([*lines[:last], *lines[first:]])) == expected(lines)


@given(SEEDS)
def test_a_message_that_says_nothing_new_leaves_the_task_as_it_is(seed: int) -> None:
    tasks: dict[TaskKey, Folded] = {}
    for line in history(Random(seed), 40):
        message = read_message(line.offset, line.time_ms, line.key, line.value)
        after = fold(tasks.pop(message.key, None), message, SETTINGS)
        if after is not None:
            assert line.value is None or fold(after, message, SETTINGS) is after
            tasks[message.key] = after


def test_nothing_is_shown_of_a_generation_whose_start_was_not_read() -> None:
    lines = next(found for seed in range(100) if (found := _with_life(history(Random(seed), 60))))
    message = read_message(lines[0].offset, 0, lines[0].key, lines[0].value)
    hidden = fold(None, message, SETTINGS)
    assert hidden is not None
    assert (hidden.row, hidden.sight, hidden.record, hidden.is_finished) == (None, None, None, False)
    entry = lines[0].key.replace(b"%life:", b"%history/21:")
    assert fold(hidden, read_message(9, 0, entry, None), SETTINGS) is hidden, "an old entry goes by itself"
    assert fold(hidden, read_message(9, 0, lines[0].key, None), SETTINGS) is None


def _with_life(lines: list[Line]) -> list[Line]:
    return [line for line in lines if b"%life:" in line.key and line.value is not None]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"orders:t-1", b"{}"),
        (b"orders:t-1", b"no"),
        (b"orders%life:t-1", b"{}"),
        (
            b"orders%comment/1:t-1",
            b'{"format":1,"domain":"d","id":"t","part":"c","source":"1/1@1","value":1}',
        ),
        (b"orders%life:t-1", b'{"format":1,"domain":"d","id":"t","part":"life","source":"1/1@1","value":1}'),
        (b"orders:t-1", b'{"format":2,"domain":"d","id":"t","revision":1,"state":{},"start":{}}'),
        (b"\xff:t-1", b"{}"),
    ],
)
def test_a_message_of_nobodys_is_refused(key: bytes, value: bytes) -> None:
    with pytest.raises(ChangelogUnreadable):
        fold(None, read_message(0, 0, key, value), SETTINGS)


def test_attributes_are_text_numbers_and_booleans_that_can_be_compared() -> None:
    start = {"payload": {"a": "x" * 501, "b": 1e400, "c": [1], "d": None, "e": 2**60, "f": "ok", "g": 0.5}}
    value = {
        "format": 1,
        "domain": "orders",
        "id": "t",
        "revision": 1,
        "state": {"status": "OPEN", "home": 0, "source": "1/0@0", "created_ms": 1},
        "start": {"event": {"requestMeta": {"id": "r"}, **start}},
    }
    text = json.dumps(value).replace("Infinity", "1e400").encode()
    settings = FoldSettings(POLICY, {name: name for name in "abcdefg"})
    task = fold(None, read_message(0, 0, b"orders:t", text), settings)
    assert task is not None
    assert task.attributes == {"f": "ok", "g": 0.5}


@given(SEEDS)
def test_an_earlier_state_that_comes_again_is_not_shown_for_a_moment(seed: int) -> None:
    """As after a crash with at_least_once."""
    tasks: dict[TaskKey, Folded] = {}
    earlier: dict[tuple[TaskKey, str, str], list[Line]] = {}
    for line in history(Random(seed), 40):
        message = read_message(line.offset, line.time_ms, line.key, line.value)
        after = fold(tasks.pop(message.key, None), message, SETTINGS)
        if after is not None and line.value is not None:
            tasks[message.key] = after
            same = earlier.setdefault((message.key, message.part, after.source), [])
            for old in same:
                again = read_message(line.offset, old.time_ms, old.key, old.value)
                assert fold(after, again, SETTINGS) is after
            same.append(line)
