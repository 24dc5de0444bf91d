"""A worker process: the real loop with all its real parts, over models of log and store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import Final

import greenlet

from runner.actions.policy import DomainPolicy, Policy
from runner.changelog.restorer import Extent, Restorer
from runner.changelog.writer import Changelog
from runner.envelope.codec import JsonCodec
from runner.envelope.event import NO_RULES
from runner.errors import FatalError
from runner.tasks.keys import spaces_of
from runner.worker.components import Components, LoopLimits
from runner.worker.delivery import DeliveryMode, ExactlyOnce
from runner.worker.loop import Loop
from runner.worker.overlap import Step
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.retention import Retention
from runner.worker.schedule import StoreClock
from runner.worker.task_processor import TaskProcessor as Harness
from runner.worker.timers import Timers, TimerSettings
from tests.simulation.changelog_model import ChangelogModel
from tests.simulation.chaos import Chaos
from tests.simulation.group_model import Group
from tests.simulation.listener import Listener
from tests.simulation.load import ADMIN
from tests.simulation.log_client import LogClient
from tests.simulation.log_model import DEAD_LETTERS, NOTIFICATIONS, TASKS, Broker
from tests.simulation.profile import Profile
from tests.simulation.scheduler import Fiber, Scheduler
from tests.simulation.store_model import Redis, StoreClient
from tests.simulation.topic_model import KnownTopic, Topics


def terms_of(profile: Profile) -> ProcessingSettings:
    """Return what a process is set up with."""
    policy = Policy(
        domains={
            name: DomainPolicy(retention_ms=profile.retention_ms, admin_role=ADMIN, notify=NOTIFIED)
            for name in profile.domains
        },
        period_chunk=profile.period_chunk,
        hook_ms=1,
        notifications=NOTIFICATIONS if profile.verbs else None,
    )
    return ProcessingSettings(policy, JsonCodec(), NO_RULES, 1, 0, profile.slice_events)


def _more_first(call: Callable[[], None], more: Step) -> None:
    """Decode all that waits, and then find out what becomes of this batch."""
    while more():
        pass
    call()


NOTIFIED: Final = frozenset(
    {
        *("created", "assigned", "released", "saved", "commented", "comment_edited", "comment_deleted"),
        *("reminded", "escalated", "updated", "proceeded", "timed_out", "cancelled"),
    }
)
"""Everything is told, so that the reference sees what every event did, and when."""

SIZES: Final = (2, 1)
"""Records that are restored in a round trip, and in a call: a history has few tasks."""

_DECODED_FIRST: Final[DeliveryMode] = partial(ExactlyOnce, overlap=_more_first)


@dataclass(frozen=True, slots=True)
class Makers:
    """How the parts of a worker are made: the real ones, unless a rule is to be broken."""

    harness: Callable[..., Harness] = Harness
    delivery: DeliveryMode = _DECODED_FIRST
    changelog: Callable[..., Changelog] = Changelog
    retention: Callable[..., Retention] = Retention
    restorer: Callable[..., Restorer] = Restorer
    timers: Callable[..., Timers] = Timers


@dataclass(frozen=True, slots=True)
class Scene:
    """What all workers of a history share."""

    scheduler: Scheduler
    broker: Broker
    group: Group
    redis: Redis
    chaos: Chaos
    profile: Profile
    terms: ProcessingSettings
    makers: Makers
    counts: Counter[str]
    """How often what happened."""
    trace: Callable[..., None] | None


class Worker:
    """A place where worker processes run, one after another."""

    def __init__(self, scene: Scene, number: int) -> None:
        self._scene = scene
        self._number = number
        self._lives = 0
        self.process: WorkerProcess | None = None

    def start(self) -> None:
        """Start a fresh process."""
        self._lives += 1
        self.process = WorkerProcess(self._scene, f"w{self._number}.{self._lives}", self._ended)

    def look(self) -> None:
        """Let it go on if what it waits for is there."""
        if self.process is not None:
            self.process.look()

    def _ended(self) -> None:
        self.process = None
        session_ms = self._scene.profile.session_ms
        self._scene.scheduler.after(self._scene.chaos.one_of((1, 50, session_ms, 1000)), self.start)


class WorkerProcess:
    """One process: a loop, its clients, and its fiber."""

    def __init__(self, scene: Scene, name: str, ended: Callable[[], None]) -> None:
        self.name = name
        self._scene = scene
        self._ended = ended
        self._asleep = False
        self._until: Callable[[], bool] | None = None
        self._stopping = False
        self._tokens = count()
        self._log = LogClient(scene.scheduler, scene.broker, scene.group, scene.profile, scene.chaos)
        self._loop = self._made()
        self._log.attach(self, self._loop)
        self._fiber: Fiber = scene.scheduler.spawn(name, self._run)
        self.trace("starts")

    @property
    def is_awake(self) -> bool:
        """Whether it runs."""
        return not self._asleep

    def stop(self) -> None:
        """Ask it to finish what it does and to leave."""
        self._stopping = True

    def look(self) -> None:
        """Go on if what it waits for is there."""
        if self._until is not None and self._until():
            self._fiber.wake()

    def trace(self, *said: object) -> None:
        """Say what happens, if someone listens."""
        if self._scene.trace is not None:
            self._scene.trace(self.name, *said)

    def point(self, name: str, ms: int = 0, until: Callable[[], bool] | None = None) -> None:
        """Suspend before a call; the process may not come back from it."""
        self.passing(name)
        if until is None:
            self._fiber.wait(ms)
            return
        self._until = until
        self._fiber.wait(0 if until() else ms)
        self._until = None

    def passing(self, name: str) -> None:
        """Pass a point at which nobody else goes on."""
        self._fiber.check()
        self._scene.chaos.at(name, self)

    def kill(self) -> None:
        """End now, from inside; the session ends when nobody has heard of it for long enough."""
        self._cut_off("killed")
        self._scene.scheduler.after(
            self._scene.profile.session_ms, lambda: self._scene.group.leave(self.name)
        )
        self._end()
        raise greenlet.GreenletExit

    def sleep(self, ms: int) -> None:
        """Do nothing, not even heartbeats."""
        self._cut_off("asleep")
        self._asleep = True
        self._scene.scheduler.after(self._scene.profile.session_ms, self._missed)
        self._scene.chaos.sleeper(lambda: self._fiber.wake(2))
        self._fiber.wait(ms)
        self._asleep = False
        self.trace("wakes")

    def _cut_off(self, how: str) -> None:
        """Say and count that it is killed, or falls asleep; in the midst of restoring or not."""
        self.trace("is killed" if how == "killed" else "falls asleep")
        self._scene.counts[f"{how} while restoring" if self._restorer.is_busy else how] += 1

    def _missed(self) -> None:
        if self._asleep:
            self._scene.group.leave(self.name)

    def _run(self) -> None:
        try:
            self._loop.run(lambda: self._stopping)
        except FatalError as error:
            self.trace("exits:", error.label, error)
        self._log.close()
        self._end()

    def _end(self) -> None:
        self._log.detach()
        self._scene.scheduler.end(self._fiber)
        self._ended()

    def _made(self) -> Loop:
        scene, profile, terms = self._scene, self._scene.profile, self._scene.terms
        offset = scene.chaos.some_ms(100_000)

        def ticker() -> float:
            return (scene.scheduler.now_ms + offset) / 1000

        topic = KnownTopic(scene.scheduler, scene.broker, profile)
        ownership = replace(scene.redis.ownership, partitions=topic.homes())
        store = StoreClient(scene.redis, self, scene.chaos, scene.scheduler, ownership)
        time = StoreClock(ticker)
        settings = TimerSettings(profile.timer_chunk, profile.lease_ms / 1000)
        topics = Topics()
        changelog = scene.makers.changelog(TASKS, topics, store.shard)
        observer = Listener(scene.counts, scene.trace and self.trace)
        self._restorer = scene.makers.restorer(
            store,
            ChangelogModel(scene.broker, self),
            Extent(spaces_of(terms.policy.domains), terms.incarnation, self._log),
            lambda: f"{self.name}-{next(self._tokens)}",
            observer,
            SIZES,
        )
        policy = replace(terms.policy, partitions=topic.homes())
        terms = replace(terms, policy=policy)
        harness = scene.makers.harness(terms, store, topics, DEAD_LETTERS, changelog)
        retention = scene.makers.retention(
            store, terms.policy, terms.incarnation, time, changelog, observer.removed
        )
        parts = Components(
            log=self._log,
            topic=topic,
            store=store,
            processor=harness,
            delivery=scene.makers.delivery,
            incarnation=terms.incarnation,
            duties=[scene.makers.timers(store, terms.policy, topics, settings, time, ticker), retention],
            guards=[self._restorer],
            before_opening=[self._restorer.bind_server],
            pings=[store.ping],
        )
        limits = LoopLimits(
            batch_events=profile.batch_events,
            poll_seconds=profile.poll_seconds,
            retry_seconds=0.03,
            paused_seconds=0.5,
            verify_seconds=profile.verify_ms / 1000,
        )
        return Loop(parts, limits, observer, ticker)
