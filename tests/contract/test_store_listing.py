"""Lists of tasks: all that fit, once, in one order, page after page, while tasks come and go."""

from collections.abc import Iterable
from itertools import count

import msgspec
import pytest

from runner.store.calls import Change, HomeCall, Index, IndexKind, Page, Verdict
from runner.store.listing import BadCursor, TaskFilter, TaskPage, list_tasks
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    DOMAINS,
    FUTURE,
    HOMES,
    ODD_IDS,
    PAST,
    apply,
    closed,
    indexes_equal_records,
    opened,
    started,
)
from tests.contract.subjects import Subject

ALL = TaskFilter(DOMAINS, HOMES)


def filled(store: Subject, moments: Iterable[int | None], domain: str = DOMAIN) -> list[TaskKey]:
    """Start a task for each deadline, on the homes in turn; the keys in their order."""
    keys = []
    for number, deadline_ms in enumerate(moments):
        record = opened(TaskKey(domain, f"task-{number:03}"), Source(1, number % HOMES, number), deadline_ms)
        keys.append(started(store, record).key)
    return keys


def end(
    store: Subject, key: TaskKey, status: Status = Status.PROCEEDED, remove_at_ms: int = FUTURE
) -> Record:
    """Close a task."""
    [record] = store.records_of([key])
    assert record is not None
    ended = closed(record, Source(1, record.state.home, 10_000), remove_at_ms)
    state = msgspec.structs.replace(ended.state, status=status)
    ended = Record(key, ended.revision, state, ended.start)
    assert apply(store, HomeCall(record.state.home, 0), Change(key, record, ended)) is Verdict.APPLIED
    return ended


def keys_of(page: TaskPage) -> list[TaskKey]:
    return [row.record.key for row in page.rows]


def pages(store: Subject, wanted: TaskFilter, limit: int, most: int = 1000) -> list[list[TaskKey]]:
    found, cursor = [], None
    for turn in count():
        page = list_tasks(store, wanted, Page(limit, cursor), most)
        found.append(keys_of(page))
        cursor = page.cursor
        if cursor is None:
            return found
        assert turn < 1000, "no end"
    raise AssertionError


def test_of_nothing_is_empty(store: Subject) -> None:
    assert list_tasks(store, ALL, Page(10)) == TaskPage((), None)


def test_every_task_stands_in_one_order_by_what_happens_to_it_next(store: Subject) -> None:
    keys = filled(store, [FUTURE + 2, PAST, None, FUTURE + 1, FUTURE, PAST + 5, None])
    end(store, keys[3], remove_at_ms=FUTURE + 9)
    end(store, keys[1], remove_at_ms=FUTURE + 8)
    expected = [keys[n] for n in (5, 4, 0)] + [keys[n] for n in (2, 6)] + [keys[n] for n in (1, 3)]
    whole = list_tasks(store, ALL, Page(100))
    assert whole.cursor is None
    assert set(keys_of(whole)[3:5]) == {keys[2], keys[6]}  # started in the same millisecond
    assert [key for key in keys_of(whole) if key not in (keys[2], keys[6])] == [
        key for key in expected if key not in (keys[2], keys[6])
    ]
    assert indexes_equal_records(store)


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 50])
def test_pages_hold_every_task_once_and_in_the_order_of_the_whole(store: Subject, limit: int) -> None:
    """Many of one moment, over all shards, homes and domains, and more than one reading of an index."""
    keys = filled(store, [FUTURE + number // 20 for number in range(60)])
    keys += filled(store, [FUTURE] * 15, DOMAINS[1])
    whole = keys_of(list_tasks(store, ALL, Page(1000)))
    assert len(whole) == len(keys)
    assert set(whole) == set(keys)
    split = pages(store, ALL, limit)
    assert [key for page in split for key in page] == whole
    assert all(len(page) == limit for page in split[:-1])


def test_each_row_gives_the_cursor_that_goes_on_after_it(store: Subject) -> None:
    filled(store, [FUTURE, None, FUTURE + 1, None, PAST])
    whole = list_tasks(store, ALL, Page(100)).rows
    for number, row in enumerate(whole):
        rest = list_tasks(store, ALL, Page(100, row.cursor))
        assert rest.rows == whole[number + 1 :]


def test_tasks_that_come_and_go_between_two_pages_move_nothing_else(store: Subject) -> None:
    keys = filled(store, [FUTURE + number for number in range(9)])
    first = list_tasks(store, ALL, Page(4))
    assert keys_of(first) == keys[:4]
    end(store, keys[0])
    end(store, keys[3])  # the one the cursor names
    end(store, keys[6])
    late = started(store, opened(TaskKey(DOMAIN, "late"), Source(1, 0, 99), FUTURE + 5)).key
    started(store, opened(TaskKey(DOMAIN, "early"), Source(1, 0, 100), PAST))
    rest = keys_of(
        list_tasks(store, TaskFilter(DOMAINS, HOMES, frozenset({Status.OPEN})), Page(100, first.cursor))
    )
    assert sorted(rest) == sorted([keys[4], keys[5], late, keys[7], keys[8]])


def test_states_and_domains_are_chosen(store: Subject) -> None:
    keys = filled(store, [FUTURE, FUTURE, None, FUTURE])
    other = filled(store, [FUTURE], DOMAINS[1])
    end(store, keys[0], Status.PROCEEDED)
    end(store, keys[1], Status.TIMED_OUT)

    def listed(*statuses: Status, domains: Iterable[str] = DOMAINS) -> set[TaskKey]:
        wanted = TaskFilter(tuple(domains), HOMES, frozenset(statuses))
        return set(keys_of(list_tasks(store, wanted, Page(100))))

    assert listed(Status.OPEN) == {keys[2], keys[3], *other}
    assert listed(Status.PROCEEDED) == {keys[0]}
    assert listed(Status.TIMED_OUT) == {keys[1]}
    assert listed(Status.TIMED_OUT, Status.OPEN, domains=[DOMAIN]) == {keys[1], keys[2], keys[3]}
    assert listed(*Status, domains=[DOMAINS[1]]) == set(other)
    assert listed(*Status, domains=["another"]) == set()


def test_overdue_are_the_open_tasks_with_an_earlier_deadline(store: Subject) -> None:
    keys = filled(store, [PAST, FUTURE, None, PAST + 1, PAST + 2, PAST + 3])
    end(store, keys[0])
    wanted = TaskFilter(DOMAINS, HOMES, due_before_ms=PAST + 3)
    assert keys_of(list_tasks(store, wanted, Page(100))) == [keys[3], keys[4]]
    assert pages(store, wanted, 1) == [[keys[3]], [keys[4]]]
    closed_only = TaskFilter(DOMAINS, HOMES, frozenset({Status.PROCEEDED}), PAST + 3)
    assert keys_of(list_tasks(store, closed_only, Page(100))) == []


def test_a_page_stops_looking_and_the_next_goes_on(store: Subject) -> None:
    """However few tasks are of the state that was asked for."""
    keys = filled(store, [FUTURE] * 30)
    for number, key in enumerate(keys):
        end(store, key, Status.TIMED_OUT if number == 25 else Status.PROCEEDED, FUTURE + number)
    wanted = TaskFilter(DOMAINS, HOMES, frozenset({Status.TIMED_OUT}))
    first = list_tasks(store, wanted, Page(2), max_examined=10)
    assert first.rows == ()
    assert first.cursor is not None
    assert [key for page in pages(store, wanted, 2, most=10) for key in page] == [keys[25]]


@pytest.mark.parametrize("task_id", ODD_IDS.values(), ids=ODD_IDS)
@pytest.mark.parametrize("deadline_ms", [FUTURE, None])
def test_any_id_may_stand_in_a_cursor(store: Subject, task_id: str, deadline_ms: int | None) -> None:
    started(store, opened(TaskKey(DOMAIN, task_id), Source(1, 0, 0), deadline_ms))
    page = list_tasks(store, ALL, Page(10))
    assert [key.id for key in keys_of(page)] == [task_id]
    assert list_tasks(store, ALL, Page(10, page.rows[0].cursor)).rows == ()


@pytest.mark.parametrize("text", ["", "x", "bm9uc2Vuc2U", "[]", "ä", "WyJkZWFkbGluZXMiLDEsImEiLDAsMCwiIl0"])
def test_what_is_no_cursor_is_refused(store: Subject, text: str) -> None:
    with pytest.raises(BadCursor):
        list_tasks(store, ALL, Page(10, text))


def test_the_moments_of_single_entries_are_told(store: Subject) -> None:
    dated, undated = filled(store, [FUTURE, None])
    entries = {(index, member): moment for index, member, moment in store.all_index_entries()}
    nowhere = Index(IndexKind.REMOVALS, DOMAIN, 0, 0)
    asked = [*entries, (nowhere, "1;none")]
    assert store.scores(asked) == [*entries.values(), None]
    assert len(entries) == len({dated, undated})
    assert store.scores([]) == []
