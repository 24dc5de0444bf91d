"""From the configuration to one worker process: its parts are put together, run, and taken down."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from runner import log
from runner.changelog.writer import Changelog
from runner.cli.stopping import Stopping, stopping_by_signal
from runner.cli.wiring.events import build_policy, build_rules, check_event_settings
from runner.cli.wiring.input_topics import Surroundings, input_threads
from runner.cli.wiring.log import Listener, make_log
from runner.cli.wiring.store import (
    connect_store,
    describe_unreachable,
    make_restorers,
    open_store,
    settle_changelog,
)
from runner.cli.wiring.traces import open_traces
from runner.clock import Ticker, monotonic_seconds
from runner.config import Config, check_properties
from runner.config.clients import check_tls_files
from runner.errors import FatalError, PositionUnknown
from runner.kafka.clients import connect_admin
from runner.kafka.codecs import build_codecs
from runner.kafka.kafka_log import KafkaLog
from runner.kafka.preflight import check_topics, dispensable_topics, topic_id, topic_names
from runner.kafka.topics import (
    EVERY_SECONDS,
    Cluster,
    KafkaTopicCatalog,
    TopicWatch,
    ask_cluster,
    without_unwritable,
)
from runner.metrics import Metrics
from runner.store.calls import IndexKind, Opened
from runner.store.redis_store import RedisStore
from runner.telemetry.health_server import HealthServer
from runner.telemetry.reporter import Reporter
from runner.worker.components import Components, LoopLimits
from runner.worker.delivery import AtLeastOnce, DeliveryMode, ExactlyOnce
from runner.worker.gc_pacer import GcPacer
from runner.worker.health import HealthState
from runner.worker.loop import Loop
from runner.worker.overlap import OverlapThread
from runner.worker.processing_settings import ProcessingSettings
from runner.worker.retention import Retention
from runner.worker.schedule import StoreClock
from runner.worker.starting import Start
from runner.worker.task_processor import TaskProcessor
from runner.worker.timers import Timers, TimerSettings
from runner.worker.watchdog import STUCK_SECONDS, Watchdog

_TRY_SECONDS: Final = 5.0
"""How long Kafka is asked before the log says that it does not answer."""

_log: Final = log.get("worker")


def make_delivery(config: Config) -> DeliveryMode:
    """Return the way in which batches reach Kafka; what comes next is decoded meanwhile."""
    return partial(make_input_delivery(config), overlap=OverlapThread())


def make_input_delivery(config: Config) -> type[ExactlyOnce | AtLeastOnce]:
    """Return the same for an input topic, of which nothing is prefetched."""
    return ExactlyOnce if config.delivery == "exactly_once" else AtLeastOnce


@dataclass(frozen=True, slots=True)
class Assembly:
    """How the parts that reach other systems are made; a test puts in parts that end at a named point."""

    store: Callable[[Config], RedisStore] = connect_store
    delivery: Callable[[Config], DeliveryMode] = make_delivery
    input_delivery: Callable[[Config], DeliveryMode] = make_input_delivery
    ticker: Ticker = monotonic_seconds
    """The clock of the loop and its timers; it only measures how long something takes."""
    watch_seconds: float = EVERY_SECONDS
    """Between two looks at the topics."""
    stuck_seconds: float = STUCK_SECONDS
    """After which a loop that does not come round is given up."""


USUAL: Final = Assembly()


def run_worker(config: Config, assembly: Assembly = USUAL) -> int:
    """Run one worker until a signal; returns the exit code.

    Raises ConfigError and FatalError for what a person must mend, and for who has not answered within
    ``worker.startSeconds``. The first SIGTERM or SIGINT finishes the batch in hand and leaves the group,
    within ``worker.shutdownSeconds``, or ends the start where it is; a second one ends the process at
    once. Nothing is lost either way.
    """
    check_properties(config)
    check_tls_files(config)
    check_event_settings(config)
    with stopping_by_signal(config.worker.shutdown_seconds) as stopping, ExitStack() as stack:
        worker = _Worker(config, stack, assembly, stopping)
        stopping.begun()
        worker.run()
    _log.info("stopped")
    return 0


class _Worker:
    """One worker and everything it holds open."""

    def __init__(self, config: Config, stack: ExitStack, assembly: Assembly, stopping: Stopping) -> None:
        self._config = config
        self._stopping = stopping
        self._assembly = assembly
        self._metrics, self._state = Metrics(), HealthState(assembly.ticker())
        self._health = stack.enter_context(self._serve()) if config.http.port else None
        start = Start(
            config.worker.start_seconds,
            self._state,
            stopping.pause,
            lambda error: describe_unreachable(error, config),
            assembly.ticker,
        )
        self._codecs = build_codecs(config)
        stack.callback(self._codecs.close)
        self._tracer = open_traces(config, self._metrics, stack)
        admin, topics_named = connect_admin(config), topic_names(config)

        def ask() -> Cluster:
            admin.metadata()
            return ask_cluster(admin.client, topics_named)

        cluster = start.answered(ask)
        start.answered(self._codecs.prepare)
        store = assembly.store(config)
        stack.callback(store.close)
        self._config = config = start.answered(partial(settle_changelog, config, store))
        cluster = without_unwritable(cluster, dispensable_topics(config))
        for reason in check_topics(config, cluster):
            _log.warning("little_room", reason=reason)
        opened = start.answered(lambda: open_store(store, config, cluster))
        by_suffix = config.responses.partitioner == "suffix"
        topics = KafkaTopicCatalog(cluster, self._codecs.by_topic, self._codecs.default, by_suffix=by_suffix)
        self._watch = TopicWatch(
            admin.client,
            topics,
            config.topics.requests,
            topics_named,
            assembly.watch_seconds,
            tuple(filter(None, (config.topics.notifications, *dispensable_topics(config)))),
        )
        surroundings = self._surroundings(topics, opened, cluster.topics[config.topics.requests].partitions)
        self._loop, kafka = self._make_loop(surroundings, store, opened, cluster)
        self._inputs = input_threads(surroundings)
        stack.callback(kafka.close)
        self._watch.start()
        stack.callback(self._watch.close)
        self._watchdogs = [
            Watchdog(self._state, assembly.stuck_seconds, assembly.ticker),
            *(Watchdog(each.alive, assembly.stuck_seconds) for each in self._inputs),
        ]
        start.answered(lambda: kafka.start(_TRY_SECONDS))
        stack.callback(self._close_inputs)
        for each in self._inputs:
            each.start()
        self._log_start(cluster, opened)

    def _log_start(self, cluster: Cluster, opened: Opened) -> None:
        config = self._config
        _log.info(
            "started",
            brokers=config.kafka.brokers,
            group=config.kafka.group,
            delivery=config.delivery,
            topic=config.topics.requests,
            tasks=config.topics.tasks,
            replies=config.topics.replies if config.topics.replies in cluster.topics else None,
            partitions=cluster.topics[config.topics.requests].partitions,
            incarnation=opened.incarnation,
            inputs=config.input_topics(),
            http=self._health.port if self._health else None,
        )

    def run(self) -> None:
        self._state.tick(self._assembly.ticker())
        collector = GcPacer(self._assembly.ticker)
        for watchdog in self._watchdogs:
            watchdog.start()
        try:
            self._loop.run(collector.overlap(lambda: self._stopping.asked() or self._must_exit()))
        finally:
            for watchdog in self._watchdogs:
                watchdog.close()

    def _must_exit(self) -> bool:
        if self._watch.failed is not None:
            raise PositionUnknown(self._watch.failed)
        died = [each.name for each in self._inputs if each.has_died]
        if died:
            raise FatalError(f"the thread of input {died[0]} ended by itself; its trace is above")
        return False

    def _close_inputs(self) -> None:
        for each in self._inputs:
            each.stop()
        for each in self._inputs:
            each.close()

    def _surroundings(self, topics: KafkaTopicCatalog, opened: Opened, partitions: int) -> Surroundings:
        config = self._config
        return Surroundings(
            config=config,
            store=lambda: self._assembly.store(config),
            delivery=self._assembly.input_delivery(config),
            settings=ProcessingSettings(
                policy=replace(build_policy(config), partitions=partitions),
                codec=self._codecs.of(config.topics.requests),
                rules=build_rules(config),
                incarnation=opened.incarnation,
                poison_limit=config.limits.poison_in_a_row,
                batch_seconds=config.worker.batch_ms / 1000,
                batch_bytes=config.worker.batch_bytes,
            ),
            topics=topics,
            limits=LoopLimits(
                batch_events=config.worker.batch_size,
                batch_bytes=config.worker.batch_bytes,
                poll_seconds=config.worker.poll_ms / 1000,
            ),
            metrics=self._metrics,
            health=self._state,
        )

    def _make_loop(
        self, surroundings: Surroundings, store: RedisStore, opened: Opened, cluster: Cluster
    ) -> tuple[Loop, KafkaLog]:
        config, ticker, topics = self._config, self._assembly.ticker, surroundings.topics
        policy, time, listener = surroundings.settings.policy, StoreClock(ticker), Listener()
        requests, group, tasks = config.topics.requests, config.kafka.group, config.topics.tasks
        kafka = make_log(config, cluster, requests, group, listener, opened)
        changelog = None if tasks is None else Changelog(tasks, topics, store.shard, config.restores)
        tracer = self._tracer(requests, topic_id(config, cluster, requests), group)
        reporter = Reporter(self._metrics, self._state, ticker, tracer)
        kinds = (IndexKind.DEADLINES, IndexKind.HOOKS) if config.timers.enabled else (IndexKind.HOOKS,)
        timer_settings = TimerSettings(config.timers.chunk, config.timers.lease_ms / 1000, kinds)
        timers = Timers(store, policy, topics, timer_settings, time, ticker)
        retention = Retention(store, policy, opened.incarnation, time, changelog, reporter.removed)
        restorers = make_restorers(config, store, opened, kafka, reporter)
        processor = TaskProcessor(surroundings.settings, store, topics, config.topics.dead_letters, changelog)
        parts = Components(
            log=kafka,
            topic=self._watch,
            store=store,
            processor=processor,
            delivery=self._assembly.delivery(config),
            incarnation=opened.incarnation,
            duties=[timers, retention],
            guards=restorers,
            before_opening=[restorer.bind_server for restorer in restorers]
            if config.restores
            else [store.go_without_changelog],
            pings=[store.ping, self._codecs.ping],
        )
        listener.loop = Loop(parts, surroundings.limits, reporter, ticker)
        return listener.loop, kafka

    def _serve(self) -> HealthServer:
        http = self._config.http
        return HealthServer(self._state, self._metrics.registry, (http.host, http.port))
