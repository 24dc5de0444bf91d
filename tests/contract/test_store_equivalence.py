"""The same random calls to the memory store and to a Redis store: every answer, and all that is left.

The memory store is the plain reading of the scripts, and the simulation stands on it: where the two
differ, a guarantee that the simulation shows is not one that Redis keeps.
"""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from msgspec import structs

from runner.store.calls import Change, HomeCall, Index, IndexKind, Ownership, Page, ShardCall, Verdict
from runner.store.listing import TaskFilter, list_tasks
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.tasks.source import Source
from tests.contract.conftest import NewRedisStore, memory_store
from tests.contract.samples import (
    DOMAINS,
    FUTURE,
    HOMES,
    NOW,
    OUTCOMES,
    OWNERSHIP,
    PAST,
    closed,
    due_between,
    indexes_equal_records,
    key_in,
    opened,
)
from tests.contract.subjects import Subject
from tests.servers.redis_server import LANES

SHARDS_USED: Final = 2
TASKS: Final = 3
EXAMPLES: Final = 80
OFFSETS: Final = 100

TO_OPEN: Final = {"open, overdue": PAST, "open, due later": FUTURE, "open, never due": None}
TO_CLOSED: Final = {"closed, to be removed": PAST, "closed, to be kept": FUTURE}


@dataclass(frozen=True, slots=True)
class Touch:
    """One task in a call: which, what becomes of it, and whether it is thought to be as it once was."""

    task: int
    becomes: str
    outdated: bool


@dataclass(frozen=True, slots=True)
class Home:
    """One home in a call; the base counts from its fence, the offsets from the base."""

    partition: int
    base: int
    offsets: tuple[int, ...]
    require_none_kept: bool


@dataclass(frozen=True, slots=True)
class Apply:
    """One call; the incarnation counts from the current one."""

    shard: int
    incarnation: int
    homes: tuple[Home, ...]
    tasks: tuple[Touch, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """Read some tasks and decisions: (task, partition, offset from the fence)."""

    shard: int
    reads: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class Due:
    """Ask every index what is due."""

    limit: int


@dataclass(frozen=True, slots=True)
class Turn:
    """Ask for the next page of a period, or for the first."""

    limit: int
    period: tuple[int | None, int | None]
    anew: bool


@dataclass(frozen=True, slots=True)
class Note:
    """Note a pass over a domain, and a committed offset."""

    domain: int
    to_ms: int
    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Reopen:
    """Open again: with so many more partitions, and as a topic made anew or not."""

    partitions: int
    anew: bool


Step = Apply | Load | Due | Turn | Note | Reopen

partitions = st.integers(0, HOMES - 1)
shards = st.integers(0, SHARDS_USED - 1)
touches = st.builds(
    Touch,
    st.integers(0, TASKS - 1),
    st.sampled_from([*TO_OPEN, *TO_CLOSED, *TO_CLOSED, "another epoch", "as it is", "removed", "removed"]),
    st.sampled_from([False] * 7 + [True]),
)
homes = st.builds(
    Home,
    partitions,
    st.sampled_from([0, 0, 0, 0, 1, 2, 4, -1]),
    st.lists(st.integers(0, 9), unique=True, max_size=3).map(lambda offsets: tuple(sorted(offsets))),
    st.booleans(),
)
steps = st.one_of(
    # Most steps change something; a strategy that is listed twice counts once, so five are made.
    *(
        st.builds(
            Apply,
            shards,
            st.sampled_from([0] * 14 + [1, -1]),
            st.lists(homes, unique_by=lambda home: home.partition, max_size=2).map(tuple),
            st.lists(touches, unique_by=lambda touch: touch.task, max_size=3).map(tuple),
        )
        for _ in range(5)
    ),
    st.builds(
        Load,
        shards,
        st.lists(st.tuples(st.integers(0, TASKS - 1), partitions, st.integers(-1, 12)), max_size=6).map(
            tuple
        ),
    ),
    st.builds(Due, st.integers(1, 4)),
    st.builds(
        Turn,
        st.integers(1, 3),
        st.sampled_from([(None, FUTURE), (None, None), (PAST, FUTURE), (PAST - 1, PAST), (FUTURE, FUTURE)]),
        st.booleans(),
    ),
    st.builds(Note, st.integers(0, 2), st.sampled_from([PAST, FUTURE, 0]), partitions, st.integers(0, 9)),
    st.builds(Reopen, st.integers(0, 1), st.sampled_from([False] * 7 + [True])),
)


@dataclass(slots=True)
class Twins:
    """Two stores that are told the same, and what a worker would remember of it."""

    memory: Subject
    redis: Subject
    incarnation: int = 1
    ownership: Ownership = OWNERSHIP
    cursor: str | None = None
    moment: int = NOW
    fences: dict[tuple[int, int], int] = field(default_factory=lambda: defaultdict(int))
    known: dict[TaskKey, list[Record | None]] = field(default_factory=lambda: defaultdict(lambda: [None]))

    def take(self, step: Step) -> None:
        """Do one step on both and compare the answers."""
        match step:
            case Apply():
                self._apply(step)
            case Load():
                self._load(step)
            case Due():
                self._due(step.limit)
            case Turn():
                self._turn(step)
            case Note():
                self._note(step)
            case Reopen():
                self._reopen(step)

    def compare_all(self) -> None:
        """Compare everything that is stored."""
        ours = {record.key: record for record in self.memory.records()}
        assert {record.key: record for record in self.redis.records()} == ours
        assert self.redis.all_index_entries() == self.memory.all_index_entries()
        assert indexes_equal_records(self.memory)
        wanted, page = TaskFilter(DOMAINS, HOMES), Page(1000)
        assert list_tasks(self.redis, wanted, page) == list_tasks(self.memory, wanted, page)
        for shard in range(SHARDS_USED):
            key = key_in(self.memory, shard)
            reads = [
                (key, Source(self.incarnation, partition, offset))
                for partition in range(HOMES)
                for offset in range(OFFSETS)
            ]
            kept = self.memory.load(self.incarnation, reads).kept
            assert self.redis.load(self.incarnation, reads).kept == kept

    def _key(self, shard: int, task: int) -> TaskKey:
        return key_in(self.memory, shard, task, DOMAINS[task % len(DOMAINS)])

    def _apply(self, step: Apply) -> None:
        incarnation = self.incarnation + step.incarnation
        homes = tuple(self._home(step.shard, home) for home in step.homes)
        changes = tuple(self._change(step.shard, touch) for touch in step.tasks)
        call = ShardCall(step.shard, incarnation, homes, changes)
        [verdict] = self.memory.apply([call])
        assert self.redis.apply([call]) == [verdict]
        event(verdict.value)
        if verdict is Verdict.APPLIED:
            self._remember(call)

    def _home(self, shard: int, home: Home) -> HomeCall:
        base = max(0, self.fences[shard, home.partition] + home.base)
        kept = tuple(
            (base + offset, OUTCOMES[(self.moment + offset) % len(OUTCOMES)]) for offset in home.offsets
        )
        return HomeCall(home.partition, base, kept, home.require_none_kept)

    def _change(self, shard: int, touch: Touch) -> Change:
        key = self._key(shard, touch.task)
        before = self.known[key][0 if touch.outdated else -1]
        if touch.becomes == "as it is":
            return Change(key, before, None)
        if touch.becomes == "removed":
            return Change(key, before, None, remove=True)
        return Change(key, before, self._after(key, before, touch.becomes))

    def _after(self, key: TaskKey, before: Record | None, becomes: str) -> Record:
        self.moment += 1
        source = Source(self.incarnation, self.moment % HOMES, self.moment)
        if becomes in TO_OPEN or before is None:
            started = opened(key, source, TO_OPEN.get(becomes, PAST), before)
            return (
                started
                if becomes in TO_OPEN
                else structs.replace(closed(started, source), revision=started.revision)
            )
        if becomes in TO_CLOSED:
            return closed(before, source, TO_CLOSED[becomes])
        state = msgspec.structs.replace(before.state, epoch=before.state.epoch + 1)
        return Record(key, before.revision + 1, state, before.start)

    def _remember(self, call: ShardCall) -> None:
        if call.incarnation > self.incarnation:
            self.incarnation = call.incarnation
            self.fences.clear()
        for home in call.homes:
            self.fences[call.shard, home.partition] = home.base_offset
        for change in call.changes:
            if change.remove:
                # Revisions start again: an earlier generation is what fences are for, not revisions.
                del self.known[change.key]
            elif change.after is not None:
                self.known[change.key].append(change.after)

    def _load(self, step: Load) -> None:
        reads = [
            (
                self._key(step.shard, task),
                Source(self.incarnation, partition, max(0, self.fences[step.shard, partition] + offset)),
            )
            for task, partition, offset in step.reads
        ]
        ours, theirs = (store.load(self.incarnation, reads) for store in (self.memory, self.redis))
        assert (theirs.records, theirs.kept) == (ours.records, ours.kept)

    def _due(self, limit: int) -> None:
        indexes = [
            Index(kind, domain, shard, home)
            for kind in IndexKind
            for domain in DOMAINS
            for shard in range(SHARDS_USED)
            for home in range(HOMES)
        ]
        assert self.redis.due(indexes, limit).by_index == self.memory.due(indexes, limit).by_index

    def _turn(self, step: Turn) -> None:
        page = Page(step.limit, None if step.anew else self.cursor)
        _, ours = due_between(self.memory, DOMAINS, HOMES, step.period, page)
        assert due_between(self.redis, DOMAINS, HOMES, step.period, page)[1] == ours
        self.cursor = ours.cursor

    def _note(self, step: Note) -> None:
        domain = DOMAINS[step.domain]
        for store in (self.memory, self.redis):
            store.note_timeout([domain], step.to_ms)
            store.note_committed(self.incarnation, {step.partition: step.offset})
        assert self.redis.last_timeout(domain) == self.memory.last_timeout(domain)
        assert self.redis.committed(self.incarnation) == self.memory.committed(self.incarnation)

    def _reopen(self, step: Reopen) -> None:
        topic_id = f"topic-{self.moment}" if step.anew else self.ownership.topic_id
        more = self.ownership.partitions + step.partitions
        self.ownership = replace(self.ownership, topic_id=topic_id, partitions=more)
        self.moment += 1
        ours = self.memory.open(self.ownership)
        assert self.redis.open(self.ownership) == ours
        assert self.redis.committed(ours.incarnation) == self.memory.committed(ours.incarnation)


@pytest.mark.redis
@pytest.mark.parametrize("lane", LANES)
@settings(max_examples=EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(script=st.lists(steps, min_size=30, max_size=60))
def test_the_two_stores_answer_alike(lane: str, new_redis_store: NewRedisStore, script: list[Step]) -> None:
    twins = Twins(memory_store(), new_redis_store(lane))
    assert twins.redis.open(OWNERSHIP) == twins.memory.open(OWNERSHIP)
    for step in script:
        twins.take(step)
    twins.compare_all()
