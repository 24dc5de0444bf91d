"""``make fuzz SECONDS=n``: every target in turn for its share of the time.

Exit code 1 where an input did what no input may do: it is saved, and the command that does it again is
printed. ``--keep`` puts what was reached for the first time into the corpus.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.fuzz.session import CORPUS, Ran, fuzz, keep
from tests.fuzz.target import Target
from tests.fuzz.targets import TARGETS

NO_ATHERIS = (
    "make fuzz needs atheris, which there is for Linux on x86_64 with Python 3.11 to 3.13: "
    "pip install -r requirements-fuzz.lock. The kept inputs are tried everywhere: pytest tests/unit/fuzz"
)


def main() -> int:
    """Fuzz, or try one input again; the exit code."""
    asked = _arguments()
    targets = [TARGETS[name] for name in asked.target or TARGETS]
    if asked.replay is not None:
        return _replayed(targets, asked.replay)
    if importlib.util.find_spec("atheris") is None:
        print(NO_ATHERIS, file=sys.stderr)
        return 2
    console = Console(highlight=False, soft_wrap=True)
    share = max(1, asked.seconds // len(targets))
    ran = []
    for target in targets if asked.seconds else []:
        console.print(f"{target.name}: {target.reads}; {share} s")
        ran.append(fuzz(target, share))
    _report(console, ran)
    if any(each.failure for each in ran):
        return 1
    for target in targets if asked.keep else []:
        console.print(f"{CORPUS.name}/{target.name}: {keep(target)} inputs")
    return 0


def _report(console: Console, ran: list[Ran]) -> None:
    table = Table("target", "runs", "edges reached", "new inputs", "found")
    for each in ran:
        figures = (f"{each.runs:,}", f"{each.coverage:,}", str(each.new_inputs))
        table.add_row(each.target, *figures, "a failure" if each.failure else "nothing")
    if ran:
        console.print(table)
    for each in ran:
        if each.failure:
            console.print(f"{each.target}: {each.failure}", style="red", markup=False)
        if each.failure and each.saved is not None:
            again = [sys.executable, "-m", "tests.fuzz", "--target", each.target, "--replay", str(each.saved)]
            console.print(f"  saved as {each.saved}\n  again:   {shlex.join(again)}", markup=False)


def _replayed(targets: list[Target], path: Path) -> int:
    """Try one input without the fuzzer; what it raises is shown as it is."""
    for target in targets:
        target.run(path.read_bytes())
    print(f"{path}: nothing found")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="for all targets together; 0: none")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="only this one")
    parser.add_argument("--keep", action="store_true", help="put into the corpus what is new")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="try this input, without the fuzzer")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
