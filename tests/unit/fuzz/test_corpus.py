"""Every input that fuzzing kept, and every one that once failed, goes through its target again.

No fuzzer is needed for it. ``make fuzz`` searches for more.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from tests.fuzz.session import CORPUS, FOUND, kept
from tests.fuzz.target import Target, TooSlow
from tests.fuzz.targets import TARGETS

LARGEST_BYTES: Final = 400_000
PATIENCE: Final = 5.0
"""The machine may be slow, and busy; what takes for ever takes longer."""

targets = pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)


@targets
def test_every_kept_input_does_what_an_input_may_do(target: Target) -> None:
    files = [path for folder in kept(target) for path in sorted(folder.glob("*"))]
    assert len(files) > 15
    begun_with = {seed: repr(seed[:80]) for seed in target.seeds()}
    for data, name in (begun_with | {path.read_bytes(): path.name for path in files}).items():
        tried(target, data, name)


def tried(target: Target, data: bytes, name: str) -> None:
    try:
        target.run(data, PATIENCE)
    except Exception as error:
        error.add_note(f"the input is {name}")
        raise


def idle(data: bytes) -> None:
    sum(data)


def test_an_input_that_takes_too_long_is_a_finding() -> None:
    busy = Target("busy", "", idle, tuple)
    busy.run(bytes(10_000))
    with pytest.raises(TooSlow):
        busy.run(bytes(10_000), patience=0)


def test_the_corpus_is_small_and_belongs_to_targets() -> None:
    files = [path for folder in (CORPUS, FOUND) for path in folder.rglob("*") if path.is_file()]
    assert {path.parent.name for path in files} == set(TARGETS)
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    assert all(path.parent in kept(TARGETS[path.parent.name]) for path in files)


def test_every_target_says_what_it_reads() -> None:
    assert all(target.name == name and target.reads for name, target in TARGETS.items())


def test_the_fuzzer_is_told_where_it_finds_what_is_kept() -> None:
    assert {folder.parent for target in TARGETS.values() for folder in kept(target)} == {CORPUS, FOUND}
    assert Path(__file__).parents[2] / "fuzz" / "corpus" == CORPUS
