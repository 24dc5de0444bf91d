"""What pages, counts and searches of lists cost at the database, on SQLite and PostgreSQL.

``python -m tests.bench.lists`` makes the tasks and prints p50 and p99 of every kind of question, over all
orders and both directions, first pages and deep ones, in milliseconds. Busy is for how long this thread and
its server had a core: what is left of it on a machine that has nothing else to do.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from rich.console import Console
from rich.table import Table
from sqlalchemy import Engine, text

from runner.projection.counting import GROUPS
from runner.projection.database import connect, is_shared
from runner.projection.filters import ORDERS, AttributeFilter, Filters, Order, Range
from runner.projection.lists import Lists
from runner.projection.sight import Viewer
from tests.bench.listed_tasks import DAY_MS, DOMAIN, NOW_MS, Size, fill
from tests.servers.postgres_server import running_postgres

LIMIT: Final = 50
DEEP: Final = 5
"""A deep page is so many pages behind the first."""

_OPEN: Final = frozenset({"UNASSIGNED", "ASSIGNED"})
FILTERS: Final[Mapping[str, Filters]] = {
    "open": Filters(statuses=_OPEN),
    "of any status": Filters(),
    "done": Filters(statuses=frozenset({"DONE"})),
    "a rare spec": Filters(statuses=_OPEN, specs=frozenset({"spec-39"})),
    "a spec of none": Filters(statuses=_OPEN, specs=frozenset({"spec-99"})),
    "due within a week": Filters(statuses=_OPEN, due=Range(NOW_MS, NOW_MS + 7 * DAY_MS)),
    "priority 90 and above": Filters(statuses=_OPEN, priority=Range(90)),
    "overdue": Filters(overdue=True),
    "mine": Filters(statuses=_OPEN, mine=True),
    "for me": Filters(statuses=_OPEN, for_me=True),
    "an owner": Filters(statuses=_OPEN, owners=frozenset({"user-0007"})),
    "a role": Filters(statuses=_OPEN, roles=frozenset({"role-001"})),
    "amount above": Filters(statuses=_OPEN, attributes=(AttributeFilter("amount", lowest="9000"),)),
    "a customer": Filters(statuses=_OPEN, attributes=(AttributeFilter("customer", equals="C00007"),)),
    "region begins with": Filters(statuses=_OPEN, attributes=(AttributeFilter("region", prefix="so"),)),
}
TEXTS: Final[Mapping[str, Filters]] = {
    "text in a tenth": Filters(statuses=_OPEN, text="mull"),
    "text in a twentieth": Filters(statuses=_OPEN, text="12"),
    "text in a few": Filters(statuses=_OPEN, text="task 1234"),
    "text in none": Filters(statuses=_OPEN, text="zzz"),
}
CALLERS: Final[Mapping[str, int]] = {"1 role": 1, "10 roles": 10, "50 roles": 50, "admin": 0}


@dataclass(slots=True)
class Times:
    """Milliseconds of one kind of question."""

    wall: list[float] = field(default_factory=list)
    busy: list[float] = field(default_factory=list)

    def figures(self) -> list[str]:
        return [f"{_at(each, share):.1f}" for each in (self.wall, self.busy) for share in (0.5, 0.99)]


class Meter:
    """Takes the time of questions."""

    def __init__(self, engine: Engine) -> None:
        self._server: Path | None = None
        if is_shared(engine):  # its pool has this one connection, which all questions go through
            with engine.connect() as connection:
                server = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
            self._server = Path(f"/proc/{server}/schedstat")

    def take(self, ask: Callable[[], Any], times: Times) -> Any:
        wall, busy = time.perf_counter(), self._busy()
        found = ask()
        times.wall.append((time.perf_counter() - wall) * 1000)
        times.busy.append((self._busy() - busy) * 1000)
        return found

    def _busy(self) -> float:
        server = 0.0 if self._server is None else int(self._server.read_text().split()[0]) / 1e9
        return time.thread_time() + server


def orders() -> Iterator[Order]:
    for by in (*ORDERS, "attributes.amount", "attributes.region"):
        yield from (Order(by), Order(by, descending=True))


def viewer(random: Random, roles: int, size: Size) -> Viewer:
    """Return somebody with so many roles; 0: an admin."""
    chosen = random.sample(range(size.roles), roles)
    domains = frozenset({DOMAIN})
    user = f"user-{random.randrange(size.users):04}"
    names = frozenset(f"role-{number:03}" for number in chosen)
    return Viewer(user, names, domains, frozenset() if roles else domains, domains)


def measure(engine: Engine, size: Size, times: int, console: Console) -> None:
    """Ask everything so often, and print what it took."""
    lists, meter, random = Lists(engine), Meter(engine), Random(1)
    table = Table("caller", "question", "p50", "p99", "busy p50", "busy p99", title=engine.dialect.name)
    newest = Order(descending=True)
    for caller, roles in CALLERS.items():
        for name, filters in {**FILTERS, **TEXTS}.items():
            pages = Times()
            for order in orders():
                for turn in range(-1, times):
                    kept = pages if turn >= 0 else Times()  # a statement is compiled once in a process
                    who = viewer(random, roles, size)
                    _pages(lists, meter, kept, who, filters, order, DEEP if turn % 4 == 3 else 1)
            table.add_row(caller, f"page: {name}", *pages.figures())
            counts = Times()
            for group_by in GROUPS:
                for turn in range(-1, times):
                    kept, who = counts if turn >= 0 else Times(), viewer(random, roles, size)
                    meter.take(partial(lists.counts, who, filters, group_by, NOW_MS), kept)
            table.add_row(caller, f"counts: {name}", *counts.figures())
    simplest = Times()
    for turn in range(-5, 400):
        role = frozenset({f"role-{random.randrange(size.roles):03}"})
        filters = Filters(statuses=_OPEN, roles=role)
        who = Viewer("user-0001", role, frozenset({DOMAIN}))
        kept = simplest if turn >= 0 else Times()
        meter.take(partial(lists.page, who, filters, newest, None, LIMIT, NOW_MS), kept)
    table.add_row("", "one group's open tasks, newest first", *simplest.figures())
    console.print(table)


def _pages(
    lists: Lists, meter: Meter, times: Times, who: Viewer, filters: Filters, order: Order, most: int
) -> None:
    cursor = None
    for _ in range(most):
        page = meter.take(partial(lists.page, who, filters, order, cursor, LIMIT, NOW_MS), times)
        cursor = page.next_cursor
        if cursor is None:
            return


def _at(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@contextmanager
def _database(name: str) -> Iterator[Engine]:
    with tempfile.TemporaryDirectory() as folder:
        if name == "sqlite":
            engine = connect(f"sqlite:///{folder}/lists.db")
            yield engine
            engine.dispose()
            return
    with running_postgres() as server:
        engine = connect(server.new_database())
        yield engine
        engine.dispose()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--databases", nargs="*", default=["sqlite", "postgresql"])
    parser.add_argument("--open", type=int, default=100_000)
    parser.add_argument("--finished", type=int, default=100_000)
    parser.add_argument("--times", type=int, default=8, help="how often each is asked, in each order")
    asked = parser.parse_args()
    size, console = Size(asked.open, asked.finished), Console(width=120)
    for name in asked.databases:
        with _database(name) as engine:
            began = time.perf_counter()
            fill(engine, size)
            console.print(
                f"{name}: {asked.open + asked.finished} tasks in {time.perf_counter() - began:.0f} s"
            )
            measure(engine, size, asked.times, console)


if __name__ == "__main__":
    main()
