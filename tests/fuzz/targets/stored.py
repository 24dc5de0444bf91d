"""Any bytes where Redis, the changelog or a header has what a runner wrote: read, or a clear error.

what it stands for, then the bytes
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from runner.actions.decision import ACK, Done, Dropped, Forwarded, Refused, decode_outcome, encode_outcome
from runner.actions.plan import TaskPlan
from runner.actions.registry import decide, plan, replay
from runner.actions.render import Renderer
from runner.actions.timer_token import parse_token
from runner.changelog.codec import changelog_key, encode_entry, entry_headers, read_entry
from runner.errors import ChangelogUnreadable, EventError, StoreUnreadable
from runner.store.calls import Index, IndexKind, Page
from runner.store.indexing import parse_removal, task_id_of
from runner.store.listing import BadCursor, TaskFilter, list_tasks
from runner.store.paging import due_between
from runner.store.versions import revision_of
from runner.tasks.due import parse_member
from runner.tasks.keys import TaskKey
from runner.tasks.parts import Status, encode_part
from runner.tasks.record import Record, read_record
from runner.tasks.source import parse_source
from runner.testing.memory_store import MemoryStore
from tests.fuzz.documented import check_refusal, check_said
from tests.fuzz.draw import Draw
from tests.fuzz.target import Target
from tests.fuzz.targets.decide import RECORDS
from tests.unit.actions.events import NOW, OUTLET, POLICY, proceed, start, timeout

RENDERER: Final = Renderer(POLICY, OUTLET)
INDEXES: Final = tuple(Index(kind, "orders", 0, 0) for kind in IndexKind)
EVENTS: Final = (start(), proceed(), timeout())
STATE, START = (encode_part(RECORDS[2].state), encode_part(RECORDS[2].start)) if RECORDS[2] else (b"", b"")


def check(data: bytes) -> None:
    """Read the bytes as what they stand for; what can be read is also used."""
    draw = Draw(data)
    way = draw.of(WAYS)
    try:
        way(draw.rest())
    except EventError as error:
        check_refusal(error)
    except (StoreUnreadable, ChangelogUnreadable) as error:
        check_said(error)
    except BadCursor:
        pass


def state(data: bytes) -> None:
    use(read_record(TaskKey("orders", "task-1"), 3, data, START))


def begin(data: bytes) -> None:
    use(read_record(TaskKey("orders", "task-1"), 3, STATE, data))


def life(data: bytes) -> None:
    """What verbs have done, as Redis has it."""
    use(read_record(TaskKey("orders", "task-1"), 3, STATE, START, data, {"comment/1": data}))


def entry(data: bytes) -> None:
    record = read_entry(data).record
    changelog_key(record.key), entry_headers(record)
    use(record)


def use(record: Record) -> None:
    """Do with a record what a worker does."""
    back = read_record(record.key, record.revision, encode_part(record.state), encode_part(record.start))
    assert back.state == record.state
    assert read_entry(encode_entry(record)).record.state == record.state
    assert record.started_by.offset is not None
    for one in EVENTS:
        asked = plan(one, POLICY)
        assert isinstance(asked, TaskPlan)
        decide(asked, record, NOW, POLICY, RENDERER)


def outcome(data: bytes) -> None:
    kept = decode_outcome(data)
    assert decode_outcome(encode_outcome(kept)) == kept
    for one in EVENTS:
        asked = plan(one, POLICY)
        assert isinstance(asked, TaskPlan)
        replay(asked, RECORDS[2], kept, RENDERER)


def members(data: bytes) -> None:
    """Entries of an index, as Redis gives them."""
    text = data.decode("utf-8", "ignore")
    for read in (
        lambda: parse_member(text, "orders", 0, NOW).member,
        lambda: parse_removal(INDEXES[2], text),
        *(lambda index=index: task_id_of(index, text) for index in INDEXES),
        lambda: revision_of(text),
    ):
        attempt(read)


def attempt(read: Callable[[], Any]) -> None:
    try:
        read()
    except (StoreUnreadable, EventError) as error:
        check_said(error)


def marks(data: bytes) -> None:
    """What stands in headers of the runner's own messages."""
    text = data.decode("utf-8", "ignore")
    mark = parse_token(text)
    assert mark is None or parse_token(str(mark)) == mark
    assert parse_source(str(parse_source(text))) == parse_source(text)


def cursors(data: bytes) -> None:
    """Where a list, or a period, goes on."""
    text = data.decode("utf-8", "ignore")

    due_between(MemoryStore(lambda: NOW, 4), ["orders"], 4, (None, NOW), Page(3, text))
    list_tasks(MemoryStore(lambda: NOW, 4), TaskFilter(["orders"], 4), Page(3, text))


WAYS: Final[tuple[Callable[[bytes], None], ...]] = (
    state,
    begin,
    life,
    entry,
    outcome,
    members,
    marks,
    cursors,
)


def seeds() -> Iterable[bytes]:
    """Everything a runner writes there, and nearly that."""
    deep = b"[" * 3000
    for record in RECORDS:
        if record is not None:
            yield b"\x00" + encode_part(record.state)
            yield b"\x01" + encode_part(record.start)
            yield b"\x02" + encode_entry(record)
    for kept in (
        Done(NOW, ACK),
        Done(NOW, ACK),
        Done(NOW, resumed=Status.PROCEEDED, has_output=True),
        Done(NOW, None, Status.TIMED_OUT),
        Done(NOW, has_output=True),
        Refused(NOW, 10118, "there is none", ignored=False),
        Done(NOW),
        Forwarded(2),
        Dropped("why"),
    ):
        yield b"\x03" + encode_outcome(kept)
    for text in (b"1/0@10;0;task-1", b"3;task-1", b"task-1", b"1;1;1", b"9" * 4400, b"1/0@1;1800000000000;0"):
        yield b"\x04" + text
        yield b"\x05" + text
    yield b"\x06" + msgspec.json.encode([1, "orders", 2, NOW, "1/0@1;0;t"])
    yield b"\x06" + b"WyJkZWFkbGluZXMiLDEsIm9yZGVycyIsMCwwLCIxLzBAMTswO3QiXQ"
    for way in range(len(WAYS)):
        yield bytes([way]) + deep
        yield bytes([way]) + b'{"event":' + deep
        yield bytes([way]) + b'{"event":3,"data":"\xff"}'


WORDS: Final = """
    "status":"OPEN" "PROCEEDED" "TIMED_OUT" "home": "source":" "created_ms": "deadline_ms": "epoch": "user":
    "roles":[ "closing": "identity":" "at_ms": "remove_at_ms": "event":{ "data": "headers":[[ "format":1
    "revision": deadlines removals undated
"""
TARGET: Final = Target(
    "stored",
    "any bytes where Redis, the changelog or a header has what a runner wrote",
    check,
    seeds,
    WORDS,
)
