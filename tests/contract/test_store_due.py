"""What timers and a TimeoutBetween pass see of the deadline indexes."""

from collections.abc import Iterable, Iterator

import pytest

from runner.store.calls import Change, HomeCall, Index, IndexKind, Page, Verdict
from runner.tasks.due import DueTask
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.samples import (
    DOMAIN,
    DOMAINS,
    FUTURE,
    HOMES,
    PAST,
    SHARDS,
    apply,
    closed,
    deadlines,
    due_between,
    key_in,
    opened,
    removals,
    started,
)
from tests.contract.subjects import Subject

EVERYTHING = (None, FUTURE * 2)


def due_of(record: Record) -> DueTask:
    """Return what the index says of a record."""
    assert record.state.deadline_ms is not None
    return DueTask(record.key, record.state.home, record.started_by, record.state.deadline_ms)


def spread(store: Subject, count: int, deadline_ms: int, domains: Iterable[str] = (DOMAIN,)) -> list[Record]:
    """Start tasks over all shards, homes and these domains, all with one deadline."""
    return [
        started(store, opened(TaskKey(domain, f"task-{n}"), Source(1, n % HOMES, n), deadline_ms))
        for domain in domains
        for n in range(count)
    ]


def close(store: Subject, records: Iterable[Record]) -> None:
    """Close these tasks."""
    for record in records:
        change = Change(record.key, record, closed(record, Source(1, 0, 99)))
        assert apply(store, HomeCall(record.state.home, 0), change) is Verdict.APPLIED


def pages(
    store: Subject,
    limit: int,
    period: tuple[int | None, int | None] = EVERYTHING,
    domains: Iterable[str] = DOMAINS,
) -> Iterator[list[DueTask]]:
    """Walk through a period; the last page has no cursor."""
    cursor = None
    while True:
        _, page = due_between(store, list(domains), HOMES, period, Page(limit, cursor))
        yield list(page.tasks)
        if page.cursor is None:
            return
        assert len(page.tasks) == limit, "a page with a cursor is full"
        assert page.cursor != cursor, "the walk stands still"
        cursor = page.cursor


def walked(store: Subject, limit: int, period: tuple[int | None, int | None] = EVERYTHING) -> list[DueTask]:
    """Return the tasks of all pages, one after the other."""
    return [task for page in pages(store, limit, period) for task in page]


def same(tasks: Iterable[DueTask], records: Iterable[Record]) -> bool:
    """Whether these are the tasks of the records, each once, in any order."""
    found = list(tasks)
    wanted = {due_of(record) for record in records}
    return len(found) == len(wanted) and set(found) == wanted


class TestDue:
    def test_of_no_index_finds_nothing(self, store: Subject) -> None:
        assert store.due([], 10).by_index == {}

    def test_names_every_index_that_was_asked_for(self, store: Subject) -> None:
        indexes = [Index(kind, DOMAIN, shard, 0) for kind in IndexKind for shard in range(SHARDS)]
        due = store.due(indexes, 10)
        assert set(due.by_index) == set(indexes)
        assert {(found.entries, found.next_ms) for found in due.by_index.values()} == {((), None)}
        assert due.now_ms > 1_700_000_000_000

    def test_gives_what_is_due_earliest_first_and_the_moment_of_the_next(self, store: Subject) -> None:
        keys = [key_in(store, 2, n) for n in range(5)]
        moments = [PAST + 2, FUTURE + 1, PAST + 1, FUTURE, PAST]
        for n, (key, moment) in enumerate(zip(keys, moments, strict=True)):
            started(store, opened(key, Source(1, 1, n), moment))
        index = deadlines(store, keys[0], 1)
        found = store.due([index], 10).by_index[index]
        assert [score for _, score in found.entries] == [PAST, PAST + 1, PAST + 2]
        assert [member for member, _ in found.entries] == [f"1/1@{n};0;{keys[n].id}" for n in (4, 2, 0)]
        assert found.next_ms == FUTURE

    def test_gives_no_more_than_the_limit_and_says_that_more_is_due(self, store: Subject) -> None:
        for n in range(5):
            started(store, opened(key_in(store, 2, n), Source(1, 1, n), PAST + n))
        index = deadlines(store, key_in(store, 2), 1)
        found = store.due([index], 3).by_index[index]
        assert [score for _, score in found.entries] == [PAST, PAST + 1, PAST + 2]
        assert found.next_ms == PAST + 3
        exactly = store.due([index], 5).by_index[index]
        assert (len(exactly.entries), exactly.next_ms) == (5, None)

    def test_knows_the_next_where_nothing_is_due(self, store: Subject) -> None:
        record = started(store, opened(key_in(store, 2), Source(1, 1, 0), FUTURE))
        index = deadlines(store, record.key, 1)
        found = store.due([index], 3).by_index[index]
        assert (found.entries, found.next_ms) == ((), FUTURE)

    def test_gives_closed_tasks_at_the_end_of_their_retention(self, store: Subject) -> None:
        over, kept = (started(store, opened(key_in(store, 1, n), Source(1, 0, n))) for n in range(2))
        for record, moment in ((over, PAST), (kept, FUTURE)):
            change = Change(record.key, record, closed(record, Source(1, 0, 9), moment))
            assert apply(store, HomeCall(0, 0), change) is Verdict.APPLIED
        index = removals(store, over.key, 0)
        found = store.due([index, deadlines(store, over.key, 0)], 10).by_index
        assert found[index].entries == ((f"2;{over.key.id}", PAST),)
        assert found[index].next_ms == FUTURE
        assert found[deadlines(store, over.key, 0)].entries == ()

    def test_tells_homes_domains_and_shards_apart(self, store: Subject) -> None:
        records = spread(store, 60, PAST, DOMAINS)
        indexes = list(dict.fromkeys(deadlines(store, record.key, record.state.home) for record in records))
        assert len(indexes) == len(DOMAINS) * SHARDS * HOMES
        found = store.due(indexes, 1000).by_index
        for index in indexes:
            wanted = {
                due_of(record).member
                for record in records
                if deadlines(store, record.key, record.state.home) == index
            }
            assert {member for member, _ in found[index].entries} == wanted


class TestDueBetween:
    @pytest.mark.parametrize("limit", [1, 2, 7, 89, 90, 91, 1000])
    def test_pages_are_complete_and_without_doubles(self, store: Subject, limit: int) -> None:
        records = spread(store, 15, PAST, DOMAINS) + [
            started(store, opened(TaskKey(DOMAIN, f"late-{n}"), Source(1, n % HOMES, n), PAST + n % 5))
            for n in range(45)
        ]
        assert same(walked(store, limit), records)

    @pytest.mark.parametrize("limit", [1, 3, 50])
    def test_pages_through_many_entries_of_one_moment(self, store: Subject, limit: int) -> None:
        ids = ["", "x", "xx", "é", "ß", "任", "Z", "z", "\n", "\0", "{", "\U0001f5c2", *map(str, range(60))]
        in_one_shard = [key_in(store, 0, n) for n in range(20)]
        records = [
            started(store, opened(key, Source(1, 0, n % 12), PAST))
            for n, key in enumerate([*in_one_shard, *(TaskKey(DOMAIN, id_) for id_ in ids)])
        ]
        assert same(walked(store, limit), records)

    def test_from_is_exclusive_and_to_inclusive(self, store: Subject) -> None:
        records = [started(store, opened(key_in(store, 0, n), Source(1, 0, n), PAST + n)) for n in range(5)]
        assert same(walked(store, 2, (PAST + 1, PAST + 3)), records[2:4])
        assert same(walked(store, 2, (PAST + 3, PAST + 3)), [])
        assert same(walked(store, 2, (None, PAST)), records[:1])

    def test_to_is_now_where_it_is_not_given(self, store: Subject) -> None:
        past = started(store, opened(key_in(store, 0), Source(1, 0, 0), PAST))
        started(store, opened(key_in(store, 0, 1), Source(1, 0, 1), FUTURE))
        now_ms, page = due_between(store, [DOMAIN], HOMES, (None, None), Page(10))
        assert same(page.tasks, [past])
        assert page.cursor is None
        assert now_ms > 1_700_000_000_000

    def test_sees_only_the_domains_and_homes_that_were_asked_for(self, store: Subject) -> None:
        records = spread(store, 12, PAST, DOMAINS)
        wanted = [r for r in records if r.key.domain in DOMAINS[1:] and r.state.home < 2]
        _, page = due_between(store, DOMAINS[1:], 2, EVERYTHING, Page(1000))
        assert same(page.tasks, wanted)
        assert due_between(store, [], 2, EVERYTHING, Page(1000))[1].tasks == ()

    def test_sees_no_closed_task_and_none_without_deadline(self, store: Subject) -> None:
        records = spread(store, 6, PAST)
        close(store, records[:3])
        started(store, opened(key_in(store, 0, 50), Source(1, 0, 0), None))
        assert same(walked(store, 2), records[3:])

    @pytest.mark.parametrize("limit", [1, 4, 30])
    def test_entries_that_go_between_pages_hide_no_other(self, store: Subject, limit: int) -> None:
        """As a pass does: what it was given is timed out while it goes on."""
        records = {due_of(record): record for record in spread(store, 60, PAST, DOMAINS[:2])}
        seen: list[DueTask] = []
        for page in pages(store, limit):
            close(store, [records[task] for task in page])
            seen += page
        assert same(seen, records.values())

    @pytest.mark.parametrize("limit", [1, 4, 30])
    def test_entries_that_go_before_they_are_reached_are_not_given(self, store: Subject, limit: int) -> None:
        records = {due_of(record): record for record in spread(store, 60, PAST)}
        order = walked(store, 1000)
        seen: list[DueTask] = []
        for page in pages(store, limit):
            seen += page
            ahead = [task for task in order if task in records and task not in seen][1::2]
            close(store, [records.pop(task) for task in ahead])
        assert same(seen, records.values())

    def test_entries_that_come_behind_the_cursor_wait_for_the_next_pass(self, store: Subject) -> None:
        records = [
            started(store, opened(key_in(store, 0, n), Source(1, 0, n), PAST + n)) for n in range(1, 4)
        ]
        walk = pages(store, 2)
        seen = next(walk)
        started(store, opened(key_in(store, 0, 9), Source(1, 0, 9), PAST))
        seen += [task for page in walk for task in page]
        assert same(seen, records)

    def test_a_home_that_is_added_between_pages_moves_nothing(self, store: Subject) -> None:
        records = spread(store, 30, PAST, DOMAINS)
        _, first = due_between(store, DOMAINS, HOMES, EVERYTHING, Page(37))
        _, rest = due_between(store, DOMAINS, HOMES + 5, EVERYTHING, Page(1000, first.cursor))
        assert same([*first.tasks, *rest.tasks], records)

    def test_a_domain_that_goes_between_pages_moves_nothing(self, store: Subject) -> None:
        records = spread(store, 30, PAST, DOMAINS)
        _, first = due_between(store, DOMAINS, HOMES, EVERYTHING, Page(3))
        reached = first.tasks[-1].key.domain
        left = [domain for domain in DOMAINS if domain != reached]
        _, rest = due_between(store, left, HOMES, EVERYTHING, Page(1000, first.cursor))
        found = [task for task in (*first.tasks, *rest.tasks) if task.key.domain in left]
        assert same(found, [record for record in records if record.key.domain in left])

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "[]",
            "{}",
            '[-1,"approvals",0,1,"m"]',
            "[0]",
            "[0,1,2,3,4]",
            "[" * 100,
            '["0","a",0,1,"m"]',
        ],
    )
    def test_a_cursor_from_elsewhere_begins_from_the_start(self, store: Subject, cursor: str) -> None:
        records = spread(store, 10, PAST)
        _, page = due_between(store, [DOMAIN], HOMES, EVERYTHING, Page(1000, cursor))
        assert same(page.tasks, records)

    @pytest.mark.parametrize(
        "cursor",
        [
            '[0,"approvals",0,1,"no member"]',
            '[99,"approvals",0,1,"m"]',
            '[0,"",-5,-9000000000000000,""]',
            '[3,"zzz",99999999,9000000000000000,"\\u0000"]',
        ],
    )
    def test_a_cursor_that_was_made_up_breaks_nothing(self, store: Subject, cursor: str) -> None:
        records = {due_of(record) for record in spread(store, 10, PAST)}
        _, page = due_between(store, [DOMAIN], HOMES, EVERYTHING, Page(1000, cursor))
        assert set(page.tasks) <= records
        assert len(set(page.tasks)) == len(page.tasks)


class TestLastTimeout:
    def test_is_none_at_first(self, store: Subject) -> None:
        assert store.last_timeout(DOMAIN) is None

    def test_is_noted_by_domain(self, store: Subject) -> None:
        store.note_timeout(DOMAINS[:2], FUTURE)
        assert [store.last_timeout(domain) for domain in DOMAINS] == [FUTURE, FUTURE, None]

    def test_of_no_domain_notes_nothing(self, store: Subject) -> None:
        store.note_timeout([], FUTURE)
        assert store.last_timeout(DOMAIN) is None

    def test_never_moves_back(self, store: Subject) -> None:
        store.note_timeout([DOMAIN], PAST)
        store.note_timeout(DOMAINS, PAST - 1)
        assert [store.last_timeout(domain) for domain in DOMAINS[:2]] == [PAST, PAST - 1]
        store.note_timeout([DOMAIN], FUTURE)
        assert store.last_timeout(DOMAIN) == FUTURE

    @pytest.mark.parametrize("to_ms", [0, -1, -FUTURE])
    def test_may_lie_before_the_epoch(self, store: Subject, to_ms: int) -> None:
        store.note_timeout([DOMAIN], to_ms)
        assert store.last_timeout(DOMAIN) == to_ms
