"""Parts of a worker that each do without one rule; ``breaks`` puts them in.

Nothing in the runner knows of this: a rule is removed by a part that does without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from msgspec import structs

from runner.actions.decision import ACK, Decision, Done, Dropped, Outcome, OutgoingMessage
from runner.actions.hooks import Doing
from runner.actions.incoming import Incoming
from runner.actions.plan import TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import decide, plan
from runner.actions.render import Renderer
from runner.actions.timer_token import HookToken, TimerToken
from runner.changelog.restorer import Restorer
from runner.changelog.writer import Changelog
from runner.envelope.codec import JsonCodec
from runner.envelope.event import read_event
from runner.errors import TransientError
from runner.kafka.message import Message
from runner.store.calls import (
    Change,
    HomeCall,
    Loaded,
    ShardCall,
)
from runner.tasks.record import Record
from runner.tasks.source import Source
from runner.worker.batch_state import BatchState
from runner.worker.components import Round
from runner.worker.decider import Decider
from runner.worker.delivery import ExactlyOnce
from runner.worker.event_log import LogWriter
from runner.worker.in_flight import TaskWork
from runner.worker.overlap import Step, no_step
from runner.worker.retention import Removals, Retention
from runner.worker.task_processor import TaskProcessor
from runner.worker.timers import Timers
from tests.simulation.log_model import NOTIFICATIONS
from tests.simulation.losses import Lost
from tests.simulation.watch import WatchedRedis


def deciding_with(decider: type[Decider]) -> Callable[..., TaskProcessor]:
    """Give what makes a process whose decider breaks a rule."""

    def made(*args: Any) -> TaskProcessor:
        process = TaskProcessor(*args)
        process._decider.__class__ = decider
        return process

    return made


class AllFirst(BatchState):
    """Takes every event for the first of its home."""

    def is_first(self, message: Message) -> bool:
        """Say that everything before is committed, whether or not it is."""
        del message
        return True


class ReplacesAtOnce(Decider):
    """Starts a new generation in the batch that closed the last one."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        batch_state.__class__ = AllFirst
        return super().decision(work, record, loaded, batch_state)


class RemembersNoRounds(Decider):
    """Forgets what started and closed the generations before the present one."""

    most = 0

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        if record is not None and work.item.source not in loaded.kept:
            identities = record.state.previous_identities
            identities = identities[len(identities) - self.most :]
            state = structs.replace(record.state, previous_identities=identities)
            record = structs.replace(record, state=state)
        return super().decision(work, record, loaded, batch_state)


class RemembersFewRounds(RemembersNoRounds):
    """Forgets what started and closed a generation after four more."""

    most = 8


class TrustsTimers(Decider):
    """Lets a timer end whatever is open under its id, generation and deadline aside."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        if work.plan.incoming.is_timer and record is not None and record.state.deadline_ms is not None:
            token = TimerToken(record.started_by, record.state.deadline_ms, record.state.epoch)
            work = TaskWork(work.item, structs.replace(work.plan, timer=token))
        return super().decision(work, record, loaded, batch_state)


class TrustsHooks(Decider):
    """Lets an event do the hooks of whatever is open under its id, however it stands by then."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        """Take the number that the task has for the one in the event."""
        if isinstance(work.plan.timer, HookToken) and record is not None and record.is_open:
            number = 0 if record.life is None else record.life.number
            token = HookToken(record.started_by, number)
            work = TaskWork(work.item, structs.replace(work.plan, timer=token))
        return super().decision(work, record, loaded, batch_state)


class ClimbsAtOnce(Decider):
    """Does all levels in the event of the first: none gets its time."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        """Do what is to come as if it were due."""
        if isinstance(work.plan.timer, HookToken):
            verb = replace(work.plan.verb, act=_climb)
            work = TaskWork(work.item, structs.replace(work.plan, verb=verb))
        return super().decision(work, record, loaded, batch_state)


def _climb(
    record: Record | None, plan: TaskPlan, now_ms: int, policy: Policy
) -> tuple[Outcome, Record | None]:
    if record is None or plan.timer is None or not plan.timer.matches(record):
        return Dropped(), None
    doing = Doing(record, plan, now_ms, policy)
    doing.do_up_to(now_ms + 50)
    return doing.outcome()


class ActsByTheIndex(Timers):
    """Does hooks where it finds them due, instead of asking the home of their task in its log."""

    def due(self, now: Round) -> list[OutgoingMessage]:
        """Send what is left of the timers."""
        messages = super().due(now)
        hooks = [each for each in messages if b'"HookTask"' in (each.value or b"")]
        for message in hooks:
            self._act(message, now)
        return [each for each in messages if each not in hooks]

    def _act(self, message: OutgoingMessage, now: Round) -> None:
        home = message.partition or 0
        event = read_event(JsonCodec().decode(message.value or b""), message.value or b"")
        source = Source(1, home, 1_000_000 + round(self._ticker() * 1000))
        incoming = Incoming(event, source, message.key, message.value or b"", message.headers)
        asked = plan(incoming, self._policy)
        assert isinstance(asked, TaskPlan)
        loaded = self._store.load(1, [(asked.key, Source(1, home, -1))])
        record = loaded.records[asked.key]
        if record is None:
            return
        decision = decide(asked, record, loaded.now_ms, self._policy, Renderer(self._policy, self._topics))
        if decision.record is not None:
            shard = self._store.shard(asked.key.id)
            change = Change(asked.key, record, decision.record, parts=decision.written)
            call = HomeCall(home, max(now.positions.get(home, 0), 0))
            self._store.apply([ShardCall(shard, 1, (call,), (change,))])


class TellsFirst(ExactlyOnce):
    """Sends notifications in a transaction of their own, before that of the change."""

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Tell, and then send the others as they are."""
        told = [each for each in messages if each.stream == NOTIFICATIONS]
        if not told or self._has_begun:
            super().send(messages)
            return
        self._log.begin()
        try:
            for each in told:
                self._log.produce(each)
            self._log.commit()
        except TransientError:
            self._log.abort()
            raise
        super().send([each for each in messages if each.stream != NOTIFICATIONS])


class ReadsHalf(Restorer):
    """Restores from what the changelog holds up to the first open transaction."""

    def _read(self, shard: Any) -> None:
        before = len(shard.snapshot.values)
        super()._read(shard)
        if shard.phase == "read" and len(shard.snapshot.values) == before:
            shard.phase = "write"


class NeverVerifies(Restorer):
    """Takes whatever server is there for the one that was verified."""

    def verify(self, positions: Mapping[int, int]) -> bool:
        """Verify nothing."""
        self._positions = dict(positions)
        self.bind_server()
        homes = list(positions)
        shard_tokens = self._store.pending_tokens(homes, self._new_token())
        self._store.verified(homes, self._group.homes(), shard_tokens)
        return True


class OffsetsFirst:
    """Commits the offsets, and then sends the messages."""

    def __init__(self, log: LogWriter) -> None:
        self._log = log
        self._messages: list[OutgoingMessage] = []

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        """Keep them for later."""
        self._messages += messages

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        """Two transactions where there should be one."""
        del meanwhile
        log = self._log
        sent, self._messages = [*self._messages, *messages], []
        for part, positions in (((), offsets), (sent, {})):
            log.begin()
            try:
                for outgoing in part:
                    log.produce(outgoing)
                if positions:
                    log.send_offsets(positions, group_metadata)
                log.commit()
            except TransientError:
                log.abort()
                raise

    def abort(self) -> None:
        """Nothing was sent."""
        self._messages.clear()


class WritesWhatStands(Changelog):
    """Writes the record to the changelog as later events left it, when an event is redelivered."""

    def changes_by(
        self, record: Record, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Return the record as it stands."""
        del written
        told = super().changes_by(record, {}, source)
        return (self.changed(record),) if told else told


class WritesOnce(Changelog):
    """Writes nothing to the changelog when an event is redelivered."""

    def changes_by(
        self, record: Record, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Return nothing."""
        del record, written, source
        return ()


class WritesLifeAsItStands(Changelog):
    """Writes what verbs wrote to the changelog as later verbs left it, when an event is redelivered."""

    def changes_by(
        self, record: Record, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Take the parts from the record instead of the kept decision."""
        return super().changes_by(record, {**written, **record.all_parts} if written else written, source)


class LeavesAPartOut(Changelog):
    """Does not write what a comment says to the changelog, as if it were in the life of its task."""

    def changes(
        self, record: Record, *, is_state_new: bool, written: Mapping[str, bytes | None], source: Source
    ) -> tuple[OutgoingMessage, ...]:
        """Leave comments out."""
        told = {name: part for name, part in written.items() if not name.startswith("comment")}
        return super().changes(record, is_state_new=is_state_new, written=told, source=source)


class KeepsOldParts(Decider):
    """Begins a new generation with the parts of the one before."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        """Leave the old parts where they are."""
        decision = super().decision(work, record, loaded, batch_state)
        if decision is None or not isinstance(decision.outcome, Done) or decision.outcome.reply != ACK:
            return decision
        return structs.replace(decision, outcome=structs.replace(decision.outcome, written=None))


class ForgetsVerbs(Decider):
    """Does not remember the verbs of the present round: a repeat is another change."""

    def decision(
        self, work: TaskWork, record: Record | None, loaded: Loaded, batch_state: BatchState
    ) -> Decision | None:
        if record is not None and record.life is not None and work.item.source not in loaded.kept:
            record = structs.replace(record, life=structs.replace(record.life, identities=()))
        return super().decision(work, record, loaded, batch_state)


class RemovesUncommitted(Retention):
    """Writes that a record is gone before its closing is committed."""

    def _is_closing_committed(self, record: Record, position: int) -> bool:
        del position
        return not record.is_open


class RemovesFirst(Retention):
    """Removes records, and then writes that to the changelog."""

    def removals(self, positions: Mapping[int, int]) -> Removals:
        """Return what has been removed."""
        removals = super().removals(positions)
        super().remove(removals, positions)
        return removals


class TakesAnyServer(WatchedRedis):
    """A Redis whose scripts are bound to no server: one that takes over goes on where it stands."""

    def lose(self, taken: Lost) -> None:
        """Lose it, and nobody can tell."""
        super().lose(replace(taken, replaced=False))


class CountsOnce(Restorer):
    """Knows as many homes as there were when it first asked."""

    _first = 0

    def _home_count(self) -> int:
        homes = super()._home_count()
        self._first = self._first or homes
        return self._first


class TrustsItself(Restorer):
    """Verifies homes up to where it has come itself, whoever has come further."""

    def _home_count(self) -> int:
        return self._group.homes()
