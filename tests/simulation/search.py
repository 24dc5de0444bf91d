"""Runs many seeds, on one core or on all, and keeps what failed. Needs no more memory for more seeds."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass, field, replace
from typing import Final

from tests.simulation.breaks import BREAKS
from tests.simulation.simulation import Result, Rules, run_seed

CHUNK: Final = 25
"""Seeds that a process takes at once."""


@dataclass(slots=True)
class Findings:
    """What a search came to."""

    seeds: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    """How often what happened in them."""
    failures: list[Result] = field(default_factory=list)

    @property
    def shortest(self) -> Result | None:
        """The failure of the fewest steps."""
        return min(self.failures, key=lambda result: result.steps, default=None)

    def add(self, result: Result) -> None:
        """Count a history."""
        self.seeds += 1
        self.steps += result.steps
        self.counts.update(result.counts)
        if result.failure is not None:
            self.failures.append(result)

    def merge(self, other: Findings) -> None:
        """Count the histories of another search."""
        self.seeds += other.seeds
        self.steps += other.steps
        self.counts.update(other.counts)
        self.failures += other.failures


def rules_of(broken: str | None, *, cooperative: bool = False) -> Rules:
    """Return the rules with one of them removed, or all of them."""
    rules = Rules() if broken is None else BREAKS[broken].rules
    return replace(rules, cooperative=cooperative)


def run_seeds(first: int, count: int, broken: str | None, *, cooperative: bool = False) -> Findings:
    """Return what these seeds came to."""
    rules = rules_of(broken, cooperative=cooperative)
    findings = Findings()
    for seed in range(first, first + count):
        findings.add(run_seed(seed, rules))
    return findings


def first_failure(seeds: range, broken: str | None) -> Result | None:
    """Return the first seed that fails."""
    rules = rules_of(broken)
    results = (run_seed(seed, rules) for seed in seeds)
    return next((result for result in results if result.failure is not None), None)


def search(
    seeds: range,
    run: Callable[[int, int], Findings],
    cores: int,
    stop_after: int,
    told: Callable[[Findings], None],
) -> Findings:
    """Run all seeds, a chunk at a time, or until so many failed or Ctrl-C; tells after every chunk."""
    findings = Findings()
    for found in _chunks(seeds, run, cores, lambda: len(findings.failures) >= stop_after):
        findings.merge(found)
        told(findings)
    return findings


def _chunks(
    seeds: range, run: Callable[[int, int], Findings], cores: int, enough: Callable[[], bool]
) -> Iterator[Findings]:
    starts = iter(range(seeds.start, seeds.stop, CHUNK))
    # What is there when a process begins is never garbage; what a chunk leaves is collected at its end.
    with ProcessPoolExecutor(cores, initializer=_quieten) as pool:
        running: set[Future[Findings]] = set()
        while True:
            while len(running) < 2 * cores and not enough() and (start := next(starts, None)) is not None:
                count = min(CHUNK, seeds.stop - start)
                running.add(pool.submit(_collected, run, start, count))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()


def _quieten() -> None:
    gc.freeze()
    gc.disable()


def _collected(run: Callable[[int, int], Findings], start: int, count: int) -> Findings:
    findings = run(start, count)
    gc.collect()
    return findings


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
