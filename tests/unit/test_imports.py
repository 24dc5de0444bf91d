"""Imports go one way: cli → worker → store → actions → tasks → envelope → errors, clock (design, layout)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import runner

PACKAGE: Final = Path(runner.__file__).parent
LAYERS: Final = ("cli", "worker", "store", "actions", "tasks", "envelope")
GROUND: Final = frozenset({"errors", "clock"})
ASIDE: Final = frozenset({"config", "log", "metrics"})
"""Beside the layers: they stand on the ground and on each other; only cli and worker import them."""

PURE: Final = frozenset(
    {"__future__", "collections.abc", "dataclasses", "enum", "functools", "math", "re", "typing", "msgspec"}
)
"""All that actions may import from outside: no I/O, clock, randomness or logging (design, rule 2)."""

IMPURE: Final = frozenset(
    {"asyncio", "confluent_kafka", "datetime", "http", "logging", "os", "pathlib", "random", "redis"}
    | {
        "secrets",
        "shutil",
        "signal",
        "socket",
        "structlog",
        "subprocess",
        "tempfile",
        "threading",
        "time",
        "uuid",
    }
)
IMPURE_CALLS: Final = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})


def may_import(part: str) -> frozenset[str]:
    """Which parts of the package a part may import, besides itself."""
    if part in GROUND:
        return frozenset()
    if part in ASIDE:
        return ASIDE | GROUND
    if part not in LAYERS:
        return frozenset()  # embedded stands alone
    below = frozenset(LAYERS[LAYERS.index(part) + 1 :]) | GROUND
    if part == "cli":
        return below | ASIDE | {"embedded"}
    return below | ASIDE if part == "worker" else below


def imports_of(source: str) -> Iterator[str]:
    """Give the dotted name of everything that a module imports, wherever it does so."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module is not None
            if node.module == "runner":
                yield from (f"runner.{alias.name}" for alias in node.names)
            else:
                yield node.module


def wrong_arrows(part: str, source: str) -> list[str]:
    """List what a module of a part imports although it must not."""
    allowed = may_import(part) | {part}
    inside = [name for name in imports_of(source) if name.startswith("runner.")]
    parts = {name: name.split(".")[1] for name in inside if name != "runner.__version__"}
    return [name for name, imported in parts.items() if imported not in allowed]


def impure(source: str) -> list[str]:
    """List what a module imports or calls beyond the pure."""
    outside = [name for name in imports_of(source) if not name.startswith("runner.")]
    calls = [
        node.func.id
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in IMPURE_CALLS
    ]
    return [name for name in outside if name not in PURE] + calls


@cache
def modules() -> dict[str, str]:
    """Give the source of every module by its dotted name."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        names = [PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(names[:-1] if names[-1] == "__init__" else names)] = path.read_text(encoding="utf-8")
    return found


def of_part(part: str) -> dict[str, str]:
    return {name: source for name, source in modules().items() if name.split(".")[1:2] == [part]}


def test_every_part_of_the_package_has_its_place() -> None:
    parts = {name.split(".")[1] for name in modules() if "." in name}
    assert parts <= {*LAYERS, *GROUND, *ASIDE, "embedded"}
    assert {*LAYERS, *GROUND, "config"} <= parts


def test_imports_go_one_way() -> None:
    arrows = {
        name: wrong
        for name, source in modules().items()
        if "." in name and (wrong := wrong_arrows(name.split(".")[1], source))
    }
    assert not arrows


def test_importing_the_package_imports_nothing() -> None:
    assert not list(imports_of(modules()["runner"]))


def test_actions_do_no_io_and_know_no_clock_randomness_or_logging() -> None:
    sources = of_part("actions")
    assert len(sources) > 10
    assert not {name: found for name, source in sources.items() if (found := impure(source))}
    assert not [name for name, source in sources.items() if "runner.clock" in imports_of(source)]


@pytest.mark.parametrize("part", ["tasks", "envelope", "errors"])
def test_what_actions_stand_on_does_no_io_either(part: str) -> None:
    for name, source in of_part(part).items():
        roots = {imported.split(".")[0] for imported in imports_of(source)}
        assert not roots & IMPURE, name


def test_the_middle_of_the_worker_needs_neither_kafka_nor_redis() -> None:
    reached, waiting = set[str](), ["runner.worker.process"]
    while waiting:
        name = waiting.pop()
        if name in reached or name not in modules():
            continue
        reached.add(name)
        imported = list(imports_of(modules()[name]))
        assert not {each.split(".")[0] for each in imported} & {"confluent_kafka", "redis"}, name
        waiting += imported
    assert "runner.actions.registry" in reached


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("envelope", "from runner.tasks.record import Record"),
        ("tasks", "import runner.actions.plan"),
        ("actions", "from runner import store"),
        ("store", "def f():\n    from runner.worker.loop import Loop"),
        ("store", "from runner.config import Config"),
        ("worker", "from runner.cli import main"),
        ("worker", "from runner.embedded import redis"),
        ("config", "from runner.envelope.event import Event"),
        ("embedded", "from runner.errors import FatalError"),
        ("errors", "if TYPE_CHECKING:\n    from runner.clock import Ticker"),
    ],
)
def test_a_wrong_arrow_would_be_found(part: str, line: str) -> None:
    assert wrong_arrows(part, line)


@pytest.mark.parametrize(
    ("part", "line"),
    [
        ("cli", "from runner.embedded import redis"),
        ("cli", "from runner import __version__"),
        ("worker", "from runner.config import Config"),
        ("worker", "from runner.tasks.record import Record"),
        ("actions", "from runner.actions.plan import Plan"),
        ("log", "from runner.config.secrets import masked"),
    ],
)
def test_a_right_arrow_is_let_through(part: str, line: str) -> None:
    assert not wrong_arrows(part, line)


@pytest.mark.parametrize(
    "line",
    [
        "import time",
        "from random import random",
        "import logging.config",
        "import redis",
        "open('x')",
        "print(1)",
    ],
)
def test_an_impure_line_would_be_found(line: str) -> None:
    assert impure(line)
