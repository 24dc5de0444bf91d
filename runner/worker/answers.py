"""Answers: the events of a decided slice become messages and positions in the result of the batch.

An event that needs no record is answered here. An event that can be neither answered nor dead-lettered
pauses its home.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from runner.actions.decision import Dropped, OutgoingMessage
from runner.actions.incoming import HOOK_TASK
from runner.actions.plan import ImmediateAnswer, PeriodPlan, TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import PERIOD_ACTIONS, TIMEOUT_BETWEEN, VERBS
from runner.actions.timeout_between import decide_period
from runner.errors import EventError, PoisonError
from runner.store.calls import Page, Store
from runner.store.paging import due_between
from runner.worker.batch_state import BatchState
from runner.worker.dead_letters import DeadLetters
from runner.worker.decider import DEAD_LETTER, UNANSWERABLE, Decider
from runner.worker.in_flight import InFlight
from runner.worker.result import BatchResult

MESSAGES_BEFORE_PERIOD: Final = 10_000
"""Messages of a batch beyond which a TimeoutBetween, which sends a chunk of its own, is deferred."""

_COUNTED: Final = frozenset({*VERBS, TIMEOUT_BETWEEN, HOOK_TASK})
OTHER_ACTION: Final = "other"
"""Counted for an action that is none of the protocol's: senders must not make a time series each."""


class Answers:
    """Adds the events of slices to the result of their batch."""

    def __init__(self, policy: Policy, store: Store, decider: Decider, dead_letters: DeadLetters) -> None:
        self._policy = policy
        self._store = store
        self._decider = decider
        self._dead_letters = dead_letters

    def add_all(self, items: list[InFlight], batch_state: BatchState, result: BatchResult) -> None:
        """Add the events of a slice that are not deferred, in their order."""
        changes: dict[bytes | None, OutgoingMessage] = {}
        for item in items:
            if not batch_state.is_deferred(item.message):
                self._add(item, batch_state, changes, result)
        result.outgoing += changes.values()

    def _add(
        self,
        item: InFlight,
        batch_state: BatchState,
        changes: dict[bytes | None, OutgoingMessage],
        result: BatchResult,
    ) -> None:
        """Add one event, or pause its home if it can be neither answered nor dead-lettered."""
        if item.poison is not None:
            messages = self._poison_messages(item, item.poison, batch_state, result)
        elif item.plan is None:
            result.counts[OTHER_ACTION, "IGNORED"] += 1
            messages = ()
        elif isinstance(item.plan, PeriodPlan):
            messages = self._period_messages(item, item.plan, batch_state, result)
        else:
            messages = self._answer_messages(item, item.plan, batch_state, result)
        if messages is None:
            return
        result.outgoing += messages
        for change in item.changes:
            # The last change of a part in a slice is all that the changelog needs of it.
            changes[change.key] = change
        result.positions[item.message.partition] = item.message.offset + 1

    def _answer_messages(
        self, item: InFlight, plan: TaskPlan | ImmediateAnswer, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        if isinstance(plan, ImmediateAnswer):
            item.decision = self._decider.immediate_decision(item, plan, batch_state)
        decision = item.decision
        if decision is None:
            return None
        action = plan.incoming.event.action
        if action in PERIOD_ACTIONS:
            action = TIMEOUT_BETWEEN
        result.counts[action if action in _COUNTED else OTHER_ACTION, decision.status] += 1
        result.redelivered += item.redelivered
        if decision.status == DEAD_LETTER and isinstance(decision.outcome, Dropped):
            result.add_dead_letter(item, UNANSWERABLE, decision.outcome.reason)
        if isinstance(plan, TaskPlan):
            result.add_task(item, plan, decision, self._policy.notifications)
        return decision.messages

    def _period_messages(
        self, item: InFlight, plan: PeriodPlan, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        if len(result.outgoing) > MESSAGES_BEFORE_PERIOD:
            batch_state.defer(item.message.partition, item.message.offset)
            return None
        page = Page(self._policy.period_chunk, plan.cursor)
        # Counted by the store: a home that another worker has just opened is among them.
        homes = self._store.homes()
        now = self._store.load(0, []).now_ms
        to_ms = now if plan.to_ms is None else plan.to_ms
        due = due_between(self._store, plan.domains, homes, (plan.from_ms, to_ms), page)
        try:
            last = self._last_pass(plan.domains)
            messages = decide_period(plan, due, now, self._policy, self._decider.renderer, last)
        except EventError as error:
            return self._answer_messages(item, ImmediateAnswer(plan.incoming, error), batch_state, result)
        if due.cursor is None:
            result.passes.append((plan.domains, to_ms))
        result.counts[TIMEOUT_BETWEEN, "SUCCESS" if due.cursor is None else "CONTINUED"] += 1
        return messages

    def _last_pass(self, domains: Sequence[str]) -> int | None:
        """Return up to where the last passes have come in all of these domains; None: one had none."""
        ends = [self._store.last_timeout(domain) for domain in domains]
        known = [end for end in ends if end is not None]
        return min(known, default=None) if len(known) == len(ends) else None

    def _poison_messages(
        self, item: InFlight, poison: PoisonError, batch_state: BatchState, result: BatchResult
    ) -> tuple[OutgoingMessage, ...] | None:
        text = str(poison)
        dead_letter = self._dead_letters.message_or_pause(item.message, poison.reason, text, batch_state)
        if dead_letter is None:
            return None
        result.add_dead_letter(item, poison.reason, text)
        return (dead_letter,)
