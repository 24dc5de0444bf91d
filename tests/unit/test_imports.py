"""Imports go one way, from room to room and from file to file (docs/design.md, "The way of an event")."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import runner

PACKAGE: Final = Path(runner.__file__).parent
ROOMS: Final = (
    "cli",
    "web",
    "projection",
    "telemetry",
    "worker",
    "notify",
    "exchange",
    "changelog",
    "kafka",
    "store",
    "actions",
    "forms",
    "tasks",
    "envelope",
)
"""From the top down; a room imports those below it."""

GROUND: Final = frozenset({"errors", "clock", "limits"})
ASIDE: Final = frozenset({"config", "log", "metrics"})
"""Beside the rooms: they stand on the ground and on each other; no room from store down imports them."""

DEEP: Final = frozenset({"store", "actions", "forms", "tasks", "envelope"})
"""Rooms that know no configuration, log or metrics."""

NOT_WORKER: Final = frozenset({"web", "projection"})
"""Rooms above the worker that never import it: they may run in processes of their own."""

OF_WEB: Final = frozenset(
    {"authlib", "fastapi", "httpx", "joserfc", "psycopg", "sqlalchemy", "starlette", "uvicorn"}
)
"""Packages of the extra ``web``, and what comes with them."""
KNOW_WEB: Final = frozenset({"client", "projection", "web"})
"""Rooms that may import these packages."""

OF_NOTIFY: Final = frozenset({"kafka", "tasks", "envelope", "log", "metrics"})
"""All that the room notify may import above the ground; nobody but cli imports it."""

PURE: Final = frozenset(
    {
        *(
            "__future__",
            "collections.abc",
            "dataclasses",
            "enum",
            "functools",
            "math",
            "re",
            "typing",
            "zlib",
        ),
        "msgspec",
    }
)
"""All that actions may import from outside: no I/O, clock, randomness or logging (design, rule 2)."""

IMPURE: Final = frozenset(
    {"asyncio", "confluent_kafka", "http", "logging", "os", "pathlib", "random", "redis"}
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
CLOCK_CALLS: Final = frozenset({"now", "today", "utcnow"})
"""Methods of datetime and date that read the clock; all else they do is arithmetic."""
IMPURE_CALLS: Final = frozenset({"open", "print", "input", "exec", "eval", "__import__", "breakpoint"})


def may_import(part: str) -> frozenset[str]:
    """Which parts of the package a part may import, besides itself."""
    if part in GROUND:
        return frozenset()
    if part in ASIDE:
        return ASIDE | GROUND
    if part == "testing":
        return frozenset({*ROOMS, *GROUND, *ASIDE} - {"cli", "web", "notify"})
    if part not in ROOMS:
        return frozenset()  # embedded and client stand alone
    below = frozenset(ROOMS[ROOMS.index(part) + 1 :]) | GROUND
    if part != "cli":
        below -= {"notify"}
    if part in NOT_WORKER:
        below -= {"worker", "telemetry"}
    if part == "cli":
        return below | ASIDE | {"embedded", "client"}
    allowed = below if part in DEEP else below | ASIDE
    return allowed & (OF_NOTIFY | GROUND) if part == "notify" else allowed


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


def clock_calls(source: str) -> list[str]:
    """List where a module takes the time from datetime or date, called or handed on."""
    return [
        ast.unparse(node)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Attribute)
        and node.attr in CLOCK_CALLS
        and ast.unparse(node.value).split(".")[-1] in {"datetime", "date"}
    ]


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
    assert parts <= {*ROOMS, *GROUND, *ASIDE, "embedded", "client", "testing"}
    assert {"cli", "worker", "store", "actions", "tasks", "envelope", *GROUND, "config"} <= parts


def test_imports_go_one_way() -> None:
    arrows = {
        name: wrong
        for name, source in modules().items()
        if "." in name and (wrong := wrong_arrows(name.split(".")[1], source))
    }
    assert not arrows


def imported_modules(source: str) -> set[str]:
    """Give the modules of the package that a module imports; of a package, its own ``__init__``."""
    reached = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module in modules():
            children = {f"{node.module}.{alias.name}" for alias in node.names}
            reached |= {child if child in modules() else node.module for child in children}
    return reached & modules().keys()


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Give modules that import each other in a circle; none if there is no circle."""
    done, path = set[str](), list[str]()

    def visit(name: str) -> list[str]:
        if name in path:
            return [*path[path.index(name) :], name]
        if name in done:
            return []
        path.append(name)
        found = next((each for each in map(visit, sorted(imports[name] - {name})) if each), [])
        path.pop()
        done.add(name)
        return found

    return next((found for found in map(visit, imports) if found), [])


def test_no_files_import_each_other_in_a_circle_not_even_for_their_types() -> None:
    assert not circle({name: imported_modules(source) for name, source in modules().items()})


def test_a_circle_would_be_found() -> None:
    assert circle({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert not circle({"a": {"b", "c"}, "b": {"c"}, "c": set()})


def test_the_packages_of_the_web_are_imported_where_they_are_needed_alone() -> None:
    for name, source in modules().items():
        roots = {imported.split(".")[0] for imported in imports_of(source)}
        assert not roots & OF_WEB or KNOW_WEB.intersection(name.split(".")) or "wiring" in name, name


def test_no_command_loads_the_packages_of_the_web_unless_it_needs_them() -> None:
    script = (
        "import sys; from runner.cli.app import build_app; build_app(); import runner.cli.wiring.worker; "
        f"print(sorted({set(OF_WEB)!r} & {{name.split('.')[0] for name in sys.modules}}))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"


def test_importing_the_package_imports_nothing() -> None:
    assert not list(imports_of(modules()["runner"]))


def test_actions_do_no_io_and_know_no_clock_randomness_or_logging() -> None:
    sources = of_part("actions")
    assert len(sources) > 10
    assert not {name: found for name, source in sources.items() if (found := impure(source))}
    assert not [name for name, source in sources.items() if "runner.clock" in imports_of(source)]


@pytest.mark.parametrize("part", ["forms", "tasks", "envelope", "errors", "limits"])
def test_what_actions_stand_on_does_no_io_either(part: str) -> None:
    for name, source in of_part(part).items():
        roots = {imported.split(".")[0] for imported in imports_of(source)}
        assert not roots & IMPURE, name
        assert not clock_calls(source), name


def test_the_middle_of_the_worker_needs_neither_kafka_nor_redis() -> None:
    reached, waiting = set[str](), ["runner.worker.task_processor"]
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
        ("kafka", "from runner.changelog.codec import ChangelogEntry"),
        ("changelog", "from runner.worker.loop import Loop"),
        ("exchange", "from runner.worker.loop import Loop"),
        ("worker", "from runner.telemetry.reporter import Reporter"),
        ("projection", "from runner.worker.loop import Loop"),
        ("web", "from runner.worker.result import BatchResult"),
        ("worker", "from runner.notify.notice import Notice"),
        ("telemetry", "from runner.notify.notice import Notice"),
        ("notify", "from runner.store.calls import Store"),
        ("notify", "from runner.actions.plan import Plan"),
        ("notify", "from runner.config import Config"),
        ("worker", "from runner.testing.memory_store import MemoryStore"),
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
        ("cli", "from runner.notify.notice import Notice"),
        ("notify", "from runner.kafka.message import Message"),
        ("worker", "from runner.config import Config"),
        ("worker", "from runner.tasks.record import Record"),
        ("testing", "from runner.store.calls import Store"),
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


@pytest.mark.parametrize(
    "line", ["datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()", "f(clock=datetime.today)"]
)
def test_a_look_at_the_clock_would_be_found(line: str) -> None:
    assert clock_calls(line)


@pytest.mark.parametrize("line", ["datetime(1970, 1, 1, tzinfo=UTC)", "event.now()", "moment.date()"])
def test_arithmetic_with_dates_is_let_through(line: str) -> None:
    assert not clock_calls(line)
