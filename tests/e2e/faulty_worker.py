"""A worker for tests: the real one, which fails at a named point, or breaks a rule, where told to.

    RUNNER_TEST_FAULT=after-send-offsets/3/kill    at the third batch that comes by this point
    RUNNER_TEST_RULE=offsets-first                 offsets in a transaction of their own, before the messages
    RUNNER_TEST_INPUT_FAULT, _INPUT_RULE           the same for what is read from input topics
    RUNNER_TEST_WATCH_SECONDS, _STUCK_SECONDS      how often topics are looked at; when a loop is given up
    RUNNER_TEST_CLOCK=420/1.5                      a clock 420 s ahead that runs half as fast again

Several faults are parted by commas. Run by path, without pytest; without these variables it is the worker as
it is.
"""

import os
import signal
import sys
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, cast

import redis

from runner import log
from runner.actions.decision import OutgoingMessage
from runner.cli.wiring.store import connect_store
from runner.cli.wiring.worker import Assembly, make_delivery, run_worker
from runner.clock import Ticker, monotonic_seconds
from runner.config import load
from runner.config.model import Config
from runner.errors import FatalError, TransientError
from runner.store.calls import NO_READS, Completeness, Loaded, Phase, ShardCall, Verdict
from runner.store.connection.command import OnWait, idle
from runner.store.redis_store import RedisStore
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.worker.delivery import DeliveryMode
from runner.worker.event_log import LogWriter
from runner.worker.overlap import Step, no_step

FAULT: Final = "RUNNER_TEST_FAULT"
RULE: Final = "RUNNER_TEST_RULE"
INPUT_FAULT: Final = "RUNNER_TEST_INPUT_FAULT"
INPUT_RULE: Final = "RUNNER_TEST_INPUT_RULE"
CLOCK: Final = "RUNNER_TEST_CLOCK"
NOT_STARTED: Final = 1
"""Exit code where a server does not answer at the start, as of ``runner worker``."""

WATCH_SECONDS: Final = "RUNNER_TEST_WATCH_SECONDS"

AFTER_LOAD: Final = "after-load"
BETWEEN_SHARDS: Final = "between-shards"
AFTER_APPLY: Final = "after-apply"
AFTER_BEGIN: Final = "after-begin"
AFTER_PRODUCE: Final = "after-produce"
AFTER_SEND_OFFSETS: Final = "after-send-offsets"
AFTER_COMMIT: Final = "after-commit"
POINTS: Final = (
    AFTER_LOAD,
    BETWEEN_SHARDS,
    AFTER_APPLY,
    AFTER_BEGIN,
    AFTER_PRODUCE,
    AFTER_SEND_OFFSETS,
    AFTER_COMMIT,
)
"""In the order in which a batch comes by them."""

RESTORE_BEGUN: Final = "restore-begun"
RESTORE_WRITTEN: Final = "restore-written"
RESTORE_ENDED: Final = "restore-ended"
_RESTORE_POINTS: Final[Mapping[Phase, str]] = {
    Phase.BEGIN: RESTORE_BEGUN,
    Phase.WRITE: RESTORE_WRITTEN,
    Phase.END: RESTORE_ENDED,
}
"""By what was just done in a shard that Redis has lost."""

BETWEEN_TRANSACTIONS: Final = "between-transactions"
OFFSETS_FIRST: Final = "offsets-first"
MESSAGES_FIRST: Final = "messages-first"
KILL: Final = "kill"
STOP: Final = "stop"
HANG: Final = "hang"
FLUSH: Final = "flush"
FLUSH_AND_KILL: Final = "flush-and-kill"
SIGNALS: Final[Mapping[str, int]] = {KILL: signal.SIGKILL, STOP: signal.SIGSTOP}
STUCK_SECONDS: Final = "RUNNER_TEST_STUCK_SECONDS"


@dataclass(slots=True)
class Moment:
    """What happens when the n-th batch comes by a point."""

    point: str
    left: int
    what: str


@dataclass(slots=True)
class Fault:
    """Ends this process, stops it, lets it hang or empties its Redis, each at its moment."""

    moments: list[Moment] = field(default_factory=list)

    def pass_by(self, point: str) -> None:
        """Tell that a batch has come to this point."""
        for moment in self.moments:
            if moment.point == point:
                moment.left -= 1
                if moment.left == 0:
                    _do(moment)


def _do(moment: Moment) -> None:
    log.get("fault").warning("fault", point=moment.point, what=moment.what)
    match moment.what:
        case what if what == HANG:
            threading.Event().wait()
        case "flush":
            _empty_redis()
        case "flush-and-kill":
            _empty_redis()
            os.kill(os.getpid(), signal.SIGKILL)
        case what:
            os.kill(os.getpid(), SIGNALS[what])


def _empty_redis() -> None:
    with redis.Redis.from_url(os.environ["RUNNER_REDIS__URL"]) as client:
        client.flushall()


class FaultyStore:
    """A store that knows when a batch is loaded, and applies one shard at a time."""

    def __init__(self, store: RedisStore, fault: Fault) -> None:
        self._store = store
        self._fault = fault

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def load(
        self,
        incarnation: int,
        reads: Sequence[tuple[TaskKey, Source]],
        completeness: Completeness | None = None,
        on_wait: OnWait = idle,
        parts: Mapping[TaskKey, Collection[str]] = NO_READS,
    ) -> Loaded:
        loaded = self._store.load(incarnation, reads, completeness, on_wait, parts)
        if reads:
            self._fault.pass_by(AFTER_LOAD)
        return loaded

    def apply(self, calls: Sequence[ShardCall], on_wait: OnWait = idle) -> list[Verdict]:
        on_wait()
        verdicts = []
        for i, call in enumerate(calls):
            if i == 1:
                self._fault.pass_by(BETWEEN_SHARDS)
            verdicts += self._store.apply([call])
            if call.restoring is not None:
                self._fault.pass_by(_RESTORE_POINTS[call.restoring.phase])
        return verdicts

    def note_committed(self, incarnation: int, offsets: Mapping[int, int]) -> None:
        if offsets:
            self._fault.pass_by(AFTER_COMMIT)
        self._store.note_committed(incarnation, offsets)


class FaultyShipment:
    """A shipment whose steps are told to the fault, once it has come to its end."""

    def __init__(self, delivery: DeliveryMode, log: LogWriter, fault: Fault) -> None:
        self._log = _ToldLog(log, fault)
        self._delivery = delivery(cast(LogWriter, self._log))
        self._fault = fault

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        self._delivery.send(messages)

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        if offsets:  # timers alone are no batch
            self._fault.pass_by(AFTER_APPLY)
            self._log.is_told = True
        try:
            self._delivery.finish(messages, offsets, group_metadata, meanwhile)
        finally:
            self._log.is_told = False

    def abort(self) -> None:
        self._delivery.abort()


class _ToldLog:
    """The steps of one transaction, told to the fault."""

    def __init__(self, log: LogWriter, fault: Fault) -> None:
        self._log = log
        self._fault = fault
        self.is_told = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)

    def begin(self) -> None:
        self._log.begin()
        if self.is_told:
            self._fault.pass_by(AFTER_BEGIN)

    def send_offsets(self, offsets: Mapping[int, int], group_metadata: Any) -> None:
        # What was produced is in the log, not only in the client's queue.
        self._log.flush()
        self._fault.pass_by(AFTER_PRODUCE)
        self._log.send_offsets(offsets, group_metadata)
        self._fault.pass_by(AFTER_SEND_OFFSETS)


class TwoTransactions:
    """Breaks the rule that messages and offsets are committed together."""

    def __init__(self, log: LogWriter, fault: Fault, *, offsets_first: bool) -> None:
        self._log = log
        self._fault = fault
        self._offsets_first = offsets_first
        self._messages: list[OutgoingMessage] = []

    def send(self, messages: Sequence[OutgoingMessage]) -> None:
        self._messages += messages

    def finish(
        self,
        messages: Sequence[OutgoingMessage],
        offsets: Mapping[int, int],
        group_metadata: Any,
        meanwhile: Step = no_step,
    ) -> None:
        del meanwhile  # what is not decoded now is decoded later
        sent, self._messages = [*self._messages, *messages], []
        steps = [
            lambda: _commit_messages(self._log, sent),
            lambda: _commit_offsets(self._log, offsets, group_metadata),
        ]
        if self._offsets_first:
            steps.reverse()
        steps[0]()
        if sent and offsets:
            self._fault.pass_by(BETWEEN_TRANSACTIONS)
        steps[1]()

    def abort(self) -> None:
        self._messages.clear()


def _commit_messages(log: LogWriter, messages: Sequence[OutgoingMessage]) -> None:
    log.begin()
    for outgoing in messages:
        log.produce(outgoing)
    log.commit()


def _commit_offsets(log: LogWriter, offsets: Mapping[int, int], group_metadata: Any) -> None:
    log.begin()
    if offsets:
        log.send_offsets(offsets, group_metadata)
    log.commit()


def main() -> int:
    """Run one worker; the exit code is that of ``runner worker``."""
    log.configure("json", "info")
    fault = _fault(os.environ.pop(FAULT, ""))
    rule = os.environ.pop(RULE, "")
    input_fault = _fault(os.environ.pop(INPUT_FAULT, ""))
    input_rule = os.environ.pop(INPUT_RULE, "")
    usual = Assembly()
    watch_seconds = float(os.environ.pop(WATCH_SECONDS, usual.watch_seconds))
    stuck_seconds = float(os.environ.pop(STUCK_SECONDS, usual.stuck_seconds))
    assembly = replace(
        usual,
        store=lambda config: cast(RedisStore, FaultyStore(connect_store(config), fault)),
        delivery=lambda config: _delivery(config, rule, fault),
        input_delivery=lambda config: _delivery(config, input_rule, input_fault),
        ticker=_ticker(os.environ.pop(CLOCK, "0/1")),
        watch_seconds=watch_seconds,
        stuck_seconds=stuck_seconds,
    )
    try:
        return run_worker(load(None, os.environ), assembly)
    except FatalError as error:
        log.get("worker").error("fatal", code=error.label, reason=str(error))
        return error.exit_code
    except TransientError as error:
        log.get("worker").error("not_started", code=error.label, reason=str(error))
        return NOT_STARTED


def _delivery(config: Config, rule: str, fault: Fault) -> DeliveryMode:
    if rule in {OFFSETS_FIRST, MESSAGES_FIRST}:
        return lambda log: TwoTransactions(log, fault, offsets_first=rule == OFFSETS_FIRST)
    delivery = make_delivery(config)
    return lambda log: FaultyShipment(delivery, log, fault)


def _ticker(text: str) -> Ticker:
    """Return a clock that is wrong by so many seconds, and more so by the second."""
    ahead, speed = (float(part) for part in text.split("/"))
    began = monotonic_seconds()
    return lambda: began + ahead + (monotonic_seconds() - began) * speed


def _fault(text: str) -> Fault:
    parts = [each.split("/") for each in text.split(",") if each]
    return Fault([Moment(point, int(count), what) for point, count, what in parts])


if __name__ == "__main__":
    sys.exit(main())
