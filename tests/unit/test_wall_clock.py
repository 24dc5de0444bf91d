"""What a worker does depends on no wall clock of its machine: a wrong one changes nothing.

Deadlines are compared with the time of Redis; a worker's own clock measures durations.
"""

import ast
from pathlib import Path
from typing import Final

import pytest

import runner

PACKAGE: Final = Path(runner.__file__).parent
PARTS: Final = ("worker", "store", "actions", "tasks", "envelope", "clock.py")
WALL: Final = {
    *(f"time.{name}" for name in ("time", "time_ns", "localtime", "gmtime", "ctime", "strftime")),
    *(f"datetime.{name}" for name in ("now", "utcnow", "today")),
    "date.today",
}
MODULES: Final = [
    path
    for part in PARTS
    for path in ([PACKAGE / part] if "." in part else sorted((PACKAGE / part).rglob("*.py")))
]


def wall_clock(source: str) -> list[str]:
    """Return where a wall clock is read, or imported by its bare name."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute):
            owner = node.value.id if isinstance(node.value, ast.Name) else node.value.attr
            name = f"{owner}.{node.attr}"
            found += [f"line {node.lineno}: {name}"] if name in WALL else []
        if isinstance(node, ast.ImportFrom) and node.module == "time":
            names = [f"time.{alias.name}" for alias in node.names]
            found += [f"line {node.lineno}: {name}" for name in names if name in WALL]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_of_a_worker_reads_a_wall_clock(path: Path) -> None:
    assert wall_clock(path.read_text()) == []


@pytest.mark.parametrize(
    "line", ["x = time.time()", "datetime.datetime.now(UTC)", "datetime.utcnow()", "from time import time"]
)
def test_a_wall_clock_would_be_found(line: str) -> None:
    assert wall_clock(line)


def test_clocks_that_only_measure_are_let_through() -> None:
    assert wall_clock("from time import monotonic, sleep\ntime.monotonic()\ntime.perf_counter()") == []
