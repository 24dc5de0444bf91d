"""Deciding one event with its record: by its action, or by the decision kept of it.

An event that can be read but not answered becomes a dead letter; where no topic takes that, its home is
paused.
"""

from __future__ import annotations

from typing import Final

from runner.actions.decision import Decision, Done, Dropped, Outcome
from runner.actions.plan import ImmediateAnswer
from runner.actions.policy import TopicCatalog
from runner.actions.registry import answer_without_record, decide, refuse, replay
from runner.actions.render import Renderer
from runner.actions.timer_token import HookToken
from runner.changelog.writer import Changelog
from runner.errors import EventError, RecordAwaited
from runner.limits import WIDEST
from runner.store.calls import Loaded
from runner.tasks.hooks import next_moment
from runner.tasks.record import Record
from runner.worker.batch_state import BatchState
from runner.worker.dead_letters import DeadLetters
from runner.worker.in_flight import InFlight, TaskWork
from runner.worker.processing_settings import ProcessingSettings

DEAD_LETTER: Final = "DEAD"
"""Status of a decision that only makes a dead letter."""

UNANSWERABLE: Final = "UNANSWERABLE"
"""Reason of a dead letter that can be read but not answered: not even a FAIL can be delivered."""


class Decider:
    """Decides events; the record of each is given, and nothing is stored."""

    def __init__(
        self,
        settings: ProcessingSettings,
        topics: TopicCatalog,
        dead_letters: DeadLetters,
        changelog: Changelog | None,
    ) -> None:
        """``changelog`` makes a message for every change of a task; None: there is no changelog."""
        self._settings = settings
        self._dead_letters = dead_letters
        self._changelog = changelog
        self.renderer = Renderer(settings.policy, topics)
        self._replay_renderer = Renderer(settings.policy.within(WIDEST), topics)
        """For kept decisions, which may have been made under other limits."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        """Return the decision on an event about a task; None if the event is deferred."""
        item = work.item
        kept = loaded.kept.get(item.source)
        item.redelivered = kept is not None
        if kept is not None:
            return self._kept_decision(work, record, kept, batch_state)
        if record is not None and isinstance(work.plan.timer, HookToken):
            item.due_ms = next_moment(record)
        try:
            decision = decide(work.plan, record, loaded.now_ms, self._settings.policy, self.renderer)
            decision = self._with_changelog(work, record, decision, loaded.now_ms)
        except EventError as error:
            return self._dead_letter(item, error.message, batch_state)
        except RecordAwaited as awaited:
            batch_state.pause(item.message.partition, item.message.offset, str(awaited))
            return None
        if not work.plan.verb.is_of_task and decision.record is not None:
            batch_state.note_changed(work.plan.key)
        if _replaces(decision, record) and not batch_state.is_first(item.message):
            # A new generation overwrites what redelivery of earlier events would need.
            batch_state.defer(item.message.partition, item.message.offset)
            return None
        return decision

    def immediate_decision(
        self, item: InFlight, plan: ImmediateAnswer, batch_state: BatchState
    ) -> Decision | None:
        """Return the decision on an event that needs no record; None if its home is paused."""
        try:
            return answer_without_record(plan, batch_state.now_ms, self.renderer)
        except EventError as error:
            return self._dead_letter(item, error.message, batch_state)

    def _with_changelog(
        self, work: TaskWork, before: Record | None, decision: Decision, now_ms: int
    ) -> Decision:
        """Return the decision, with changelog messages; FAIL instead where the topic does not take them."""
        item, after = work.item, decision.record
        item.changes = ()
        if self._changelog is None or after is None:
            return decision
        is_state_new = before is None or before.state is not after.state
        try:
            item.changes = self._changelog.changes(
                after, is_state_new=is_state_new, written=decision.written, source=item.source
            )
        except EventError as error:
            return refuse(work.plan.incoming, error, work.plan.task_key, now_ms, self.renderer)
        return decision

    def _kept_decision(
        self, work: TaskWork, record: Record | None, kept: Outcome, batch_state: BatchState
    ) -> Decision | None:
        if not work.plan.verb.is_of_task:
            batch_state.note_changed(work.plan.key)
        if isinstance(kept, Dropped) and not work.plan.incoming.is_timer:
            return self._dead_letter(work.item, kept.reason, batch_state)
        try:
            if self._changelog is not None and record is not None:
                written = (kept.written if isinstance(kept, Done) else None) or {}
                work.item.changes = self._changelog.changes_by(record, written, work.item.source)
            return replay(work.plan, record, kept, self._replay_renderer)
        except EventError as error:
            # The event has been applied and must get its first answer: the topic has to come back.
            message = work.item.message
            batch_state.pause(message.partition, message.offset, error.message)
            return None

    def _dead_letter(self, item: InFlight, text: str, batch_state: BatchState) -> Decision | None:
        dead_letter = self._dead_letters.message_or_pause(item.message, UNANSWERABLE, text, batch_state)
        return None if dead_letter is None else Decision(Dropped(text), (dead_letter,), None, DEAD_LETTER)


def _replaces(decision: Decision, record: Record | None) -> bool:
    """Whether a decision puts a new generation in the place of a closed record."""
    after = decision.record
    return after is not None and record is not None and after.state.source != record.state.source
