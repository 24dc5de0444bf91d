"""What was compiled is kept up to a size, the last ones longest."""

from __future__ import annotations

import gc
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import pytest

from runner.envelope.compiled import EACH_CHARACTERS, Compiled
from runner.envelope.patterns import search
from runner.limits import USUAL

MAX_BYTES = 28_000_000
"""What all compiled patterns may take together; these take 0.75 MB each."""

FLOOD = 50


def counting(most_characters: int) -> tuple[Compiled[str], list[str]]:
    compiled: list[str] = []

    def compile_text(text: str) -> str:
        compiled.append(text)
        return text.upper()

    return Compiled(compile_text, most_characters), compiled


def test_what_comes_again_is_not_compiled_again() -> None:
    cache, compiled = counting(10_000)
    assert [cache("a"), cache("b"), cache("a")] == ["A", "B", "A"]
    assert compiled == ["a", "b"]


def test_what_was_not_asked_for_longest_goes_first_once_there_is_too_much() -> None:
    cache, compiled = counting(3 * (1 + EACH_CHARACTERS))
    for text in "abcad":
        cache(text)
    assert cache("a") + cache("b") == "AB"
    assert compiled == ["a", "b", "c", "d", "b"]


def test_a_text_larger_than_all_that_may_be_kept_is_compiled_each_time() -> None:
    cache, compiled = counting(100)
    assert cache("x" * 101) == cache("x" * 101)
    assert len(compiled) == 2
    assert cache.characters == 0


def test_what_cannot_be_compiled_is_raised_and_not_kept() -> None:
    def fail(text: str) -> str:
        raise ValueError(text)

    cache = Compiled(fail, 1000)
    for _ in range(2):
        with pytest.raises(ValueError, match="a"):
            cache("a")
    assert cache.characters == 0


def test_the_bound_holds_among_threads() -> None:
    cache, _ = counting(40 * (3 + EACH_CHARACTERS))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda n: cache(f"{n % 97:03}"), range(20_000)))
    finally:
        sys.setswitchinterval(interval)
    assert cache.characters <= 40 * (3 + EACH_CHARACTERS)
    assert cache("000") == "000"


def test_a_flood_of_the_largest_patterns_leaves_little_behind() -> None:
    """As they come, each from another saga: what the library and we keep of them is bounded."""
    largest = ",".join(["a.b"] * 1000)
    assert len(largest) < USUAL.pattern_characters
    tracemalloc.start()
    try:
        for number in range(FLOOD):
            search(f"[{largest},b{number}]", {"a": 1})
        gc.collect()
        assert tracemalloc.get_traced_memory()[0] < MAX_BYTES
    finally:
        tracemalloc.stop()
