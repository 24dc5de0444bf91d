"""Single tasks and definitions, as lists have them on both databases."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Engine

from runner.projection.database import connect, insert, writing
from runner.projection.filters import Filters, Order
from runner.projection.folding import Folded
from runner.projection.lists import Lists, NotFilled
from runner.projection.rows import RowMaker, body_row
from runner.projection.sight import Sight, Viewer
from runner.projection.tables import BUILDS, CATALOG, OLD, Tables
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Ending, Status, TaskStart, TaskState
from tests.contract.listed import make_live_build

IDS = ("t1", "nul\x00", "\x01", "o'hara", "é" * 2000)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    is_sqlite = request.param == "sqlite"
    url = (
        f"sqlite:///{tmp_path / 'l.db'}" if is_sqlite else request.getfixturevalue("postgres").new_database()
    )
    found = connect(url)
    with writing(found) as connection:
        CATALOG.create_all(connection)
    yield found
    found.dispose()


def folded(task_id: str, source: str = "1/0@5", revision: int = 3, *, is_open: bool = True) -> Folded:
    ending = None if is_open else Ending("1/0@9", "x", 9, 99, by="bob")
    status = Status.OPEN if is_open else Status.PROCEEDED
    state = TaskState(status, 4, source, 1, roles=("clerk",), closing=ending)
    return Folded(
        TaskKey("d1", task_id), source, revision, revision, state, TaskStart(msgspec.Raw(b"{}"), name=task_id)
    )


def put(engine: Engine, tables: Tables, tasks: Iterable[tuple[Folded, int | None]]) -> None:
    """Insert generations; a moment says since when its record is gone."""
    maker = RowMaker(tables, ())
    with writing(engine) as connection:
        for no, (task, gone_ms) in enumerate(tasks):
            insert(connection, tables.bodies, [body_row(task, no, 0, gone_ms)])
            for table, rows in zip(maker.narrow, maker.rows(task, no), strict=True):
                insert(connection, table, list(rows.values()))


def test_nothing_is_read_before_a_build_is_live(engine: Engine) -> None:
    viewer, lists = Viewer("ann", frozenset(), frozenset({"d1"})), Lists(engine)
    for read in (
        lambda: lists.page(viewer, Filters(), Order(), None, 5, 0),
        lambda: lists.counts(viewer, Filters(), "spec", 0),
        lambda: lists.row(TaskKey("d1", "t1")),
        lambda: lists.has(TaskKey("d1", "t1"), "1;1/0@5"),
        lambda: lists.definitions(viewer),
    ):
        with pytest.raises(NotFilled):
            read()


def test_the_build_that_is_live_is_read_from_the_next_call_on(engine: Engine) -> None:
    lists, key = Lists(engine), TaskKey("d1", "t1")
    put(engine, make_live_build(engine, ()), [(folded("t1"), None)])
    assert lists.row(key) is not None
    with writing(engine) as connection:
        connection.execute(BUILDS.update().values(state=OLD))
    make_live_build(engine, ("sum",), 2)
    assert lists.row(key) is None


def test_a_task_is_found_by_its_key_whatever_its_id_is_made_of(engine: Engine) -> None:
    tables = make_live_build(engine, ())
    put(engine, tables, [(folded(task_id), None) for task_id in IDS])
    lists = Lists(engine)
    rows = lists.rows([TaskKey("d1", task_id) for task_id in (*IDS, "t2")])
    assert {key.id for key in rows} == {*IDS}
    for task_id in IDS:
        row = lists.row(TaskKey("d1", task_id))
        assert row is not None
        assert json.loads(row.json)["id"] == task_id
        assert row.sight == Sight("d1", roles=("clerk",))
        assert (row.version, row.home, row.is_open) == ("3;1/0@5", 4, True)
    assert lists.row(TaskKey("d2", "t1")) is None
    viewer = Viewer("ann", frozenset({"clerk"}), frozenset({"d1"}))
    page = lists.page(viewer, Filters(), Order(), None, 50, 0)
    assert {json.loads(row)["id"] for row in page.rows} == {*IDS}


def test_of_several_generations_the_one_that_is_there_is_shown_else_the_last_that_is_kept(
    engine: Engine,
) -> None:
    tables = make_live_build(engine, ())
    kept = [
        (folded("t1", "1/0@5", is_open=False), 10),
        (folded("t1", "1/0@7", is_open=False), 30),
        (folded("t1", "1/0@6", is_open=False), 20),
        (folded("t2", "1/0@8"), None),
        (folded("t2", "1/0@3", is_open=False), 40),
    ]
    put(engine, tables, kept)
    rows = Lists(engine).rows([TaskKey("d1", "t1"), TaskKey("d1", "t2")])
    assert {key.id: (row.version, row.is_open) for key, row in rows.items()} == {
        "t1": ("3;1/0@7", False),
        "t2": ("3;1/0@8", True),
    }


@pytest.mark.parametrize(
    ("version", "is_there"),
    [
        ("3;1/0@5", True),
        ("2;1/0@5", True),
        ("4;1/0@5", False),
        ("9;1/0@4", True),
        ("1;1/0@6", False),
        ("1;2/0@1", False),
        ("1;0/0@9", True),
    ],
)
def test_lists_have_a_version_that_they_show_or_are_beyond(
    engine: Engine,
    version: str,
    is_there: bool,
) -> None:
    put(engine, make_live_build(engine, ()), [(folded("t1"), None)])
    lists = Lists(engine)
    assert lists.has(TaskKey("d1", "t1"), version) is is_there
    assert not lists.has(TaskKey("d1", "t2"), version)


@pytest.mark.parametrize("version", ["", "3", "x;1/0@5", "3;", "3;1/0", ";1/0@5"])
def test_what_is_no_version_is_refused(engine: Engine, version: str) -> None:
    make_live_build(engine, ())
    with pytest.raises(ValueError, match=r"version|invalid literal"):
        Lists(engine).has(TaskKey("d1", "t1"), version)


def test_definitions_are_the_newest_of_each_spec_of_the_viewers_domains(engine: Engine) -> None:
    tables = make_live_build(engine, ())
    told = [
        ("d1", "form", 0, 0, 10, "ann", '{"description":"old","schema":{}}'),
        ("d1", "form", 1, 0, 20, "o\x01", '{"description":"new","schema":{}}'),
        ("d1", "a\x00", 0, 0, 30, None, "{}"),
        ("d2", "form", 0, 0, 40, None, "{}"),
    ]
    with writing(engine) as connection:
        columns = [column.name for column in tables.definitions.columns]
        order = ("domain", "spec", "number", "shard", "at", "by", "definition")
        rows = [dict(zip(order, row, strict=True)) for row in told]
        connection.execute(
            tables.definitions.insert(), [{name: row[name] for name in columns} for row in rows]
        )
    found = Lists(engine).definitions(Viewer("ann", frozenset(), frozenset({"d1"})))
    assert found == [
        {
            "domain": "d1",
            "taskSpec": "a\x00",
            "version": 0,
            "definedOn": 30,
            "by": None,
            "description": None,
        },
        {
            "domain": "d1",
            "taskSpec": "form",
            "version": 1,
            "definedOn": 20,
            "by": "o\x01",
            "description": "new",
        },
    ]
