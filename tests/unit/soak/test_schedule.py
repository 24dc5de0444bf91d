"""The schedule: drawn from its seed, with every kind, one after another, until the time is over."""

import itertools
from collections import Counter

import pytest

from tests.soak.schedule import DECK, PAUSE_SECONDS, WIDEN_AT, Kind, Schedule

TAKES_SECONDS = 1.0


def happened(seed: int, seconds: float) -> list[tuple[float, Kind]]:
    """Everything that happens where each disturbance takes a second and one asks ten times a second."""
    schedule, now, found = Schedule.of(seed, seconds), 0.0, []
    while now < 2 * seconds:
        kind = schedule.due(now)
        if kind is not None:
            found.append((now, kind))
            now += TAKES_SECONDS
            schedule.ended(now)
        now += 0.1
    return found


def test_a_seed_is_one_schedule() -> None:
    assert happened(1, 300) == happened(1, 300)
    assert happened(1, 300) != happened(2, 300)


@pytest.mark.parametrize("seed", range(5))
def test_every_kind_happens_in_its_share_and_partitions_are_added_once(seed: int) -> None:
    kinds = Counter(kind for _, kind in happened(seed, 600))
    assert set(kinds) == set(Kind)
    assert kinds[Kind.WIDEN] == 1
    deals = sum(kinds.values()) // len(DECK)
    assert kinds[Kind.KILL] >= deals * DECK.count(Kind.KILL)
    assert kinds[Kind.BROKER] >= deals


@pytest.mark.parametrize("seed", range(5))
def test_nothing_begins_after_the_end_or_without_a_pause(seed: int) -> None:
    moments = [at for at, _ in happened(seed, 120)]
    assert max(moments) < 120
    pauses = [after - before - TAKES_SECONDS for before, after in itertools.pairwise(moments)]
    assert min(pauses) >= PAUSE_SECONDS[0]
    assert max(pauses) <= PAUSE_SECONDS[1] + 0.3


def test_partitions_are_added_in_the_middle() -> None:
    (at,) = [at for at, kind in happened(3, 100) if kind is Kind.WIDEN]
    assert WIDEN_AT * 100 <= at < 60
