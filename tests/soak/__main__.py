"""``make soak MINUTES=n``: workers under load and disturbances of every kind, and an independent checker.

Prints what happened and what was found; the same as JSON on the last line. Exit code 1 and the seed
where anything was found; ``--seed`` repeats load and schedule (not the machine's timing).
"""

import argparse
import contextlib
import json
import os
import secrets
import shutil
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.e2e.faulty_worker import MESSAGES_FIRST, OFFSETS_FIRST
from tests.soak.rig import soak_rig
from tests.soak.soak import Outcome, Wanted, soak

SHOWN: Final = 20
KAFKA: Final = "3.9.2"
"""Not 4.1 to 4.3: there a broker that is restarted may leave a transaction open for good (KAFKA-20734)."""


def main() -> int:
    """Run one soak and report; the exit code."""
    asked = _arguments()
    seed = secrets.randbits(32) if asked.seed is None else asked.seed
    wanted = Wanted(seed, asked.minutes * 60, asked.workers, asked.rate, asked.rule)
    console = Console(stderr=True, highlight=False)
    console.print(f"seed {seed}, {asked.minutes:g} min, {asked.workers} workers, {asked.rate:g} tasks/s")
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    for name in ("kafka", "redis"):
        (folder / name).mkdir()
    with (
        (folder / "soak.log").open("w") as quiet,
        contextlib.redirect_stdout(quiet),
        soak_rig(folder, asked.kafka) as rig,
    ):
        outcome = soak(rig, wanted, console.print)
    _report(console, wanted, outcome)
    if outcome.findings:
        console.print(f"failed: seed {seed}; logs in {folder}", style="red")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _report(console: Console, wanted: Wanted, outcome: Outcome) -> None:
    table = Table(title=f"soak of {wanted.seconds / 60:g} min, seed {wanted.seed}")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for name, value in outcome.counts.items():
        if isinstance(value, dict):
            for each, count in value.items():
                table.add_row(f"{name}: {each}", f"{count:,}")
        else:
            table.add_row(name, f"{value:,}")
    for name, judged in outcome.judged.items():
        memory, handles = judged.memory, judged.handles
        table.add_row(
            f"{name}, {judged.seconds:.0f} s: MB, second and last third",
            f"{memory.before / 1e6:.1f}, {memory.after / 1e6:.1f}",
        )
        table.add_row(f"{name}: handles", f"{handles.before:.0f}, {handles.after:.0f}")
    table.add_row("findings", str(len(outcome.findings)))
    console.print(table)
    for finding in outcome.findings[:SHOWN]:
        console.print(finding, style="red")
    about = {"seed": wanted.seed, "seconds": wanted.seconds, "cores": os.cpu_count()}
    judged_all = {name: asdict(each) for name, each in outcome.judged.items()}
    said = {"about": about, **outcome.counts, "judged": judged_all, "findings": outcome.findings[:SHOWN]}
    print(json.dumps(said))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the disturbances (default 10)")
    parser.add_argument("--seed", type=int, help="repeats load and schedule of an earlier run")
    parser.add_argument("--workers", type=int, default=3, help="worker processes (default 3)")
    parser.add_argument("--rate", type=float, default=60.0, help="new tasks a second (default 60)")
    parser.add_argument("--kafka", default=KAFKA, help=f"version of the broker (default {KAFKA})")
    parser.add_argument(
        "--rule", default="", choices=(OFFSETS_FIRST, MESSAGES_FIRST), help="let the workers break this rule"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
