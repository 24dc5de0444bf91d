"""Lists: on both databases, what a plain search through all tasks finds, whatever is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from runner.projection.conditions import UnknownAttribute
from runner.projection.counting import GROUPS
from runner.projection.cursors import InvalidCursor, Place, cursor_after
from runner.projection.database import connect, writing
from runner.projection.filters import ORDERS, AttributeFilter, Filters, Order, Range
from runner.projection.indexing import STATUSES
from runner.projection.lists import Lists
from runner.projection.sight import Sight, Viewer
from runner.projection.tables import Tables
from tests.contract.listed import (
    OPEN,
    Task,
    clear,
    counted,
    listed,
    make_indexes,
    make_live_build,
    put,
    take_out,
)

ATTRIBUTES: Final = ("kind", "sum")
NOW_MS: Final = 3
DOMAINS: Final = ("d1", "d2", "it's")
USERS: Final = ("ann", "bob", "o'hara", 'a"b', "nul\x00", "one\x01", "Ünal", "%", "\\")
ROLES: Final = ("clerk", "boss", "r\x00", "é", "ru 'x", "u:ann", "*", "x" * 900)
SPECS: Final = ("form", "Form", "form\x00", "ärger")
NAMES: Final = (
    "Grüße an Łukasz",
    "Pay 100% now",
    "pay_it",
    "日本 語",
    "",
    "o'hara's \\ bill",
    "nul\x00 x",
    "İstanbul",
)
TEXTS: Final = (
    "gruss",
    "GRÜ",
    "pay",
    "10",
    "lukasz",
    "日",
    "a",
    "_",
    "%",
    "'",
    "x t1",
    "\x00",
    "pay zzz",
    "ist",
)
VALUES: Final = (
    -10,
    -2.5,
    0,
    -0.0,
    1,
    1.0,
    10,
    2**70,
    "1",
    "10",
    "a",
    "A",
    "ab",
    "b\x00",
    "\x01",
    "ä",
    "\U0001f600",
    "\uffff",
)
ASKED: Final = (
    "1",
    "-2.5",
    "10",
    "1e1",
    "a",
    "A",
    "b\x00",
    "",
    "\uffff",
    "\U0001f600",
    "true",
    "zz",
    "inf",
    "nan",
)


def _mostly(usual: tuple[str, ...], all_of_them: tuple[str, ...]) -> st.SearchStrategy[str]:
    return st.sampled_from([*usual * len(all_of_them), *all_of_them])


moments = st.none() | st.integers(0, 6)
users = _mostly(("ann", "bob"), USERS)
role_names = _mostly(("clerk", "boss"), ROLES)
roles = st.lists(role_names, max_size=3, unique=True).map(tuple)
attribute_values = st.none() | st.sampled_from(VALUES) | st.booleans() | st.just([1])


@st.composite
def tasks(draw: st.DrawFn, least: int = 0) -> list[Task]:
    ids = draw(st.lists(st.integers(0, 40), min_size=least, max_size=20, unique=True))
    return [draw(_task(f"t{number}" + ("\x00'" if number % 7 == 0 else ""))) for number in ids]


@st.composite
def _task(draw: st.DrawFn, task_id: str) -> Task:
    domain, status = draw(_mostly(("d1",), DOMAINS)), draw(st.sampled_from(sorted(STATUSES)))
    owner = (
        draw(users) if status == "ASSIGNED" else None if status == "UNASSIGNED" else draw(st.none() | users)
    )
    sight = Sight(
        domain,
        owner,
        draw(st.none() | users),
        draw(roles),
        tuple(draw(st.lists(users, max_size=1))),
        draw(st.none() | users),
    )
    row = {
        "domain": domain,
        "id": task_id,
        "status": status,
        "owner": owner,
        "user": sight.user,
        "roles": list(sight.roles),
        "name": draw(st.none() | st.sampled_from(NAMES)),
        "spec": draw(st.none() | st.sampled_from(SPECS)),
        "action": draw(st.none() | st.sampled_from(["do", "DO"])),
        "createdOn": draw(st.integers(0, 6)),
        "timeout": draw(moments),
        "dueOn": draw(moments),
        "priority": draw(st.sampled_from([0, 50, 50, 100])),
        "finishedOn": None if status in OPEN else draw(st.integers(0, 6)),
        "attributes": {name: draw(attribute_values) for name in draw(st.sets(st.sampled_from(ATTRIBUTES)))},
    }
    return Task(row, sight)


@st.composite
def viewers(draw: st.DrawFn) -> Viewer:
    domains = draw(st.frozensets(_mostly(("d1",), DOMAINS), min_size=1))
    some = st.frozensets(st.sampled_from(sorted(domains)))
    names = st.frozensets(role_names, max_size=4)
    user = draw(st.none() | users | st.just("\ud800"))
    admin_of = draw(st.just(frozenset[str]()) | st.just(frozenset[str]()) | some)
    return Viewer(user, draw(names), domains, admin_of, draw(some))


ranges = st.just(Range()) | st.builds(
    Range, st.none() | st.integers(-1, 6) | st.just(-(2**70)), st.none() | st.integers(0, 7) | st.just(2**70)
)
asked = st.none() | st.sampled_from(ASKED)
hows = st.lists(st.sampled_from(["equals", "prefix", "lowest", "highest"]), min_size=1, max_size=2)
attribute_filters = st.tuples(st.sampled_from(ATTRIBUTES), hows, asked, asked).map(
    lambda drawn: AttributeFilter(drawn[0], **dict(zip(drawn[1], drawn[2:], strict=False)))
)


def _some(values: st.SearchStrategy[str]) -> st.SearchStrategy[frozenset[str]]:
    return st.frozensets(values, min_size=1, max_size=3)


FILTERS: Final[dict[str, st.SearchStrategy[Any]]] = {
    "domains": _some(st.sampled_from([*DOMAINS, "nowhere"])),
    "statuses": _some(st.sampled_from(sorted(STATUSES))),
    "owners": _some(users),
    "mine": st.just(value=True),
    "for_me": st.just(value=True),
    "roles": _some(role_names),
    "specs": _some(st.sampled_from(SPECS)),
    "actions": _some(st.sampled_from(["do", "DO", "'"])),
    "priority": ranges,
    "created": ranges,
    "due": ranges,
    "deadline": ranges,
    "finished": ranges,
    "overdue": st.booleans(),
    "text": st.sampled_from(TEXTS),
    "attributes": st.lists(attribute_filters, min_size=1, max_size=2).map(tuple),
}


@st.composite
def some_filters(draw: st.DrawFn) -> Filters:
    names = draw(st.lists(st.sampled_from(sorted(FILTERS)), max_size=2, unique=True))
    return Filters(**{name: draw(FILTERS[name]) for name in names})


orders = st.builds(
    Order, st.sampled_from([*ORDERS, *(f"attributes.{name}" for name in ATTRIBUTES)]), st.booleans()
)


@dataclass(frozen=True)
class Site:
    """A database with an empty build that is read."""

    engine: Engine
    tables: Tables

    def fill(self, tasks: list[Task]) -> None:
        with writing(self.engine) as connection:
            clear(connection, self.tables)
            put(connection, self.tables, ATTRIBUTES, enumerate(tasks))

    def add(self, first: int, tasks: list[Task]) -> None:
        with writing(self.engine) as connection:
            put(connection, self.tables, ATTRIBUTES, enumerate(tasks, first))

    def remove(self, no: int) -> None:
        with writing(self.engine) as connection:
            take_out(connection, self.tables, no)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("lists")
        url = f"sqlite:///{folder / 'lists.db'}"
    else:
        url = request.getfixturevalue("postgres").new_database()
    engine = connect(url)
    tables = make_live_build(engine, ATTRIBUTES)
    with writing(engine) as connection:
        make_indexes(connection, tables)
    yield Site(engine, tables)
    engine.dispose()


searched = settings(
    max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def name_of(row: str) -> tuple[str, str]:
    shown = json.loads(row)
    return shown["domain"], shown["id"]


def all_pages(
    lists: Lists, viewer: Viewer, filters: Filters, order: Order, limit: int
) -> list[tuple[str, str]]:
    found, cursor = list[tuple[str, str]](), None
    while True:
        page = lists.page(viewer, filters, order, cursor, limit, NOW_MS)
        assert len(page.rows) == limit or page.next_cursor is None
        found += map(name_of, page.rows)
        cursor = page.next_cursor
        if cursor is None:
            return found


@searched
@given(
    tasks(),
    st.lists(st.tuples(viewers(), some_filters(), orders), min_size=6, max_size=6),
    st.integers(1, 5),
    st.sampled_from([0, 2, 500]),
)
def test_pages_and_counts_are_those_of_a_plain_search(
    site: Site, tasks: list[Task], questions: list[tuple[Viewer, Filters, Order]], limit: int, few_rows: int
) -> None:
    site.fill(tasks)
    lists = Lists(site.engine, few_rows)
    for viewer, filters, order in questions:
        expected = listed(tasks, viewer, filters, order, NOW_MS)
        assert all_pages(lists, viewer, filters, order, limit) == expected
        for group_by in GROUPS:
            counts = lists.counts(viewer, filters, group_by, NOW_MS)
            assert len(dict(counts)) == len(counts)
            shown = {_label(value): number for value, number in counts}
            told = counted(tasks, viewer, filters, group_by, NOW_MS)
            assert shown == {_label(value): number for value, number in told.items()}
            assert [number for _, number in counts] == sorted(shown.values(), reverse=True)


def _label(value: Any) -> Any:
    """Long texts are counted by their beginning."""
    return value[:500] if isinstance(value, str) else value


@searched
@given(tasks(least=4), viewers(), some_filters(), orders, st.data())
def test_what_changes_between_pages_neither_doubles_nor_hides_what_stays(
    site: Site, tasks: list[Task], viewer: Viewer, filters: Filters, order: Order, data: st.DataObject
) -> None:
    half = len(tasks) // 2
    site.fill(tasks[:half])
    lists = Lists(site.engine, data.draw(st.sampled_from([0, 500])))
    first = lists.page(viewer, filters, order, None, 1, NOW_MS)
    later = tasks[half:]
    gone = data.draw(st.integers(0, max(0, half - 1)))
    site.add(half, later)
    site.remove(gone)
    staying = [task for number, task in enumerate(tasks[:half]) if number != gone]
    found, cursor = [name_of(row) for row in first.rows], first.next_cursor
    while cursor is not None:
        page = lists.page(viewer, filters, order, cursor, 2, NOW_MS)
        found += [name_of(row) for row in page.rows]
        cursor = page.next_cursor
    assert len(found) == len(set(found))
    if first.next_cursor is not None:
        assert {*listed(staying, viewer, filters, order, NOW_MS)} <= {*found}
    seen = {*listed(tasks, viewer, filters, order, NOW_MS)}
    assert {*found} <= seen


places = st.builds(
    Place,
    st.none() | st.integers(-(2**65), 2**65) | st.sampled_from(["", "x", "\x00", "0", "1é"]),
    st.integers(-(2**64), 2**64),
    st.integers(-5, 2**64),
)


@searched
@given(
    tasks(),
    viewers(),
    orders,
    st.text(max_size=60)
    | st.binary(max_size=40).map(lambda raw: raw.hex())
    | st.builds(cursor_after, orders, places),
)
def test_a_cursor_of_anybodys_making_is_refused_or_shows_nothing_else(
    site: Site, tasks: list[Task], viewer: Viewer, order: Order, cursor: str
) -> None:
    site.fill(tasks)
    try:
        page = Lists(site.engine, 0).page(viewer, Filters(), order, cursor, 50, NOW_MS)
    except InvalidCursor:
        return
    names = [name_of(row) for row in page.rows]
    whole = listed(tasks, viewer, Filters(), order, NOW_MS)
    assert names == whole[len(whole) - len(names) :]


def test_a_cursor_is_refused_in_another_order_and_after_any_change_of_a_letter(site: Site) -> None:
    sight = Sight("d1")
    shown: dict[str, Any] = {
        "status": "UNASSIGNED",
        "owner": None,
        "user": None,
        "roles": [],
        "name": None,
        "spec": None,
    }
    moments_of: dict[str, Any] = {
        "timeout": None,
        "dueOn": 1,
        "priority": 50,
        "finishedOn": None,
        "attributes": {},
    }
    site.fill(
        [
            Task(
                {"domain": "d1", "id": f"t{n}", "action": None, "createdOn": n, **shown, **moments_of}, sight
            )
            for n in range(3)
        ]
    )
    viewer, order, lists = Viewer("ann", frozenset(), frozenset({"d1"})), Order("due"), Lists(site.engine)
    cursor = lists.page(viewer, Filters(), order, None, 1, NOW_MS).next_cursor
    assert cursor is not None
    assert len(lists.page(viewer, Filters(), order, cursor, 5, NOW_MS).rows) == 2
    for other in (Order("due", descending=True), Order("created"), Order("attributes.sum")):
        with pytest.raises(InvalidCursor):
            lists.page(viewer, Filters(), other, cursor, 5, NOW_MS)
    for broken in (cursor[:-1], cursor + "A", cursor + "=", "!" + cursor, "", " " + cursor, cursor * 100):
        with pytest.raises(InvalidCursor):
            lists.page(viewer, Filters(), order, broken, 5, NOW_MS)


def test_text_that_is_none_is_refused_before_the_database_sees_it() -> None:
    for filters in (
        {"owners": frozenset({"\ud800"})},
        {"text": "a\udfff"},
        {"attributes": (AttributeFilter("sum", prefix="\ud83d"),)},
    ):
        with pytest.raises(ValueError, match="surrogates"):
            Filters(**filters)


def _task_of(task_id: str, sight: Sight, **shown: Any) -> Task:
    usual: dict[str, Any] = {
        "domain": sight.domain,
        "id": task_id,
        "status": "UNASSIGNED",
        "owner": sight.owner,
        "user": sight.user,
        "roles": list(sight.roles),
        "name": None,
        "spec": None,
        "action": None,
        "createdOn": 1,
        "timeout": None,
        "dueOn": None,
        "priority": 50,
        "finishedOn": None,
        "attributes": {},
    }
    return Task({**usual, **shown}, sight)


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("few_rows", [0, 500])
def test_pages_go_on_at_any_value_of_an_attribute(site: Site, descending: bool, few_rows: int) -> None:
    values = [*VALUES, -(2**80), -1, -0.5, None, True]
    tasks = [
        _task_of(f"t{n}", Sight("d1"), attributes={} if value is None else {"sum": value})
        for n, value in enumerate(values)
    ]
    site.fill(tasks)
    viewer, order = Viewer("ann", frozenset(), frozenset({"d1"})), Order("attributes.sum", descending)
    expected = listed(tasks, viewer, Filters(), order, NOW_MS)
    assert all_pages(Lists(site.engine, few_rows), viewer, Filters(), order, 1) == expected
    for value in ASKED:
        for how in ("equals", "prefix", "lowest", "highest"):
            filters = Filters(attributes=(AttributeFilter("sum", **{how: value}),))
            expected = listed(tasks, viewer, filters, order, NOW_MS)
            assert all_pages(Lists(site.engine, few_rows), viewer, filters, order, 50) == expected


@pytest.mark.parametrize("admin_of", ["d1", "d2"])
def test_a_role_is_asked_of_tasks_in_every_domain(site: Site, admin_of: str) -> None:
    tasks = [
        _task_of(f"{domain} {roles}", Sight(domain, roles=roles))
        for domain in ("d1", "d2")
        for roles in (("clerk",), ("boss",), ("clerk", "boss"))
    ]
    site.fill(tasks)
    viewer = Viewer("ann", frozenset({"clerk"}), frozenset({"d1", "d2"}), frozenset({admin_of}))
    filters, order = Filters(roles=frozenset({"boss"})), Order()
    for few_rows in (0, 500):
        found = all_pages(Lists(site.engine, few_rows), viewer, filters, order, 2)
        assert found == listed(tasks, viewer, filters, order, NOW_MS)
        assert len(found) == 3


def test_an_attribute_that_is_not_kept_is_named(site: Site) -> None:
    viewer, lists = Viewer("ann", frozenset(), frozenset({"d1"})), Lists(site.engine)
    with pytest.raises(UnknownAttribute, match="size"):
        lists.page(viewer, Filters(), Order("attributes.size"), None, 1, NOW_MS)
    with pytest.raises(UnknownAttribute, match="size"):
        lists.counts(viewer, Filters(attributes=(AttributeFilter("size", "1"),)), "spec", NOW_MS)
