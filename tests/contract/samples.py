"""Tasks and calls to try a store with. Moments lie far from now: PAST is due, FUTURE is not."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from runner.actions.decision import ACK, Done, Dropped, Forwarded, Outcome, Refused
from runner.store import paging
from runner.store.calls import Change, HomeCall, Index, IndexKind, Ownership, Page, ShardCall, Verdict
from runner.store.indexing import entries_of
from runner.tasks.due import DuePage
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Ending, Status, TaskStart, TaskState
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.subjects import Subject

SHARDS: Final = 4
HOMES: Final = 3
PAST: Final = 1_000_000
FUTURE: Final = 4_000_000_000_000
NOW: Final = 1_795_000_000_000
DOMAIN: Final = "approvals"
DOMAINS: Final = (DOMAIN, "a:domain", "a%3Adomain")
OWNERSHIP: Final = Ownership("cluster-1", "requests", "topic-1", "group-1", HOMES)

ODD_IDS: Final = {
    "a space": "req 1:step 20",
    "braces": "{req}-{0}{}:step",
    "a closing brace first": "}{",
    "colons": ":a::b:task:c:",
    "newlines": "one\ntwo\r\nthree\n",
    "a null": "nul\0nul",
    "a tab and quotes": "\t\"'\\",
    "other scripts": "задача-任務-🗂",
    "semicolons as in an index entry": "1/2@3;4;5;six",
    "4 KB": "x" * 4096,
    "4 KB of three bytes each": "任" * 1365,
    "a glob": "*?[a-z]*",
}

OUTCOMES: Final[tuple[Outcome, ...]] = (
    Done(NOW, ACK, result={"task": {"partition": 2, "timeout": FUTURE}}),
    Done(NOW, written={"life": b"{}", "comment/1": b"\x00", "history/1": None}),
    Done(NOW, resumed=Status.PROCEEDED, has_output=True),
    Done(NOW, None, Status.TIMED_OUT),
    Done(NOW, has_output=True),
    Refused(NOW, 10118, "there is no task 'ключ\n\x00'", ignored=False),
    Refused(NOW, 14, "", ignored=True),
    Done(NOW),
    Forwarded(11),
    Dropped(),
    Dropped("the resumed event would be too large"),
)


def key_in(store: Subject, shard: int, number: int = 0, domain: str = DOMAIN) -> TaskKey:
    """Return the key of a task that lies in a shard; another one for another number."""
    ids = (f"task-{n}" for n in range(1_000_000))
    fitting = (task_id for task_id in ids if store.shard(task_id) == shard)
    return TaskKey(domain, next(task_id for n, task_id in enumerate(fitting) if n == number))


def opened(
    key: TaskKey, source: Source, deadline_ms: int | None = FUTURE, before: Record | None = None
) -> Record:
    """Return an open record as StartTask makes it, of the next revision."""
    state = TaskState(
        status=Status.OPEN,
        home=source.partition,
        source=str(source),
        created_ms=NOW,
        deadline_ms=deadline_ms,
        user="ann",
        roles=("clerk", "manager"),
    )
    start = TaskStart(
        event=msgspec.Raw(
            b'{"requestMeta":{"id":"%d"},"payload":{"large":"%s"}}' % (source.offset, b"x" * 99)
        ),
        data=msgspec.Raw(b'{"list":[],"number":12345678901234567890}'),
        name="approve",
        headers=(("traceparent", "00-1-2-03"),),
    )
    return Record(key, 1 if before is None else before.revision + 1, state, start)


def closed(record: Record, source: Source, remove_at_ms: int = FUTURE) -> Record:
    """Return the record after an event closed it."""
    closing = Ending(str(source), "an-identity", NOW, remove_at_ms)
    state = msgspec.structs.replace(record.state, status=Status.PROCEEDED, closing=closing)
    return msgspec.structs.replace(record, revision=record.revision + 1, state=state)


def call_of(
    store: Subject,
    home: HomeCall | Iterable[HomeCall],
    *changes: Change,
    incarnation: int = 1,
    shard: int | None = None,
    shard_token: str = "",
) -> ShardCall:
    """Return one call; its shard is that of the first task."""
    homes = (home,) if isinstance(home, HomeCall) else tuple(home)
    at = store.shard(changes[0].key.id) if shard is None else shard
    return ShardCall(at, incarnation, homes, changes, shard_token=shard_token)


def apply(
    store: Subject,
    home: HomeCall | Iterable[HomeCall],
    *changes: Change,
    incarnation: int = 1,
    shard: int | None = None,
) -> Verdict:
    """Apply one call and return its verdict."""
    [verdict] = store.apply([call_of(store, home, *changes, incarnation=incarnation, shard=shard)])
    return verdict


def started(store: Subject, record: Record) -> Record:
    """Store a new record, without a decision, at base 0 of its home."""
    assert apply(store, HomeCall(record.state.home, 0), Change(record.key, None, record)) is Verdict.APPLIED
    return record


def kept_at(
    store: Subject, shard: int, partition: int, offsets: Iterable[int], incarnation: int = 1
) -> set[int]:
    """Return at which of these offsets of a home a decision is kept in a shard."""
    key = key_in(store, shard)
    reads = [(key, Source(incarnation, partition, offset)) for offset in offsets]
    return {source.offset for source in store.load(incarnation, reads).kept}


def deadlines(store: Subject, key: TaskKey, home: int) -> Index:
    """Return the deadline index of a task."""
    return Index(IndexKind.DEADLINES, key.domain, store.shard(key.id), home)


def removals(store: Subject, key: TaskKey, home: int) -> Index:
    """Return the removal index of a task."""
    return Index(IndexKind.REMOVALS, key.domain, store.shard(key.id), home)


def due_between(
    store: Subject,
    domains: Sequence[str],
    homes: int,
    period: tuple[int | None, int | None],
    page: Page,
) -> tuple[int, DuePage]:
    """Return the time of the store, and a page of what is due in a period; no end: now."""
    now_ms = store.load(0, []).now_ms
    bounds = (period[0], now_ms if period[1] is None else period[1])
    return now_ms, paging.due_between(store, domains, homes, bounds, page)


def indexes_equal_records(store: Subject) -> bool:
    """Whether there is an entry for what the records say, and no other."""
    records = store.records()
    wanted = {entry for record in records for entry in entries_of(record, store.shard(record.key.id))}
    return store.all_index_entries() == wanted


def one_call_of_each_kind(store: Subject, number: int = 0) -> Record:
    """Start a task and ask everything a worker asks; return the record."""
    assert store.open(OWNERSHIP).incarnation == 1
    assert store.exists()
    record = started(store, opened(key_in(store, 1, number), Source(1, 0, number), PAST + number))
    assert store.load(1, [(record.key, Source(1, 0, 0))]).records == {record.key: record}
    index = deadlines(store, record.key, 0)
    assert (f"1/0@{number};0;{record.key.id}", PAST + number) in store.due([index], 100).by_index[
        index
    ].entries
    _, page = due_between(store, [DOMAIN], HOMES, (PAST - 1, FUTURE), Page(1))
    assert page.cursor is not None
    due_between(store, [DOMAIN], HOMES, (PAST - 1, FUTURE), Page(100, page.cursor))
    store.note_timeout([DOMAIN], PAST + number)
    assert store.last_timeout(DOMAIN) == PAST + number
    store.note_committed(1, {0: number})
    assert store.committed(1)[0] == number
    return record
