"""Batch processing: messages of a batch become changes in the store and messages to send.

Steps 2 to 5 of the loop, without Kafka: decode, load, decide, apply. Everything in the result has been
applied; the loop delivers it and commits. If that fails, the same events are redelivered and get
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
from runner.changelog.writer import Changelog
from runner.clock import Ticker, monotonic_seconds
from runner.envelope.limits import WIDEST
from runner.errors import EventError, StoreLost, StoreUnavailable, Superseded
from runner.kafka.event_log import Message
from runner.store.calls import Change, Completeness, HomeCall, Loaded, Page, ShardCall, Store, Verdict
from runner.tasks.due import DueTask
from runner.tasks.record import Record, TaskKey
from runner.worker.assignment import Batch
from runner.worker.batch_state import BatchState
from runner.worker.budget import BatchBudget
from runner.worker.dead_letters import DeadLetterBox
from runner.worker.decoder import BatchDecoder, ProcessingSettings
from runner.worker.in_flight import InFlight
from runner.worker.kept_decisions import honour_kept_decisions
from runner.worker.poison import collect_leftovers, limit_poison
from runner.worker.prefetch import Prefetch
from runner.worker.result import BatchResult

MAX_ATTEMPTS: Final = 30
"""Most attempts on a shard: every conflict means that another worker has made progress."""

SENT_TO_READ: Final = 4
"""Bytes sent for each byte read, at most: reply, resumed event and changelog contain the event."""

EMITS_BEFORE_PERIOD: Final = 10_000
"""Messages of a batch beyond which a TimeoutBetween, which sends a chunk of its own, is deferred."""

UNANSWERABLE: Final = "UNANSWERABLE"
"""Reason of a dead letter that can be read but not answered: not even a FAIL can be delivered."""

DEAD_LETTER: Final = "DEAD"
"""Status of a decision that only makes a dead letter."""

_COUNTED: Final = frozenset({*TASK_ACTIONS, TIMEOUT_BETWEEN})

PhaseEnded = Callable[[str], object]
"""Called when a phase of the loop ends, for phase timing."""

Send = Callable[[Sequence[OutgoingMessage]], object]
"""Sends messages before the batch is processed to its end."""


class ShardedStore(Store, Protocol):
    """A store that names the shard of a task."""

    def shard(self, task_id: str) -> int:
        """Return the shard of an id."""
        ...


class Process:
    """Processes batches against one store; only prefetched events are kept between batches."""

    def __init__(
        self,
        settings: ProcessingSettings,
        store: ShardedStore,
        topics: TopicCatalog,
        dead_letters: str,
        changelog: Changelog | None = None,
        ticker: Ticker = monotonic_seconds,
    ) -> None:
        """``changelog`` makes a message for every change of a task; None: there is no changelog."""
        self.prefetch = Prefetch(settings, ticker)
        """Used by the loop while it waits for a commit."""
        self._ticker = ticker
        self._settings = settings
        self._store = store
        self._topics = topics
        self._dead_letters = dead_letters
        self._changelog = changelog
        self._keeps_applied_offsets = changelog is not None and changelog.restores
        self._renderer = Renderer(settings.policy, topics)
        self._replay_renderer = Renderer(settings.policy.within(WIDEST), topics)
        """For kept decisions, which may have been made under other limits."""

    def run(
        self,
        batch: Batch,
        runs: Mapping[int, int],
        phase_ended: PhaseEnded = lambda _: None,
        send: Send | None = None,
    ) -> BatchResult:
        """Return the result of a batch, applied, with the messages that ``send`` has not sent yet.

        ``runs`` are the consecutive poison messages before the batch, by home. Raises StoreUnavailable,
        Superseded, or an error of ``send``: nothing of the batch may be delivered then.
        """
        batch_state, all_items = BatchState(batch), list[InFlight]()
        result = BatchResult(all_items)
        decoder = BatchDecoder(_by_home(batch), self._settings, self._budget(1), self.prefetch.take)
        poison_counts = dict(runs)
        while not decoder.is_over:
            if send is not None and result.outgoing:
                messages, result.outgoing = result.outgoing, []
                send(messages)
            items = decoder.take()
            honour_kept_decisions(items, self._settings, self._store, self._completeness(batch_state))
            limit_poison(items, batch_state, poison_counts, self._settings.poison_limit)
            phase_ended("decode")
            self._decide_and_apply(items, batch_state, decoder, phase_ended)
            self._finish_all(items, batch_state, result)
            phase_ended("decide")
            all_items += items
        batch_state.defer_all(decoder.remaining)
        result.now_ms, result.conflicts = batch_state.now_ms, batch_state.conflicts
        collect_leftovers(batch.messages, all_items, batch_state, runs, self._settings.poison_limit, result)
        phase_ended("decide")
        return result

    def _decide_and_apply(
        self, items: list[InFlight], batch_state: BatchState, decoder: BatchDecoder, phase_ended: PhaseEnded
    ) -> None:
        """Load, decide and apply until every shard has applied its call."""
        batch_state.decide_next(item.message for item in items)
        work = TaskWork.of(items)
        completeness = self._completeness(batch_state)
        # Where applied offsets are kept, the last slice advances them in every shard: a shard that
        # falls behind is known by that to have lost something.
        is_last = decoder.is_over
        all_shards = set(range(self._store.shards)) if self._keeps_applied_offsets and is_last else set()
        for attempt in range(MAX_ATTEMPTS):
            reads = [(each.plan.key, each.item.source) for each in work]
            loaded = self._store.load(self._settings.incarnation, reads, completeness, decoder.prefetch)
            batch_state.now_ms = loaded.now_ms
            batch_state.remember_tokens(loaded.shard_tokens)
            phase_ended("load")
            # Only the first attempt may defer events: later ones repeat what it has decided.
            budget = self._budget(SENT_TO_READ) if attempt == 0 else None
            shards = self._decide_all(work, loaded, batch_state, budget)
            calls = [
                self._shard_call(
                    shard, shards.get(shard, []), loaded, batch_state, in_all=shard in all_shards
                )
                for shard in all_shards.union(shards)
            ]
            calls = [call for call in calls if call.homes]
            phase_ended("decide")
            verdicts = self._store.apply(calls, decoder.prefetch)
            phase_ended("apply")
            if Verdict.SUPERSEDED in verdicts:
                raise Superseded("a later batch of one of these homes has been seen in the store")
            if Verdict.LOST in verdicts:
                raise StoreLost("a shard lacks what was committed of one of these homes")
            conflict_shards = {
                call.shard
                for call, verdict in zip(calls, verdicts, strict=True)
                if verdict is Verdict.CONFLICT
            }
            if not conflict_shards:
                return
            batch_state.conflicts += len(conflict_shards)
            work = [each for each in work if self._store.shard(each.plan.key.id) in conflict_shards]
            all_shards &= conflict_shards
        raise StoreUnavailable(f"records kept changing through {MAX_ATTEMPTS} attempts")

    def _completeness(self, batch_state: BatchState) -> Completeness | None:
        return Completeness(batch_state.base_offsets) if self._keeps_applied_offsets else None

    def _budget(self, times: int) -> BatchBudget:
        return BatchBudget(self._ticker, self._settings.batch_seconds, times * self._settings.batch_bytes)

    def _decide_all(
        self, work: list[TaskWork], loaded: Loaded, batch_state: BatchState, budget: BatchBudget | None
    ) -> dict[int, list[TaskWork]]:
        """Decide events in order, at least one; those on one task build on each other."""
        current: dict[TaskKey, Record | None] = dict(loaded.records)
        shards: dict[int, list[TaskWork]] = defaultdict(list)
        for each in work:
            each.item.decision = None
            if batch_state.is_deferred(each.item.message):
                continue
            if budget is not None and shards and budget.is_exhausted:
                batch_state.defer(each.item.message.partition, each.item.message.offset)
                continue
            decision = self._decision(each, current[each.plan.key], loaded, batch_state)
            if decision is None:
                continue
            each.item.decision = decision
            if budget is not None:
                for message in decision.emits:
                    budget.charge(len(message.value or b""))
            if decision.record is not None:
                current[each.plan.key] = decision.record
            shards[self._store.shard(each.plan.key.id)].append(each)
        return shards

    def _decision(
        self, each: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        """Return the decision on one event; None if the event is deferred."""
        message = each.item.message
        kept = loaded.kept.get(each.item.source)
        each.item.redelivered = kept is not None
        if kept is not None:
            return self._kept_decision(each, record, kept, batch_state)
        decision: Decision | None
        try:
            decision = decide(each.plan, record, loaded.now_ms, self._settings.policy, self._renderer)
            decision = self._with_changelog_message(each, decision, loaded.now_ms)
        except EventError as error:
            return self._dead_letter(each.item, UNANSWERABLE, error.message, batch_state)
        if _replaces(decision, record) and not batch_state.is_first(message):
            # A new generation overwrites what redelivery of earlier events would need.
            batch_state.defer(message.partition, message.offset)
            return None
        return decision

    def _with_changelog_message(self, each: TaskWork, decision: Decision, now_ms: int) -> Decision:
        """Return the decision with its changelog message; FAIL instead where the topic does not take it."""
        each.item.change = None
        if self._changelog is None or decision.record is None:
            return decision
        try:
            each.item.change = self._changelog.changed(decision.record)
        except EventError as error:
            return refuse(each.plan.incoming, error, each.plan.key, now_ms, self._renderer)
        return decision

    def _kept_decision(
        self, each: TaskWork, record: Record | None, kept: Outcome, batch_state: BatchState
    ) -> Decision | None:
        if isinstance(kept, Dropped) and not each.plan.incoming.is_timer:
            return self._dead_letter(each.item, UNANSWERABLE, kept.reason, batch_state)
        try:
            if self._changelog is not None and record is not None:
                each.item.change = self._changelog.change_by(record, each.item.source)
            return replay(each.plan, record, kept, self._replay_renderer)
        except EventError as error:
            # The event has been applied and must get its first answer: the topic has to come back.
            message = each.item.message
            batch_state.pause(message.partition, message.offset, error.message)
            return None

    def _shard_call(
        self, shard: int, work: list[TaskWork], loaded: Loaded, batch_state: BatchState, *, in_all: bool
    ) -> ShardCall:
        """Return the call of one shard; redelivered events were written by an earlier call.

        ``in_all``: the call advances the applied offset of every home of the batch.
        """
        kept: dict[int, list[tuple[int, Outcome]]] = defaultdict(list)
        after: dict[TaskKey, Record | None] = {}
        for each in work:
            decision = each.item.decision
            if each.item.redelivered or decision is None:
                continue
            source = each.item.source
            kept[source.partition].append((source.offset, decision.outcome))
            after[each.plan.key] = decision.record or after.get(each.plan.key)
        homes = tuple(
            HomeCall(
                home,
                batch_state.base_offsets[home],
                tuple(kept.get(home, ())),
                decided_up_to=batch_state.decided_up_to(home) if self._keeps_applied_offsets else None,
            )
            for home in (batch_state.base_offsets if in_all else kept)
        )
        changes = tuple(Change(key, loaded.records[key], record) for key, record in after.items())
        return ShardCall(
            shard, self._settings.incarnation, homes, changes, shard_token=batch_state.shard_token(shard)
        )

    def _finish_all(self, items: list[InFlight], batch_state: BatchState, result: BatchResult) -> None:
        """Add the events of a slice to the result."""
        changes: dict[bytes | None, OutgoingMessage] = {}
        for item in items:
            if not batch_state.is_deferred(item.message):
                self._finish(item, batch_state, changes, result)
        result.outgoing += changes.values()

    def _finish(
        self,
        item: InFlight,
        batch_state: BatchState,
        changes: dict[bytes | None, OutgoingMessage],
        result: BatchResult,
    ) -> None:
        """Add one event to the result, or pause its home if it can be neither answered nor dead-lettered."""
        message = item.message
        if item.poison is not None:
            messages = self._poison_messages(item, item.poison.reason, str(item.poison), batch_state, result)
        elif item.plan is None:
            result.counts["ignored", "IGNORED"] += 1
            messages = ()
        elif isinstance(item.plan, PeriodPlan):
            messages = self._period_messages(item, item.plan, batch_state, result)
        else:
            messages = self._answer_messages(item, item.plan, batch_state, result)
        if messages is None:
            return
        result.outgoing += messages
        if item.change is not None:
            # The last change of a task in a slice is all that the changelog needs of it.
            changes[item.change.key] = item.change
        result.positions[message.partition] = message.offset + 1

    def _answer_messages(
        self, item: InFlight, plan: TaskPlan | ImmediateAnswer, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        if isinstance(plan, ImmediateAnswer):
            item.decision = self._immediate_decision(item, plan, batch_state)
        if item.decision is None:
            return None
        self._collect_decision(item, plan, item.decision, result)
        return item.decision.emits

    def _immediate_decision(
        self, item: InFlight, plan: ImmediateAnswer, batch_state: BatchState
    ) -> Decision | None:
        try:
            return answer_without_record(plan, batch_state.now_ms, self._renderer)
        except EventError as error:
            return self._dead_letter(item, UNANSWERABLE, error.message, batch_state)

    def _period_messages(
        self, item: InFlight, plan: PeriodPlan, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        page = Page(self._settings.policy.period_chunk, plan.cursor)
        if len(result.outgoing) > EMITS_BEFORE_PERIOD:
            batch_state.defer(item.message.partition, item.message.offset)
            return None
        period = (plan.from_ms, plan.to_ms)
        # Counted by the store: a home that another worker has just opened is among them.
        homes = self._store.homes()
        now, due = self._store.due_between(plan.domains, homes, period, page)
        try:
            messages = decide_period(plan, due, now, self._settings.policy, self._renderer)
        except EventError as error:
            return self._answer_messages(item, ImmediateAnswer(plan.incoming, error), batch_state, result)
        if due.cursor is None:
            self._store.note_timeout(plan.domains, now if plan.to_ms is None else plan.to_ms)
        result.counts[TIMEOUT_BETWEEN, "SUCCESS" if due.cursor is None else "CONTINUED"] += 1
        return messages

    def _poison_messages(
        self, item: InFlight, reason: str, text: str, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        decision = self._dead_letter(item, reason, text, batch_state)
        if decision is None:
            return None
        result.dead_letter_reasons[reason] += 1
        result.dead_lettered[item.message.partition] += 1
        result.refused.append((item.source, reason, text))
        return decision.emits

    def _dead_letter(
        self, item: InFlight, reason: str, text: str, batch_state: BatchState
    ) -> Decision | None:
        """Return the decision with the dead letter; None, and the home paused, if no topic takes one."""
        limit = self._topics.limit_bytes(self._dead_letters)
        box = DeadLetterBox(self._dead_letters, self._settings.policy.requests, limit)
        try:
            dead_letter = box.dead_letter(item.message, reason, text)
        except EventError as error:
            batch_state.pause(item.message.partition, item.message.offset, error.message)
            return None
        return Decision(Dropped(text), (dead_letter,), None, DEAD_LETTER)

    def _collect_decision(
        self, item: InFlight, plan: TaskPlan | ImmediateAnswer, decision: Decision, result: BatchResult
    ) -> None:
        """Add a decision to the result, for timers, retention, metrics and log."""
        action = plan.incoming.event.action
        if action in PERIOD_ACTIONS:
            action = TIMEOUT_BETWEEN
        result.counts[action if action in _COUNTED else "unknown", decision.status] += 1
        result.redelivered += item.redelivered
        if decision.status == DEAD_LETTER and isinstance(decision.outcome, Dropped):
            result.dead_letter_reasons[UNANSWERABLE] += 1
            result.dead_lettered[item.message.partition] += 1
            result.refused.append((item.source, UNANSWERABLE, decision.outcome.reason))
        if isinstance(plan, TaskPlan):
            self._collect_task(TaskWork(item, plan), decision.outcome, result)

    def _collect_task(self, each: TaskWork, outcome: Outcome, result: BatchResult) -> None:
        key, home = each.plan.key, each.item.message.partition
        match outcome:
            case Acknowledged(deadline_ms=int() as deadline_ms):
                result.deadlines.append((key, home, deadline_ms))
            case Closed(now_ms=now_ms):
                remove_at = now_ms + self._settings.policy.domains[key.domain].retention_ms
                result.removals.append((key, home, remove_at))
            case _:
                pass
        if each.item.message.headers and each.plan.incoming.is_timer:
            self._collect_timer(each, outcome, result)

    def _collect_timer(self, each: TaskWork, outcome: Outcome, result: BatchResult) -> None:
        token = parse_token(each.plan.incoming.header(TIMER) or "")
        if token is None:
            return
        home = each.item.message.partition
        task = DueTask(each.plan.key, home, token.started_by, token.deadline_ms, token.epoch)
        match outcome:
            case Closed():
                result.timed_out.append(task)
            case Dropped(reason=reason) if reason:
                result.undeliverable.append(task)
                result.refused.append((each.item.source, "NOT_RESUMED", reason))
            case _:
                result.stale.append(task)


def _by_home(batch: Batch) -> list[Message]:
    """Return the messages ordered by home, so that fewer keys of the store are touched by two slices.

    Order matters within a home only. The home that has waited longest comes first: events that earlier
    batches deferred must not wait for ever.
    """
    turns = {home: turn for turn, home in enumerate(batch.base_offsets)}
    return sorted(batch.messages, key=lambda message: turns[message.partition])


class TaskWork:
    """An event in flight that is about one task, with its plan."""

    __slots__ = ("item", "plan")

    def __init__(self, item: InFlight, plan: TaskPlan) -> None:
        self.item = item
        self.plan = plan

    @classmethod
    def of(cls, items: list[InFlight]) -> list[TaskWork]:
        """Return the work of the events that are about a task, in their order."""
        return [cls(item, item.plan) for item in items if isinstance(item.plan, TaskPlan)]


def _replaces(decision: Decision, record: Record | None) -> bool:
    """Whether a decision puts a new generation in the place of a closed record."""
    return decision.record is not None and record is not None and not record.is_open
