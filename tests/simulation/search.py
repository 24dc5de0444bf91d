"""Runs many seeds, on one core or on all, and keeps what failed."""

from __future__ import annotations

import os
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
    failures: list[Result] = field(default_factory=list)

    @property
    def shortest(self) -> Result | None:
        """The failure of the fewest steps."""
        return min(self.failures, key=lambda result: result.steps, default=None)


def rules_of(broken: str | None, *, cooperative: bool = False) -> Rules:
    """Return the rules with one of them removed, or all of them."""
    rules = Rules() if broken is None else BREAKS[broken].rules
    return replace(rules, cooperative=cooperative)


def run_seeds(first: int, count: int, broken: str | None, *, cooperative: bool = False) -> list[Result]:
    """Return what each of these seeds came to."""
    rules = rules_of(broken, cooperative=cooperative)
    return [run_seed(seed, rules) for seed in range(first, first + count)]


def first_failure(seeds: range, broken: str | None) -> Result | None:
    """Return the first seed that fails."""
    rules = rules_of(broken)
    results = (run_seed(seed, rules) for seed in seeds)
    return next((result for result in results if result.failure is not None), None)


def search(
    seeds: range,
    run: Callable[[int, int], list[Result]],
    cores: int,
    stop_after: int,
    told: Callable[[Findings], None],
) -> Findings:
    """Run all seeds, a chunk at a time, or until so many failed; tells after every chunk."""
    findings = Findings()
    for results in _chunks(seeds, run, cores, lambda: len(findings.failures) >= stop_after):
        findings.seeds += len(results)
        findings.steps += sum(result.steps for result in results)
        findings.failures += [result for result in results if result.failure is not None]
        told(findings)
    return findings


def _chunks(
    seeds: range, run: Callable[[int, int], list[Result]], cores: int, enough: Callable[[], bool]
) -> Iterator[list[Result]]:
    starts = iter(range(seeds.start, seeds.stop, CHUNK))
    with ProcessPoolExecutor(cores) as pool:
        running: set[Future[list[Result]]] = set()
        while True:
            while len(running) < 2 * cores and not enough() and (start := next(starts, None)) is not None:
                count = min(CHUNK, seeds.stop - start)
                running.add(pool.submit(run, start, count))
            if not running:
                return
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for each in done:
                yield each.result()


def all_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
