"""The loop of ``runner notify``: reads notifications, has them sent, and commits what is done.

These are the steps for one message; after each is said what happens if the process dies there:

1. It is read, and its plan is made.                    Nothing is committed: it is read again.
2. Its letters are sent, by threads, each until it      Those that were sent may be sent again: at least once.
   arrives or is given up.
3. What was given up, or can never be sent, is          The same, and the dead letter may be written again.
   written to the dead letters, and acknowledged.
4. Once all before it are done as well, the offset is   It is never read again.
   committed.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from runner.clock import Ticker
from runner.errors import LogUnavailable, PoisonError
from runner.kafka.message import Message
from runner.kafka.offsets import EARLIEST
from runner.notify.dispatcher import Job
from runner.notify.memory import Memory
from runner.notify.notice import Notice, read_notice
from runner.notify.planning import DIRECTORY, NoticePlan, Planned, Planner, Unreachable
from runner.notify.positions import Position
from runner.notify.routes import RECIPIENTS
from runner.notify.senders import Attempt, Senders

RECIPIENT: Final = "notify-recipient"
"""Header of a dead letter: the one recipient whom it did not reach. Replayed, it goes to no other."""
KIND: Final = "notify-channel"
"""Header of a dead letter: the kind of channel, as ``mailto``."""

NOT_SENT: Final = "NOT_SENT"
DIRECTORY_DOWN: Final = "DIRECTORY_DOWN"
NO_ROOM: Final = "NO_ROOM"

POLL_SECONDS: Final = 0.05
POLL_MESSAGES: Final = 100
REVOKE_SECONDS: Final = 5.0
"""How long a rebalance waits for letters that are just being sent."""
_ROOM: Final = 0.75
"""Share of the room below which reading goes on."""
LOOK_UPS: Final = 4
"""Questions to the directory at the same time."""
EXPIRE_SECONDS: Final = 1.0
"""Between two looks for what has waited too long."""
AGAIN_SECONDS: Final = 1.0
"""Between two attempts to write to Kafka after one that failed."""


class NotificationLog(Protocol):
    """The topic as the group reads it; LogUnavailable where Kafka does not answer."""

    def poll(self, max_messages: int, timeout_seconds: float) -> list[Message]: ...

    def read_from(self, positions: Mapping[int, int]) -> dict[int, int]: ...

    def committed(self, partitions: Collection[int]) -> Mapping[int, int | None]: ...

    def pause(self, partitions: Collection[int]) -> None: ...

    def resume(self, partitions: Collection[int]) -> None: ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that did not reach a recipient, or nobody."""

    message: Message
    reason: str
    text: str
    recipient: str = ""
    """Empty: nobody at all was told."""
    kind: str = ""


class Writing(Protocol):
    """What is written to Kafka; returns once it is acknowledged, else LogUnavailable."""

    def bury(self, letters: Collection[DeadLetter]) -> None: ...

    def commit(self, offsets: Mapping[int, int]) -> None: ...


class Observer(Protocol):
    """Is told what happens; must not raise."""

    def tick(self) -> None: ...

    def partitions(self, assigned: Collection[int], *, paused: bool) -> None: ...

    def read(self, result: str) -> None: ...

    def attempted(self, notice: Notice, recipient: str, attempt: Attempt) -> None: ...

    def buried(self, letter: DeadLetter) -> None: ...

    def log_down(self, why: str | None) -> None: ...

    def state(self, waiting: int, down: Mapping[str, str]) -> None: ...


@dataclass(frozen=True, slots=True)
class NotifierSettings:
    """Bounds of the loop."""

    limit_bytes: int = 1_000_000
    """Largest message that is read."""
    most_waiting: int = 10_000
    """Messages that were read and are not finished."""
    most_waiting_bytes: int = 64 * 1_048_576
    memory: int = 100_000
    """Letters that are remembered as sent."""
    drain_seconds: float = 20.0
    """How long a stop waits for what is being sent."""


@dataclass(slots=True, eq=False)
class _Message:
    """A message on its way: finished once nothing of it is left."""

    message: Message
    position: Position
    left: int = 1
    """Jobs, dead letters and steps that are not done."""
    is_given_away: bool = False
    """Whether the partition was taken away meanwhile."""

    @property
    def size(self) -> int:
        return len(self.message.value or b"")


@dataclass(slots=True, eq=False)
class _Sending(Job):
    """A job of a message."""

    origin: _Message = field(kw_only=True)
    plan: NoticePlan = field(kw_only=True)
    recipient: str = field(kw_only=True)

    @property
    def is_look_up(self) -> bool:
        return self.channel == DIRECTORY


class Notifier:
    """Reads one topic as a member of a group, from ``run`` until told to stop. Owned by one thread."""

    def __init__(
        self,
        writing: Writing,
        planner: Planner,
        senders: Senders,
        settings: NotifierSettings,
        observer: Observer,
        ticker: Ticker,
    ) -> None:
        self.log: NotificationLog
        self._writing = writing
        self._planner = planner
        self._senders = senders
        self._memory = Memory(settings.memory)
        self._settings = settings
        self._observer = observer
        self._ticker = ticker
        self._positions: dict[int, Position] = {}
        self._to_open: set[int] = set()
        self._dead: list[tuple[_Message, DeadLetter]] = []
        self._messages = 0
        self._bytes = 0
        self._is_paused = False
        self._write_again_seconds = self._expire_seconds = ticker()

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Go on until ``should_stop``; then finish what is being sent, and commit. Raises FatalError."""
        self.run_rounds(should_stop)
        self._drain()

    def run_rounds(self, should_stop: Callable[[], bool]) -> None:
        """Go on until ``should_stop``, and leave everything as it is then."""
        while not should_stop():
            self._observer.tick()
            self._open()
            for message in self.log.poll(POLL_MESSAGES, POLL_SECONDS):
                self._take(message)
            self._settle()
            self._write()
            self._observer.state(self._messages, self._senders.down())

    # -- rebalances, inside poll ---------------------------------------------------------------------

    def assigned(self, partitions: Collection[int]) -> None:
        """Read these from the next round on."""
        self._to_open.update(partitions)

    def revoked(self, partitions: Collection[int]) -> None:
        """Let go of these: what has not begun is left to others, what is done is committed."""
        self._to_open -= set(partitions)
        gone = {number: self._positions[number] for number in partitions if number in self._positions}
        if not gone:
            return
        for position in gone.values():
            position.is_leaving = True
        for job in self._senders.withdraw(_is_leaving):
            self._forget(job)
        # What is still being sent after that ends later, and then nothing follows from it.
        self._wait(lambda: self._senders.is_busy(_is_leaving), REVOKE_SECONDS)
        self._last_words(gone)
        for number in gone:
            del self._positions[number]
        self._observer.partitions(self._positions, paused=self._is_paused)

    def _wait(self, is_busy: Callable[[], bool], seconds: float) -> None:
        deadline = self._ticker() + seconds
        while is_busy() and self._ticker() < deadline:
            self._observer.tick()
            self._senders.pause(POLL_SECONDS)
        self._settle()

    def _open(self) -> None:
        if not self._to_open or self._ticker() < self._write_again_seconds:
            return
        opening = sorted(self._to_open)
        try:
            committed = self.log.committed(opening)
            starts = {number: committed.get(number) for number in opening}
            # Nothing committed yet: from the first message on, for somebody may wait for each of them.
            began = self.log.read_from({n: EARLIEST if at is None else at for n, at in starts.items()})
        except LogUnavailable as error:
            self._failed(error)
            return
        self._to_open.clear()
        self._positions |= {number: Position(at) for number, at in began.items()}
        if self._is_paused:
            self.log.pause(opening)
        self._observer.partitions(self._positions, paused=self._is_paused)

    # -- the way of a message ------------------------------------------------------------------------

    def _take(self, message: Message) -> None:
        position = self._positions.get(message.partition)
        if position is None:
            return
        position.began(message.offset)
        origin = _Message(message, position)
        self._messages += 1
        self._bytes += origin.size
        try:
            notice = read_notice(message.value, self._settings.limit_bytes)
        except PoisonError as error:
            self._observer.read("refused")
            self._give_up(origin, DeadLetter(message, error.reason, str(error)))
        else:
            self._begin(origin, self._planner.plan(notice, _header(message, RECIPIENT)))
        self._done(origin)

    def _begin(self, origin: _Message, plan: NoticePlan) -> None:
        self._observer.read("unrouted" if plan.is_empty else "routed")
        try:
            found = plan.to_channels()
        except PoisonError as error:
            self._give_up(origin, DeadLetter(origin.message, error.reason, str(error)))
            return
        self._send(origin, plan, found)
        if plan.needs_directory:
            lane = (DIRECTORY, plan.notice.domain, plan.notice.task_id)
            look_up = _Sending(
                DIRECTORY,
                DIRECTORY,
                lane,
                plan.look_up,
                LOOK_UPS,
                origin=origin,
                plan=plan,
                recipient=RECIPIENTS,
            )
            self._add(origin, look_up)

    def _send(self, origin: _Message, plan: NoticePlan, found: Collection[Planned | Unreachable]) -> None:
        for each in found:
            if isinstance(each, Unreachable):
                self._give_up(origin, DeadLetter(origin.message, each.reason, each.why, each.recipient))
            elif self._memory.has(plan.notice, each.recipient):
                self._observer.read("repeated")
            else:
                self._add(origin, self._sending(origin, plan, each))

    def _sending(self, origin: _Message, plan: NoticePlan, planned: Planned) -> _Sending:
        notice, memory = plan.notice, self._memory

        def attempt() -> str:
            # Asked again: the same may have been on its way when the partition was taken away and came back.
            if memory.has(notice, planned.recipient):
                return ""
            reason = planned.attempt()
            if not reason:
                memory.note(notice, planned.recipient)
            return reason

        lane = (planned.recipient, notice.domain, notice.task_id)
        where = (planned.channel, planned.kind, lane, attempt, planned.at_once)
        return _Sending(*where, origin=origin, plan=plan, recipient=planned.recipient)

    def _add(self, origin: _Message, sending: _Sending) -> None:
        origin.left += 1
        self._senders.add(sending)

    def _settle(self) -> None:
        """Draw the consequences of the attempts that have ended, and give up what has waited too long."""
        for attempt in self._senders.finished():
            sending = attempt.job
            if isinstance(sending, _Sending):
                self._settle_one(sending, attempt)
        if self._ticker() >= self._expire_seconds:
            self._expire_seconds = self._ticker() + EXPIRE_SECONDS
            for job in self._senders.expired():
                self._dead_letter_of(job, NOT_SENT)

    def _settle_one(self, sending: _Sending, attempt: Attempt) -> None:
        self._observer.attempted(sending.plan.notice, sending.recipient, attempt)
        if not attempt.is_over:
            return
        if attempt.reason:
            self._dead_letter_of(sending, NOT_SENT)
            return
        if sending.is_look_up:
            self._tell_people(sending.origin, sending.plan)
        self._done(sending.origin)

    def _tell_people(self, origin: _Message, plan: NoticePlan) -> None:
        if origin.position.is_leaving:
            origin.is_given_away = True
            return
        try:
            found = plan.to_people()
        except PoisonError as error:
            self._give_up(origin, DeadLetter(origin.message, error.reason, str(error), RECIPIENTS))
            return
        self._send(origin, plan, found)

    def _dead_letter_of(self, job: Job, reason: str) -> None:
        """Put a job that is not tried again among the dead letters."""
        if not isinstance(job, _Sending):
            return
        origin = job.origin
        why = job.reason or self._senders.down().get(job.channel, "") or "its channel is down"
        text = f"not sent after {job.failures} attempts: {why}"
        reason = DIRECTORY_DOWN if job.is_look_up and reason == NOT_SENT else reason
        self._give_up(origin, DeadLetter(origin.message, reason, text, job.recipient, job.kind))
        self._done(origin)

    def _give_up(self, origin: _Message, letter: DeadLetter) -> None:
        origin.left += 1
        self._dead.append((origin, letter))

    def _forget(self, job: Job) -> None:
        """Drop a job of a partition that others read now."""
        if isinstance(job, _Sending):
            job.origin.is_given_away = True
            self._done(job.origin)

    def _done(self, origin: _Message) -> None:
        origin.left -= 1
        if origin.left == 0:
            self._messages -= 1
            self._bytes -= origin.size
            if not origin.is_given_away:
                origin.position.finished(origin.message.offset)

    # -- room, and what is written -------------------------------------------------------------------

    def _make_room(self) -> None:
        """Read no more while too much waits; what waits for channels that fail is given up for the others."""
        is_full = self._fills(1)
        has_room = not self._fills(_ROOM)
        if is_full or (self._is_paused and not has_room):
            for job in self._senders.stuck(max(1, self._settings.most_waiting // 4)):
                self._dead_letter_of(job, NO_ROOM)
        if is_full != self._is_paused and (is_full or has_room):
            self._is_paused = is_full
            (self.log.pause if is_full else self.log.resume)(list(self._positions))
            self._observer.partitions(self._positions, paused=is_full)

    def _fills(self, share: float) -> bool:
        """Whether what waits fills a share of the room."""
        settings = self._settings
        return (
            self._messages >= settings.most_waiting * share
            or self._bytes >= settings.most_waiting_bytes * share
        )

    def _write(self) -> None:
        """Write and commit what there is; a step that fails is repeated later, the others go on."""
        if self._ticker() < self._write_again_seconds:
            return
        is_well = True
        for step in (self._make_room, self._bury, lambda: self._commit(self._positions)):
            try:
                step()
            except LogUnavailable as error:
                self._failed(error)
                is_well = False
        if is_well:
            self._observer.log_down(None)

    def _last_words(self, positions: Mapping[int, Position]) -> None:
        """Write and commit once more what is done, before these are given away; others repeat what is not."""
        with suppress(LogUnavailable):
            self._bury()
        with suppress(LogUnavailable):
            self._commit(positions)

    def _failed(self, error: LogUnavailable) -> None:
        self._write_again_seconds = self._ticker() + AGAIN_SECONDS
        self._observer.log_down(str(error))

    def _bury(self) -> None:
        """Write the dead letters; what they are about is done only once they are acknowledged.

        One that the topic does not take holds up its own partition, and no other dead letter.
        """
        if not self._dead:
            return
        try:
            self._bury_together(list(self._dead))
        except LogUnavailable as error:
            if not error.refused or len(self._dead) == 1:
                raise
            for each in list(self._dead):
                with suppress(LogUnavailable):
                    self._bury_together([each])
            if self._dead:
                raise

    def _bury_together(self, dead: list[tuple[_Message, DeadLetter]]) -> None:
        self._writing.bury([letter for _, letter in dead])
        for each in dead:
            self._dead.remove(each)
            origin, letter = each
            self._observer.buried(letter)
            self._done(origin)

    def _commit(self, positions: Mapping[int, Position]) -> None:
        ready = {number: position.to_commit() for number, position in positions.items()}
        offsets = {number: offset for number, offset in ready.items() if offset is not None}
        if offsets:
            self._writing.commit(offsets)
            for number, offset in offsets.items():
                positions[number].committed(offset)

    def _drain(self) -> None:
        """Finish what is being sent or may be sent at once; leave what waits for another attempt."""
        deadline = self._ticker() + self._settings.drain_seconds
        while self._senders.gets_on() and self._ticker() < deadline:
            self._observer.tick()
            self._senders.pause(POLL_SECONDS)
            self._settle()
        self._senders.close()
        self._wait(lambda: self._senders.is_busy(_any), max(0.0, deadline - self._ticker()))
        self._last_words(self._positions)


def _any(_: Job) -> bool:
    return True


def _is_leaving(job: Job) -> bool:
    return isinstance(job, _Sending) and job.origin.position.is_leaving


def _header(message: Message, name: str) -> str:
    value: Any = dict(message.headers).get(name, b"")
    return (value or b"").decode("utf-8", "replace")
