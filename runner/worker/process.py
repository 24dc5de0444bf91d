"""The middle of the worker: a batch of messages becomes changes in the store and messages to send.

Steps 2 to 5 of the loop, without Kafka: decode, load, decide, apply. What it returns has been
applied; the loop delivers it and commits. If that fails, the same messages come again and find
their kept decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from runner.actions.decision import Acknowledged, Closed, Decision, Dropped, Emit, Outcome
from runner.actions.incoming import TIMER
from runner.actions.plan import PeriodPlan, SettledPlan, TaskPlan
from runner.actions.policy import Outlet
from runner.actions.registry import (
    PERIOD_ACTIONS,
    TASK_ACTIONS,
    TIMEOUT_BETWEEN,
    decide,
    refuse,
    replay,
    settle,
)
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.actions.timer_mark import parse_mark
from runner.clock import Ticker, monotonic_seconds
from runner.envelope.limits import WIDEST
from runner.errors import EventError, StoreLost, StoreUnavailable, Superseded
from runner.store.calls import Change, HomeCall, Loaded, Page, ShardCall, Store, Verdict, Whole
from runner.tasks.due import DueTask
from runner.tasks.record import Record, TaskKey
from runner.worker.ahead import Ahead
from runner.worker.assignment import Batch
from runner.worker.dead_letters import DeadLetterBox
from runner.worker.event_log import Message
from runner.worker.feed import Feed
from runner.worker.intake import Intake, Item, Terms, conclude, limit_poison
from runner.worker.processed import Processed
from runner.worker.progress import Progress
from runner.worker.room import Room
from runner.worker.second_look import let_pass

MAX_ATTEMPTS: Final = 30
"""How often a shard is decided again: every conflict means that somebody else got on."""

SENT_TO_READ: Final = 4
"""How much more may be sent than read: a reply, a resumed event and the task feed have the event in them."""

EMITS_BEFORE_PERIOD: Final = 10_000
"""With so much to send, a pass over a period, which sends a chunk of its own, waits for the next batch."""

UNANSWERABLE: Final = "UNANSWERABLE"
"""Why an event is a dead letter although it can be read: not even a FAIL can be delivered."""

DEAD: Final = "DEAD"
"""Status of a decision that only makes a dead letter."""

_COUNTED: Final = frozenset({*TASK_ACTIONS, TIMEOUT_BETWEEN})

Lap = Callable[[str], object]
"""Told when a part of the loop ends, for the split of its time."""

Send = Callable[[Sequence[Emit]], object]
"""Puts messages on their way before the batch is through."""


class ShardedStore(Store, Protocol):
    """A store that says where a task lies."""

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        ...


class Process:
    """Processes batches against one store. Keeps nothing between batches but what was decoded ahead."""

    def __init__(
        self,
        terms: Terms,
        store: ShardedStore,
        outlet: Outlet,
        dead_letters: str,
        feed: Feed | None = None,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``feed`` gets every change of a task; None: nobody does."""
        self.ahead = Ahead(terms, ticker)
        """For whoever waits between two batches."""
        self._ticker = ticker
        self._terms = terms
        self._store = store
        self._outlet = outlet
        self._dead_letters = dead_letters
        self._feed = feed
        self._keeps_marks = feed is not None and feed.restores
        self._renderer = Renderer(terms.policy, outlet)
        self._again = Renderer(terms.policy.within(WIDEST), outlet)
        """For what was decided before, perhaps within other limits."""

    def run(
        self, batch: Batch, runs: Mapping[int, int], lap: Lap = lambda _: None, send: Send | None = None
    ) -> Processed:
        """Return what a batch came to, applied; of its messages those that were not sent on the way.

        ``runs`` are the consecutive poison messages before it, by home. Raises StoreUnavailable,
        Superseded, or what ``send`` does: nothing of the batch may be delivered then.
        """
        progress, items = Progress(batch), list[Item]()
        done = Processed(items)
        intake = Intake(_by_home(batch), self._terms, self._room(1), self.ahead.hand_over)
        counted = dict(runs)
        while not intake.is_over:
            if send is not None and done.emits:
                emits, done.emits = done.emits, []
                send(emits)
            taken = intake.take()
            let_pass(taken, self._terms, self._store, self._whole(progress))
            limit_poison(taken, progress, counted, self._terms.poison_limit)
            lap("decode")
            self._settle_tasks(taken, progress, intake, lap)
            self._finish_all(taken, progress, done)
            lap("decide")
            items += taken
        progress.leave(intake.left)
        done.now_ms, done.conflicts = progress.now_ms, progress.conflicts
        conclude(batch.messages, items, progress, runs, self._terms.poison_limit, done)
        lap("decide")
        return done

    def _settle_tasks(self, items: list[Item], progress: Progress, intake: Intake, lap: Lap) -> None:
        """Load, decide and apply until every shard has taken its call."""
        progress.reach(item.message for item in items)
        asked = Asked.of(items)
        whole = self._whole(progress)
        # Where marks are kept, every shard is told in the end how far the batch goes: what it lacks
        # shows by that.
        is_last = intake.is_over
        everywhere = set(range(self._store.shards)) if self._keeps_marks and is_last else set()
        for attempt in range(MAX_ATTEMPTS):
            reads = [(each.plan.key, each.item.source) for each in asked]
            loaded = self._store.load(self._terms.incarnation, reads, whole, intake.look_ahead)
            progress.now_ms = loaded.now_ms
            progress.read(loaded.notes)
            lap("load")
            # What was applied in the first attempt is done; only that one may leave something out.
            room = self._room(SENT_TO_READ) if attempt == 0 else None
            shards = self._decide_all(asked, loaded, progress, room)
            calls = [
                self._call(shard, shards.get(shard, []), loaded, progress, in_all=shard in everywhere)
                for shard in everywhere.union(shards)
            ]
            calls = [call for call in calls if call.homes]
            lap("decide")
            verdicts = self._store.apply(calls, intake.look_ahead)
            lap("apply")
            if Verdict.SUPERSEDED in verdicts:
                raise Superseded("a later batch of one of these homes has been seen in the store")
            if Verdict.LOST in verdicts:
                raise StoreLost("a shard lacks what was committed of one of these homes")
            again = {
                call.shard
                for call, verdict in zip(calls, verdicts, strict=True)
                if verdict is Verdict.CONFLICT
            }
            if not again:
                return
            progress.conflicts += len(again)
            asked = [each for each in asked if self._store.shard(each.plan.key.id) in again]
            everywhere &= again
        raise StoreUnavailable(f"records kept changing through {MAX_ATTEMPTS} attempts")

    def _whole(self, progress: Progress) -> Whole | None:
        return Whole(progress.bases) if self._keeps_marks else None

    def _room(self, times: int) -> Room:
        return Room(self._ticker, self._terms.batch_seconds, times * self._terms.batch_bytes)

    def _decide_all(
        self, asked: list[Asked], loaded: Loaded, progress: Progress, room: Room | None
    ) -> dict[int, list[Asked]]:
        """Decide events in order, at least one; those on one task build on each other."""
        current: dict[TaskKey, Record | None] = dict(loaded.records)
        shards: dict[int, list[Asked]] = defaultdict(list)
        for each in asked:
            each.item.decision = None
            if progress.is_cut(each.item.message):
                continue
            if room is not None and shards and room.is_spent:
                progress.cut(each.item.message.partition, each.item.message.offset)
                continue
            decision = self._decided(each, current[each.plan.key], loaded, progress)
            if decision is None:
                continue
            each.item.decision = decision
            if room is not None:
                for emit in decision.emits:
                    room.spend(len(emit.value or b""))
            if decision.record is not None:
                current[each.plan.key] = decision.record
            shards[self._store.shard(each.plan.key.id)].append(each)
        return shards

    def _decided(
        self, each: Asked, record: Record | None, loaded: Loaded, progress: Progress
    ) -> Decision | None:
        """Return the answer to one event; None if its home is cut before it."""
        message = each.item.message
        kept = loaded.kept.get(each.item.source)
        each.item.redelivered = kept is not None
        if kept is not None:
            return self._replayed(each, record, kept, progress)
        decision: Decision | None
        try:
            decision = decide(each.plan, record, loaded.now_ms, self._terms.policy, self._renderer)
            decision = self._told(each, decision, loaded.now_ms)
        except EventError as error:
            return self._buried(each.item, UNANSWERABLE, error.message, progress)
        if _replaces(decision, record) and not progress.is_first(message):
            # A new generation takes away what redelivery of earlier events would need.
            progress.cut(message.partition, message.offset)
            return None
        return decision

    def _told(self, each: Asked, decision: Decision, now_ms: int) -> Decision:
        """Return the decision, its change told to the feed; FAIL instead where the feed does not take it."""
        each.item.change = None
        if self._feed is None or decision.record is None:
            return decision
        try:
            each.item.change = self._feed.changed(decision.record)
        except EventError as error:
            return refuse(each.plan.incoming, error, each.plan.key, now_ms, self._renderer)
        return decision

    def _replayed(
        self, each: Asked, record: Record | None, kept: Outcome, progress: Progress
    ) -> Decision | None:
        if isinstance(kept, Dropped) and not each.plan.incoming.is_timer:
            return self._buried(each.item, UNANSWERABLE, kept.reason, progress)
        try:
            if self._feed is not None and record is not None:
                each.item.change = self._feed.left_by(record, each.item.source)
            return replay(each.plan, record, kept, self._again)
        except EventError as error:
            # It has been applied already and must be sent as it was: its topic has to return.
            message = each.item.message
            progress.block(message.partition, message.offset, error.message)
            return None

    def _call(
        self, shard: int, asked: list[Asked], loaded: Loaded, progress: Progress, *, in_all: bool
    ) -> ShardCall:
        """Return the call of one shard: redelivered events have been written by an earlier one.

        ``in_all``: it is told how far every home of the batch goes.
        """
        kept: dict[int, list[tuple[int, Outcome]]] = defaultdict(list)
        after: dict[TaskKey, Record | None] = {}
        for each in asked:
            decision = each.item.decision
            if each.item.redelivered or decision is None:
                continue
            source = each.item.source
            kept[source.partition].append((source.offset, decision.outcome))
            after[each.plan.key] = decision.record or after.get(each.plan.key)
        homes = tuple(
            HomeCall(
                home,
                progress.bases[home],
                tuple(kept.get(home, ())),
                until=progress.until(home) if self._keeps_marks else None,
            )
            for home in (progress.bases if in_all else kept)
        )
        changes = tuple(Change(key, loaded.records[key], record) for key, record in after.items())
        return ShardCall(shard, self._terms.incarnation, homes, changes, note=progress.note(shard))

    def _finish_all(self, items: list[Item], progress: Progress, done: Processed) -> None:
        """Collect what a slice came to."""
        changes: dict[bytes | None, Emit] = {}
        for item in items:
            if not progress.is_cut(item.message):
                self._finish(item, progress, changes, done)
        done.emits += changes.values()

    def _finish(
        self, item: Item, progress: Progress, changes: dict[bytes | None, Emit], done: Processed
    ) -> None:
        """Collect what one event came to, or cut its home where it can neither go on nor away."""
        message = item.message
        if item.poison is not None:
            emits = self._dead(item, item.poison.reason, str(item.poison), progress, done)
        elif item.plan is None:
            done.counts["ignored", "IGNORED"] += 1
            emits = ()
        elif isinstance(item.plan, PeriodPlan):
            emits = self._period(item, item.plan, progress, done)
        else:
            emits = self._answered(item, item.plan, progress, done)
        if emits is None:
            return
        done.emits += emits
        if item.change is not None:
            # The last change of a task in a slice is all that the feed needs of it.
            changes[item.change.key] = item.change
        done.positions[message.partition] = message.offset + 1

    def _answered(
        self, item: Item, asked: TaskPlan | SettledPlan, progress: Progress, done: Processed
    ) -> tuple[Emit, ...] | None:
        if isinstance(asked, SettledPlan):
            item.decision = self._settled(item, asked, progress)
        if item.decision is None:
            return None
        self._note(item, asked, item.decision, done)
        return item.decision.emits

    def _settled(self, item: Item, asked: SettledPlan, progress: Progress) -> Decision | None:
        try:
            return settle(asked, progress.now_ms, self._renderer)
        except EventError as error:
            return self._buried(item, UNANSWERABLE, error.message, progress)

    def _period(
        self, item: Item, asked: PeriodPlan, progress: Progress, done: Processed
    ) -> tuple[Emit, ...] | None:
        page = Page(self._terms.policy.period_chunk, asked.cursor)
        if len(done.emits) > EMITS_BEFORE_PERIOD:
            progress.cut(item.message.partition, item.message.offset)
            return None
        period = (asked.from_ms, asked.to_ms)
        # As the store counts them: a home that another worker has just opened is among them.
        homes = self._store.homes()
        now, due = self._store.due_between(asked.domains, homes, period, page)
        try:
            emits = decide_period(asked, due, now, self._terms.policy, self._renderer)
        except EventError as error:
            return self._answered(item, SettledPlan(asked.incoming, error), progress, done)
        if due.cursor is None:
            self._store.note_timeout(asked.domains, now if asked.to_ms is None else asked.to_ms)
        done.counts[TIMEOUT_BETWEEN, "SUCCESS" if due.cursor is None else "CONTINUED"] += 1
        return emits

    def _dead(
        self, item: Item, reason: str, text: str, progress: Progress, done: Processed
    ) -> tuple[Emit, ...] | None:
        decision = self._buried(item, reason, text, progress)
        if decision is None:
            return None
        done.dead[reason] += 1
        done.buried[item.message.partition] += 1
        done.refused.append((item.source, reason, text))
        return decision.emits

    def _buried(self, item: Item, reason: str, text: str, progress: Progress) -> Decision | None:
        """Return the dead letter; None, and its home blocked, if no topic takes it."""
        limit = self._outlet.limit_bytes(self._dead_letters)
        box = DeadLetterBox(self._dead_letters, self._terms.policy.requests, limit)
        try:
            letter = box.letter(item.message, reason, text)
        except EventError as error:
            progress.block(item.message.partition, item.message.offset, error.message)
            return None
        return Decision(Dropped(text), (letter,), None, DEAD)

    def _note(self, item: Item, asked: TaskPlan | SettledPlan, decision: Decision, done: Processed) -> None:
        """Tell timers, retention, metrics and log what they need to know."""
        action = asked.incoming.event.action
        if action in PERIOD_ACTIONS:
            action = TIMEOUT_BETWEEN
        done.counts[action if action in _COUNTED else "unknown", decision.status] += 1
        done.redelivered += item.redelivered
        if decision.status == DEAD and isinstance(decision.outcome, Dropped):
            done.dead[UNANSWERABLE] += 1
            done.buried[item.message.partition] += 1
            done.refused.append((item.source, UNANSWERABLE, decision.outcome.reason))
        if isinstance(asked, TaskPlan):
            self._note_task(Asked(item, asked), decision.outcome, done)

    def _note_task(self, each: Asked, outcome: Outcome, done: Processed) -> None:
        key, home = each.plan.key, each.item.message.partition
        match outcome:
            case Acknowledged(deadline_ms=int() as deadline_ms):
                done.deadlines.append((key, home, deadline_ms))
            case Closed(now_ms=now_ms):
                remove_at = now_ms + self._terms.policy.domains[key.domain].retention_ms
                done.removals.append((key, home, remove_at))
            case _:
                pass
        if each.item.message.headers and each.plan.incoming.is_timer:
            self._note_timer(each, outcome, done)

    def _note_timer(self, each: Asked, outcome: Outcome, done: Processed) -> None:
        mark = parse_mark(each.plan.incoming.header(TIMER) or "")
        if mark is None:
            return
        home = each.item.message.partition
        task = DueTask(each.plan.key, home, mark.started_by, mark.deadline_ms, mark.epoch)
        match outcome:
            case Closed():
                done.fired.append(task)
            case Dropped(reason=reason) if reason:
                done.unresumed.append(task)
                done.refused.append((each.item.source, "NOT_RESUMED", reason))
            case _:
                done.spent.append(task)


def _by_home(batch: Batch) -> list[Message]:
    """Return the messages a home at a time: fewer places in the store are touched by two slices.

    Order counts within a home only. The home that has waited longest comes first: what an earlier batch
    had no time for must not wait for ever.
    """
    turns = {home: turn for turn, home in enumerate(batch.bases)}
    return sorted(batch.messages, key=lambda message: turns[message.partition])


class Asked:
    """An item that asks for one task."""

    __slots__ = ("item", "plan")

    def __init__(self, item: Item, plan: TaskPlan) -> None:
        self.item = item
        self.plan = plan

    @classmethod
    def of(cls, items: list[Item]) -> list[Asked]:
        """Return those of the items that ask for a task, in their order."""
        return [cls(item, item.plan) for item in items if isinstance(item.plan, TaskPlan)]


def _replaces(decision: Decision, record: Record | None) -> bool:
    """Whether a decision puts a new generation in the place of a closed record."""
    return decision.record is not None and record is not None and not record.is_open
