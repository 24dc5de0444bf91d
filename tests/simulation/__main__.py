"""``python -m tests.simulation``: random histories on all cores, or one of them with its trace.

Exit codes: 0 all seeds hold, 1 a seed fails, 2 wrong arguments.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from functools import partial
from time import monotonic

from rich.console import Console

from tests.simulation.breaks import BREAKS
from tests.simulation.headway import headway, lasted
from tests.simulation.search import Findings, all_cores, rules_of, run_seeds, search
from tests.simulation.simulation import Result, run_seed


def main() -> int:
    """Run what the arguments ask for; return the exit code."""
    asked = _arguments()
    console = Console(highlight=False, soft_wrap=True)
    if asked.seed is not None:
        return _show(asked.seed, asked, console, with_trace=asked.trace)
    began = monotonic()
    findings = _searched(asked, console)
    seconds = monotonic() - began
    _counted(findings.counts, console)
    console.print(
        f"{findings.seeds} seeds, {findings.steps} steps, {len(findings.failures)} failed; "
        f"{lasted(seconds)}, {findings.seeds / seconds:.0f} seeds/s on {asked.workers} cores"
    )
    if findings.shortest is None:
        return 0
    console.print(f"failing: {sorted(result.seed for result in findings.failures)}; the shortest:")
    return _show(findings.shortest.seed, asked, console, with_trace=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many histories")
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=all_cores(), help="processes; default: all cores")
    parser.add_argument(
        "--failures", type=int, default=1, help="end after so many failing seeds, and show the shortest"
    )
    parser.add_argument("--seed", type=int, help="run this one alone")
    parser.add_argument("--trace", action="store_true", help="with --seed: print what happened")
    parser.add_argument("--break", dest="broken", choices=sorted(BREAKS), help="remove a rule; it must fail")
    parser.add_argument("--cooperative", action="store_true", help="rebalances move only what has to move")
    return parser.parse_args()


def _searched(asked: argparse.Namespace, console: Console) -> Findings:
    seeds = range(asked.start, asked.start + asked.seeds)
    run = partial(run_seeds, broken=asked.broken, cooperative=asked.cooperative)
    with headway(console, len(seeds)) as told:
        return search(seeds, run, asked.workers, asked.failures, told)


def _counted(counts: Mapping[str, int], console: Console) -> None:
    """Print how often what happened."""
    for what, count in sorted(counts.items(), key=lambda each: -each[1]):
        console.print(f"{count:12,} {what}")


def _show(seed: int, asked: argparse.Namespace, console: Console, *, with_trace: bool) -> int:
    trace: list[str] = []
    result: Result = run_seed(seed, rules_of(asked.broken, cooperative=asked.cooperative), trace)
    if with_trace:
        for line in trace:
            console.print(line, markup=False)
    console.print(str(result.profile), markup=False)
    if result.failure is None:
        console.print(f"seed {seed} holds ({result.steps} steps)")
        return 0
    console.print(f"seed {seed} fails after {result.steps} steps: {result.failure}", markup=False)
    options = "" if asked.broken is None else f" --break {asked.broken}"
    options += " --cooperative" if asked.cooperative else ""
    console.print(f"again: python -m tests.simulation --seed {seed} --trace{options}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
