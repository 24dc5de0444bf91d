"""Tasks to list: many at once, made from a seed and put into the tables without a changelog."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from random import Random
from typing import Any, Final

from sqlalchemy import Connection, Engine, text
from sqlalchemy.schema import CreateTable

from runner.projection.database import insert
from runner.projection.rows import RowMaker
from runner.projection.sight import Sight
from runner.projection.tables import BUILDS, CATALOG, LIVE, Tables, tables_of

DOMAIN: Final = "sales"
NOW_MS: Final = 1_770_000_000_000
DAY_MS: Final = 86_400_000
ATTRIBUTES: Final = ("amount", "customer", "region")
BATCH: Final = 2000

_NOUNS: Final = (
    "order",
    "invoice",
    "contract",
    "claim",
    "refund",
    "address",
    "account",
    "delivery",
    "complaint",
    "offer",
)
_VERBS: Final = ("check", "approve", "complete", "correct", "sign", "review", "release", "call")
_NAMES: Final = (
    "Müller",
    "Schmidt",
    "Nowák",
    "Ødegård",
    "Łukasz",
    "García",
    "Rossi",
    "Dubois",
    "Jansen",
    "Ivanov",
)
_REGIONS: Final = ("north", "south", "east", "west", None)


@dataclass(frozen=True, slots=True)
class Size:
    """How many tasks, and of whom."""

    open_tasks: int = 100_000
    finished_tasks: int = 100_000
    roles: int = 200
    users: int = 2000
    specs: int = 40


def rows_of(size: Size, seed: int = 16) -> Iterator[tuple[dict[str, Any], Sight]]:
    """Give the tasks as lists show them, each with who sees it; the finished ones first."""
    random = Random(seed)
    for n in range(size.finished_tasks + size.open_tasks):
        yield _row(random, size, n, is_open=n >= size.finished_tasks)


def fill(engine: Engine, size: Size) -> Tables:
    """Make the tables of a first build and put the tasks into them."""
    tables = tables_of(1, ATTRIBUTES)
    CATALOG.create_all(engine)
    with engine.begin() as connection:
        for table in tables.metadata.sorted_tables:
            connection.execute(CreateTable(table))
        names = json.dumps(ATTRIBUTES)
        connection.execute(
            BUILDS.insert().values(number=1, format="1:", attributes=names, state=LIVE, begun_ms=0)
        )
        _fill(connection, tables, size)
        for index in tables.indexes:
            index.create(connection)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("VACUUM ANALYZE" if engine.dialect.name == "postgresql" else "ANALYZE"))
    return tables


def _fill(connection: Connection, tables: Tables, size: Size) -> None:
    maker = RowMaker(tables, ATTRIBUTES)
    tasks = enumerate(rows_of(size))
    while batch := list(islice(tasks, BATCH)):
        made = [maker.rows_of(row, sight, no) for no, (row, sight) in batch]
        for place, table in enumerate(maker.narrow):
            insert(connection, table, [row for rows in made for row in rows[place].values()])
        insert(connection, tables.bodies, [_body(no, row) for no, (row, _) in batch])


def _body(no: int, row: dict[str, Any]) -> tuple[Any, ...]:
    shown = json.dumps(row, ensure_ascii=False)
    return (no, row["domain"], row["id"], f"1/{no % 12}@{no}", no % 12, 1, None, shown * 2, shown)


def _row(random: Random, size: Size, n: int, *, is_open: bool) -> tuple[dict[str, Any], Sight]:
    roles = tuple(f"role-{number:03}" for number in sorted(random.sample(range(size.roles), 2)))
    user = f"user-{random.randrange(size.users):04}"
    owner = user if not is_open or random.random() < 0.3 else None
    created = NOW_MS - 30 * DAY_MS + n * 10
    state = "UNASSIGNED" if owner is None else "ASSIGNED"
    name = f"{random.choice(_VERBS).title()} {random.choice(_NOUNS)} of {random.choice(_NAMES)} {n}"
    row = {
        "key": f"task-{n}",
        "domain": DOMAIN,
        "id": f"task-{n}",
        "partition": n % 12,
        "version": f"{1};1/{n % 12}@{n}",
        "status": state if is_open else random.choice(("DONE", "DONE", "DONE", "TIMED_OUT", "CANCELLED")),
        "owner": owner,
        "user": None,
        "roles": roles,
        "name": name,
        "spec": f"spec-{min(random.randrange(size.specs), random.randrange(size.specs)):02}",
        "specVersion": random.randrange(5),
        "action": random.choice(("approve", "enter", "sign")),
        "createdOn": created,
        "timeout": created + random.randrange(60 * DAY_MS) if random.random() < 0.7 else None,
        "dueOn": created + random.randrange(60 * DAY_MS) if random.random() < 0.6 else None,
        "followUpOn": None,
        "priority": random.choice((50, 50, 50, random.randrange(101))),
        "comments": random.randrange(3),
        "level": 0,
        "finishedOn": None if is_open else created + random.randrange(10 * DAY_MS),
        "finishedBy": None if is_open else owner,
        "outcome": None,
        "hasDraft": False,
        "attributes": {
            "amount": random.randrange(1_000_000) / 100,
            "customer": f"C{random.randrange(20_000):05}",
            "region": random.choice(_REGIONS),
        },
    }
    took_part = (user,) if not is_open else ()
    return row, Sight(DOMAIN, owner, None, roles, took_part, f"user-{n % 7:04}")
