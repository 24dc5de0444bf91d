"""The middle of the worker: a batch of messages becomes changes in the store and messages to send.

Steps 2 to 5 of the loop, without Kafka: decode, load, decide, apply. What it returns has been
applied; the loop delivers it and commits. If that fails, the same messages come again and find
their kept decisions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from runner.actions.decision import Acknowledged, Closed, Decision, Dropped, Outcome, OutgoingMessage
from runner.actions.incoming import TIMER
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan
from runner.actions.policy import TopicCatalog
from runner.actions.registry import (
    PERIOD_ACTIONS,
    TASK_ACTIONS,
    TIMEOUT_BETWEEN,
    answer_without_record,
    decide,
    refuse,
    replay,
)
from runner.actions.render import Renderer
from runner.actions.timeout_between import decide_period
from runner.actions.timer_token import parse_token
from runner.clock import Ticker, monotonic_seconds
from runner.envelope.limits import WIDEST
from runner.errors import EventError, StoreLost, StoreUnavailable, Superseded
from runner.store.calls import Change, Completeness, HomeCall, Loaded, Page, ShardCall, Store, Verdict
from runner.tasks.due import DueTask
from runner.tasks.record import Record, TaskKey
from runner.worker.assignment import Batch
from runner.worker.batch_state import BatchState
from runner.worker.budget import BatchBudget
from runner.worker.changelog import Changelog
from runner.worker.dead_letters import DeadLetterBox
from runner.worker.decoder import BatchDecoder, InFlight, ProcessingSettings, limit_poison, note_leftovers
from runner.worker.event_log import Message
from runner.worker.kept_decisions import honour_kept_decisions
from runner.worker.prefetch import Prefetch
from runner.worker.result import BatchResult

MAX_ATTEMPTS: Final = 30
"""How often a shard is decided again: every conflict means that somebody else got on."""

SENT_TO_READ: Final = 4
"""How much more may be sent than read: a reply, a resumed event and the changelog have the event in them."""

EMITS_BEFORE_PERIOD: Final = 10_000
"""With so much to send, a pass over a period, which sends a chunk of its own, waits for the next batch."""

UNANSWERABLE: Final = "UNANSWERABLE"
"""Why an event is a dead letter although it can be read: not even a FAIL can be delivered."""

DEAD_LETTER: Final = "DEAD"
"""Status of a decision that only makes a dead letter."""

_COUNTED: Final = frozenset({*TASK_ACTIONS, TIMEOUT_BETWEEN})

Lap = Callable[[str], object]
"""Told when a part of the loop ends, for the split of its time."""

Send = Callable[[Sequence[OutgoingMessage]], object]
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
        settings: ProcessingSettings,
        store: ShardedStore,
        topics: TopicCatalog,
        dead_letters: str,
        changelog: Changelog | None = None,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``changelog`` gets every change of a task; None: nobody does."""
        self.prefetch = Prefetch(settings, ticker)
        """For whoever waits between two batches."""
        self._ticker = ticker
        self._settings = settings
        self._store = store
        self._topics = topics
        self._dead_letters = dead_letters
        self._changelog = changelog
        self._keeps_marks = changelog is not None and changelog.restores
        self._renderer = Renderer(settings.policy, topics)
        self._again = Renderer(settings.policy.within(WIDEST), topics)
        """For what was decided before, perhaps within other limits."""

    def run(
        self,
        batch: Batch,
        runs: Mapping[int, int],
        phase_ended: Lap = lambda _: None,
        send: Send | None = None,
    ) -> BatchResult:
        """Return what a batch came to, applied; of its messages those that were not sent on the way.

        ``runs`` are the consecutive poison messages before it, by home. Raises StoreUnavailable,
        Superseded, or what ``send`` does: nothing of the batch may be delivered then.
        """
        progress, items = BatchState(batch), list[InFlight]()
        done = BatchResult(items)
        decoder = BatchDecoder(_by_home(batch), self._settings, self._budget(1), self.prefetch.take)
        counted = dict(runs)
        while not decoder.is_over:
            if send is not None and done.emits:
                emits, done.emits = done.emits, []
                send(emits)
            taken = decoder.take()
            honour_kept_decisions(taken, self._settings, self._store, self._whole(progress))
            limit_poison(taken, progress, counted, self._settings.poison_limit)
            phase_ended("decode")
            self._settle_tasks(taken, progress, decoder, phase_ended)
            self._finish_all(taken, progress, done)
            phase_ended("decide")
            items += taken
        progress.defer_all(decoder.left)
        done.now_ms, done.conflicts = progress.now_ms, progress.conflicts
        note_leftovers(batch.messages, items, progress, runs, self._settings.poison_limit, done)
        phase_ended("decide")
        return done

    def _settle_tasks(
        self, items: list[InFlight], progress: BatchState, decoder: BatchDecoder, phase_ended: Lap
    ) -> None:
        """Load, decide and apply until every shard has taken its call."""
        progress.decide_next(item.message for item in items)
        asked = TaskWork.of(items)
        whole = self._whole(progress)
        # Where marks are kept, every shard is told in the end how far the batch goes: what it lacks
        # shows by that.
        is_last = decoder.is_over
        everywhere = set(range(self._store.shards)) if self._keeps_marks and is_last else set()
        for attempt in range(MAX_ATTEMPTS):
            reads = [(each.plan.key, each.item.source) for each in asked]
            loaded = self._store.load(self._settings.incarnation, reads, whole, decoder.prefetch)
            progress.now_ms = loaded.now_ms
            progress.remember_tokens(loaded.shard_tokens)
            phase_ended("load")
            # What was applied in the first attempt is done; only that one may leave something out.
            budget = self._budget(SENT_TO_READ) if attempt == 0 else None
            shards = self._decide_all(asked, loaded, progress, budget)
            calls = [
                self._call(shard, shards.get(shard, []), loaded, progress, in_all=shard in everywhere)
                for shard in everywhere.union(shards)
            ]
            calls = [call for call in calls if call.homes]
            phase_ended("decide")
            verdicts = self._store.apply(calls, decoder.prefetch)
            phase_ended("apply")
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

    def _whole(self, progress: BatchState) -> Completeness | None:
        return Completeness(progress.base_offsets) if self._keeps_marks else None

    def _budget(self, times: int) -> BatchBudget:
        return BatchBudget(self._ticker, self._settings.batch_seconds, times * self._settings.batch_bytes)

    def _decide_all(
        self, asked: list[TaskWork], loaded: Loaded, progress: BatchState, budget: BatchBudget | None
    ) -> dict[int, list[TaskWork]]:
        """Decide events in order, at least one; those on one task build on each other."""
        current: dict[TaskKey, Record | None] = dict(loaded.records)
        shards: dict[int, list[TaskWork]] = defaultdict(list)
        for each in asked:
            each.item.decision = None
            if progress.is_deferred(each.item.message):
                continue
            if budget is not None and shards and budget.is_exhausted:
                progress.defer(each.item.message.partition, each.item.message.offset)
                continue
            decision = self._decided(each, current[each.plan.key], loaded, progress)
            if decision is None:
                continue
            each.item.decision = decision
            if budget is not None:
                for emit in decision.emits:
                    budget.charge(len(emit.value or b""))
            if decision.record is not None:
                current[each.plan.key] = decision.record
            shards[self._store.shard(each.plan.key.id)].append(each)
        return shards

    def _decided(
        self, each: TaskWork, record: Record | None, loaded: Loaded, progress: BatchState
    ) -> Decision | None:
        """Return the answer to one event; None if its home is cut before it."""
        message = each.item.message
        kept = loaded.kept.get(each.item.source)
        each.item.redelivered = kept is not None
        if kept is not None:
            return self._replayed(each, record, kept, progress)
        decision: Decision | None
        try:
            decision = decide(each.plan, record, loaded.now_ms, self._settings.policy, self._renderer)
            decision = self._told(each, decision, loaded.now_ms)
        except EventError as error:
            return self._buried(each.item, UNANSWERABLE, error.message, progress)
        if _replaces(decision, record) and not progress.is_first(message):
            # A new generation takes away what redelivery of earlier events would need.
            progress.defer(message.partition, message.offset)
            return None
        return decision

    def _told(self, each: TaskWork, decision: Decision, now_ms: int) -> Decision:
        """Return the decision with its changelog message; FAIL instead where the topic does not take it."""
        each.item.change = None
        if self._changelog is None or decision.record is None:
            return decision
        try:
            each.item.change = self._changelog.changed(decision.record)
        except EventError as error:
            return refuse(each.plan.incoming, error, each.plan.key, now_ms, self._renderer)
        return decision

    def _replayed(
        self, each: TaskWork, record: Record | None, kept: Outcome, progress: BatchState
    ) -> Decision | None:
        if isinstance(kept, Dropped) and not each.plan.incoming.is_timer:
            return self._buried(each.item, UNANSWERABLE, kept.reason, progress)
        try:
            if self._changelog is not None and record is not None:
                each.item.change = self._changelog.left_by(record, each.item.source)
            return replay(each.plan, record, kept, self._again)
        except EventError as error:
            # It has been applied already and must be sent as it was: its topic has to return.
            message = each.item.message
            progress.pause(message.partition, message.offset, error.message)
            return None

    def _call(
        self, shard: int, asked: list[TaskWork], loaded: Loaded, progress: BatchState, *, in_all: bool
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
                progress.base_offsets[home],
                tuple(kept.get(home, ())),
                decided_up_to=progress.decided_up_to(home) if self._keeps_marks else None,
            )
            for home in (progress.base_offsets if in_all else kept)
        )
        changes = tuple(Change(key, loaded.records[key], record) for key, record in after.items())
        return ShardCall(
            shard, self._settings.incarnation, homes, changes, shard_token=progress.shard_token(shard)
        )

    def _finish_all(self, items: list[InFlight], progress: BatchState, done: BatchResult) -> None:
        """Collect what a slice came to."""
        changes: dict[bytes | None, OutgoingMessage] = {}
        for item in items:
            if not progress.is_deferred(item.message):
                self._finish(item, progress, changes, done)
        done.emits += changes.values()

    def _finish(
        self,
        item: InFlight,
        progress: BatchState,
        changes: dict[bytes | None, OutgoingMessage],
        done: BatchResult,
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
            # The last change of a task in a slice is all that the changelog needs of it.
            changes[item.change.key] = item.change
        done.positions[message.partition] = message.offset + 1

    def _answered(
        self, item: InFlight, asked: TaskPlan | ImmediateAnswer, progress: BatchState, done: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        if isinstance(asked, ImmediateAnswer):
            item.decision = self._settled(item, asked, progress)
        if item.decision is None:
            return None
        self._note(item, asked, item.decision, done)
        return item.decision.emits

    def _settled(self, item: InFlight, asked: ImmediateAnswer, progress: BatchState) -> Decision | None:
        try:
            return answer_without_record(asked, progress.now_ms, self._renderer)
        except EventError as error:
            return self._buried(item, UNANSWERABLE, error.message, progress)

    def _period(
        self, item: InFlight, asked: PeriodPlan, progress: BatchState, done: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        page = Page(self._settings.policy.period_chunk, asked.cursor)
        if len(done.emits) > EMITS_BEFORE_PERIOD:
            progress.defer(item.message.partition, item.message.offset)
            return None
        period = (asked.from_ms, asked.to_ms)
        # As the store counts them: a home that another worker has just opened is among them.
        homes = self._store.homes()
        now, due = self._store.due_between(asked.domains, homes, period, page)
        try:
            emits = decide_period(asked, due, now, self._settings.policy, self._renderer)
        except EventError as error:
            return self._answered(item, ImmediateAnswer(asked.incoming, error), progress, done)
        if due.cursor is None:
            self._store.note_timeout(asked.domains, now if asked.to_ms is None else asked.to_ms)
        done.counts[TIMEOUT_BETWEEN, "SUCCESS" if due.cursor is None else "CONTINUED"] += 1
        return emits

    def _dead(
        self, item: InFlight, reason: str, text: str, progress: BatchState, done: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        decision = self._buried(item, reason, text, progress)
        if decision is None:
            return None
        done.dead[reason] += 1
        done.buried[item.message.partition] += 1
        done.refused.append((item.source, reason, text))
        return decision.emits

    def _buried(self, item: InFlight, reason: str, text: str, progress: BatchState) -> Decision | None:
        """Return the dead letter; None, and its home paused, if no topic takes it."""
        limit = self._topics.limit_bytes(self._dead_letters)
        box = DeadLetterBox(self._dead_letters, self._settings.policy.requests, limit)
        try:
            letter = box.letter(item.message, reason, text)
        except EventError as error:
            progress.pause(item.message.partition, item.message.offset, error.message)
            return None
        return Decision(Dropped(text), (letter,), None, DEAD_LETTER)

    def _note(
        self, item: InFlight, asked: TaskPlan | ImmediateAnswer, decision: Decision, done: BatchResult
    ) -> None:
        """Tell timers, retention, metrics and log what they need to know."""
        action = asked.incoming.event.action
        if action in PERIOD_ACTIONS:
            action = TIMEOUT_BETWEEN
        done.counts[action if action in _COUNTED else "unknown", decision.status] += 1
        done.redelivered += item.redelivered
        if decision.status == DEAD_LETTER and isinstance(decision.outcome, Dropped):
            done.dead[UNANSWERABLE] += 1
            done.buried[item.message.partition] += 1
            done.refused.append((item.source, UNANSWERABLE, decision.outcome.reason))
        if isinstance(asked, TaskPlan):
            self._note_task(TaskWork(item, asked), decision.outcome, done)

    def _note_task(self, each: TaskWork, outcome: Outcome, done: BatchResult) -> None:
        key, home = each.plan.key, each.item.message.partition
        match outcome:
            case Acknowledged(deadline_ms=int() as deadline_ms):
                done.deadlines.append((key, home, deadline_ms))
            case Closed(now_ms=now_ms):
                remove_at = now_ms + self._settings.policy.domains[key.domain].retention_ms
                done.removals.append((key, home, remove_at))
            case _:
                pass
        if each.item.message.headers and each.plan.incoming.is_timer:
            self._note_timer(each, outcome, done)

    def _note_timer(self, each: TaskWork, outcome: Outcome, done: BatchResult) -> None:
        mark = parse_token(each.plan.incoming.header(TIMER) or "")
        if mark is None:
            return
        home = each.item.message.partition
        task = DueTask(each.plan.key, home, mark.started_by, mark.deadline_ms, mark.epoch)
        match outcome:
            case Closed():
                done.fired.append(task)
            case Dropped(reason=reason) if reason:
                done.undeliverable.append(task)
                done.refused.append((each.item.source, "NOT_RESUMED", reason))
            case _:
                done.spent.append(task)


def _by_home(batch: Batch) -> list[Message]:
    """Return the messages a home at a time: fewer places in the store are touched by two slices.

    Order counts within a home only. The home that has waited longest comes first: what an earlier batch
    had no time for must not wait for ever.
    """
    turns = {home: turn for turn, home in enumerate(batch.base_offsets)}
    return sorted(batch.messages, key=lambda message: turns[message.partition])


class TaskWork:
    """An item that asks for one task."""

    __slots__ = ("item", "plan")

    def __init__(self, item: InFlight, plan: TaskPlan) -> None:
        self.item = item
        self.plan = plan

    @classmethod
    def of(cls, items: list[InFlight]) -> list[TaskWork]:
        """Return those of the items that ask for a task, in their order."""
        return [cls(item, item.plan) for item in items if isinstance(item.plan, TaskPlan)]


def _replaces(decision: Decision, record: Record | None) -> bool:
    """Whether a decision puts a new generation in the place of a closed record."""
    return decision.record is not None and record is not None and not record.is_open
