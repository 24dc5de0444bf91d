"""A few thousand histories hold; without any one of the rules some do not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.simulation.breaks import BREAKS
from tests.simulation.search import first_failure, run_seeds
from tests.simulation.simulation import Rules, run_seed

pytestmark = pytest.mark.simulation

SEEDS = 2_000
COOPERATIVE_SEEDS = 1_500
CHUNK = 250
BOUND = 5_000
"""Rules whose absence shows later than this are left to ``make simulate`` with ``--break``."""


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_answer_is_there_once_and_right_whatever_goes_wrong(first: int) -> None:
    failed = run_seeds(first, CHUNK, None).failures
    assert not failed, "\n".join(
        f"{each.failure}\nagain: python -m tests.simulation --seed {each.seed} --trace" for each in failed
    )


@pytest.mark.parametrize(
    "first",
    [
        0,
        *(
            pytest.param(first, marks=pytest.mark.thorough("more of the same seeds"))
            for first in range(CHUNK, COOPERATIVE_SEEDS, CHUNK)
        ),
    ],
)
def test_the_same_holds_where_rebalances_move_only_what_has_to_move(first: int) -> None:
    failed = run_seeds(first, CHUNK, None, cooperative=True).failures
    assert not failed, "\n".join(
        f"{each.failure}\nagain: python -m tests.simulation --cooperative --seed {each.seed} --trace"
        for each in failed
    )


@pytest.mark.parametrize("broken", sorted(name for name in BREAKS if BREAKS[name].within <= BOUND))
def test_a_removed_rule_is_noticed(broken: str) -> None:
    seeds = range(BREAKS[broken].within)
    assert first_failure(seeds, broken) is not None, f"nothing notices that {BREAKS[broken].what}"


def test_a_seed_is_one_history() -> None:
    first: list[str] = []
    again: list[str] = []
    run_seed(1, Rules(), first)
    run_seed(1, Rules(), again)
    assert first == again
    assert len(first) > 50


def test_a_seed_is_the_same_history_in_every_process() -> None:
    code = (
        "from zlib import crc32\n"
        "from tests.simulation.simulation import Rules, run_seed\n"
        "trace = []\n"
        "for seed in range(60): run_seed(seed, Rules(), trace)\n"
        "print(crc32('|'.join(trace).encode()))"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            cwd=Path(__file__).parents[2],
            check=True,
            capture_output=True,
            timeout=60,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(told) == 1
