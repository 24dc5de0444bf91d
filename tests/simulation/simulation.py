"""One seed, one history: everything is set up, goes wrong, comes to rest, and is checked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

from runner.store.calls import Ownership
from runner.tasks.hooks import next_moment
from runner.tasks.keys import TaskKey
from runner.testing.memory_store import MemoryStore
from tests.simulation.answers import read_answers, read_notifications
from tests.simulation.changelog_check import check_changelog
from tests.simulation.chaos import Chaos
from tests.simulation.group_model import Group
from tests.simulation.history import Violation
from tests.simulation.hook_times import check_hooks
from tests.simulation.ledger import Ledger, check_dead_letters
from tests.simulation.load import Load
from tests.simulation.log_model import DEAD_LETTERS, NOTIFICATIONS, REQUESTS, RESPONSES, Broker
from tests.simulation.losses import some_loss, state_of
from tests.simulation.profile import Profile, profile_of
from tests.simulation.reference import Reference
from tests.simulation.scheduler import Scheduler, Stuck
from tests.simulation.watch import WatchedRedis
from tests.simulation.worker_model import Makers, Scene, Worker, terms_of

MAX_STEPS: Final = 15_000
REST_MS: Final = 20_000
"""How long after the chaos a history may take, at most."""


@dataclass(frozen=True, slots=True)
class Rules:
    """How the parts are made whose rules may be broken."""

    store: Callable[[Callable[[], int], int], MemoryStore] = MemoryStore
    redis: Callable[..., WatchedRedis] = WatchedRedis
    makers: Makers = field(default_factory=Makers)
    cooperative: bool = False
    """Whether the group moves only what has to move."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a seed came to."""

    seed: int
    steps: int
    failure: str | None
    profile: Profile
    counts: Counter[str]
    """How often what happened."""


class History:
    """One history, from its seed."""

    def __init__(self, seed: int, rules: Rules, trace: list[str] | None = None) -> None:
        self._rng = rng = Random(seed)
        self.seed = seed
        self.profile = profile = profile_of(rng)
        self.scheduler = scheduler = Scheduler(rng, MAX_STEPS)
        self._trace = trace
        self.chaos = Chaos(scheduler, rng, profile)
        self.broker = Broker(scheduler, rng, profile.partitions, profile.shards, profile.marker_ms)
        self.group = Group(
            scheduler, rng, profile.partitions, profile.session_ms, cooperative=rules.cooperative
        )
        self.store = rules.store(lambda: scheduler.now_ms, profile.shards)
        ownership = Ownership("cluster", REQUESTS, "topic", "group", profile.partitions)
        self.counts: Counter[str] = Counter()
        self.redis = rules.redis(self.store, ownership, lambda: scheduler.now_ms, self._happened, self.counts)
        self.terms = terms_of(profile)
        self.load = Load(scheduler, self.broker, rng, profile, self._said)
        scene = Scene(
            scheduler,
            self.broker,
            self.group,
            self.redis,
            self.chaos,
            profile,
            self.terms,
            rules.makers,
            self.counts,
            self._said if trace is not None else None,
        )
        self.workers = [Worker(scene, number) for number in range(profile.workers)]

    def run(self) -> Result:
        """Live through it, and check it."""
        failure: str | None = None
        try:
            self._live()
            self._check()
        except (Violation, Stuck) as error:
            failure = f"{type(error).__name__}: {error}"
        except Exception as error:  # a worker that raises is a finding, not the end of the search
            failure = f"raised {type(error).__name__}: {error}"
            if self._trace is not None:
                raise
        finally:
            self.scheduler.close()
        return Result(self.seed, self.scheduler.steps, failure, self.profile, self.counts)

    def _live(self) -> None:
        self.store.open(self.redis.ownership)
        self.broker.on_offsets = self.group.marked
        self.broker.on_change = self._log_changed
        self.group.on_change = self._wake
        self.load.begin()
        for worker in self.workers:
            self.scheduler.after(self._rng.choice((0, 0, 100)), worker.start)
        self._plan_accidents()
        self.scheduler.after(self.profile.chaos_ms, self._calm)
        self.scheduler.run(self._is_at_rest)

    def _calm(self) -> None:
        self._said("calm")
        self.chaos.stop()

    def _happened(self, what: str, key: TaskKey) -> None:
        self.chaos.happened(what)
        if what == "removed":
            self.load.removed(key)

    def _log_changed(self) -> None:
        self._wake()
        self.load.look()

    def _wake(self) -> None:
        for worker in self.workers:
            worker.look()

    def _plan_accidents(self) -> None:
        """Plan what does not happen at a call: outages of the store, workers that are told to stop."""
        rng, chaos_ms = self._rng, self.profile.chaos_ms
        for _ in range(self.profile.losses):
            self.scheduler.after(rng.randrange(chaos_ms), self._loss)
        if self.profile.grows:
            self.scheduler.after(rng.randrange(chaos_ms), self._grow)
        if self.profile.outages:
            self.scheduler.after(rng.randrange(chaos_ms), self._outage)
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            self.scheduler.after(rng.randrange(chaos_ms), lambda: self._stop(rng.choice(self.workers)))

    def _loss(self) -> None:
        """Lose something, now or as it was a little while ago."""
        if not self.chaos.active:
            return
        before, losses = state_of(self.store), self.redis.losses

        def lose() -> None:
            if self.chaos.active:
                # A replica that lags by more than one loss is not modelled.
                lost = some_loss(self._rng, self.store, before if losses == self.redis.losses else None)
                self._said("Redis loses", "its last writes" if lost.left else lost)
                self.redis.lose(lost)
                self.load.lost()

        self.scheduler.after(self._rng.choice((0, 5, 50, 300, 1000)), lose)

    def _grow(self) -> None:
        """Add partitions; messages may be there before the group, or a worker, knows."""
        self.broker.grow(self.profile.grows)
        self.counts["partitions added"] += 1
        homes = len(self.broker.requests)
        self._said("the topic has", homes, "partitions")
        self.scheduler.after(self._rng.choice((0, 10, 300)), lambda: self.group.grow(homes))

    def _outage(self) -> None:
        self.chaos.store_down = self.chaos.active
        self.scheduler.after(self._rng.randrange(500), self._outage_ends)

    def _outage_ends(self) -> None:
        self.chaos.store_down = False

    def _stop(self, worker: Worker) -> None:
        if worker.process is not None and self.chaos.active:
            worker.process.stop()

    def _is_at_rest(self) -> bool:
        """Whether nothing is left to do, now or later."""
        if self.chaos.active or not self.load.is_done or self.broker.open or self.group.pending:
            return False
        for partition in self.broker.requests:
            if next(partition.read(self.group.offsets.get(partition.number, 0)), None) is not None:
                return False
        if self.store.shards_behind(
            1, {home: offset for home, offset in self.group.offsets.items() if offset}
        ):
            return False
        now = self.scheduler.now_ms
        for record in self.store.records():
            state = record.state
            if state.closing is None and (record.deadline_ms, next_moment(record)) != (None, None):
                return False
            if state.closing is not None and state.closing.remove_at_ms < now + REST_MS:
                return False
        return True

    def _check(self) -> None:
        answers = read_answers(self.broker.visible(RESPONSES))
        records = self.store.records()
        told_removed = check_changelog(self.broker, records)
        Ledger(self.load.sent, answers, self.redis.removed | told_removed).check()
        notifications = read_notifications(self.broker.visible(NOTIFICATIONS))
        check_dead_letters(self.load.sent.values(), self.broker.visible(DEAD_LETTERS))
        check_hooks(self.load.sent.values(), notifications)
        reference = Reference(
            self.terms,
            answers,
            notifications,
            self.redis.removed | told_removed,
            self.redis.brought_back,
            partitions=len(self.broker.requests),
            lost=self.redis.losses > 0,
        )
        reference.check(self.broker.visible(REQUESTS), records)

    def _said(self, *words: object) -> None:
        if self._trace is not None:
            now = self.scheduler.now_ms - 1_000_000
            self._trace.append(f"{self.scheduler.steps:6} {now:7} " + " ".join(str(word) for word in words))


def run_seed(seed: int, rules: Rules, trace: list[str] | None = None) -> Result:
    """Return what one seed comes to."""
    return History(seed, rules, trace).run()
