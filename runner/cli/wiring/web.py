"""From the configuration to one process of ``runner web``: its parts are put together, run, and taken down.

Nothing here is imported by a worker: the packages of the extra ``web`` are loaded by this command alone.
"""

from __future__ import annotations

import gc
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from runner import log
from runner.cli.records import require_settings
from runner.cli.stopping import Stopping, stopping_by_signal
from runner.cli.wiring.events import build_policy, build_rules, check_event_settings
from runner.cli.wiring.projection import ProjectorThread, connect_projection, fold_settings, now_ms
from runner.cli.wiring.store import connect_store, describe_unreachable
from runner.cli.wiring.web_callers import check_web_settings
from runner.cli.wiring.web_sign_in import build_people
from runner.clock import monotonic_seconds
from runner.config import Config, ConfigError, Problem, check_properties
from runner.config.clients import check_tls_files
from runner.errors import FatalError, StoreMismatch, StoreUnavailable
from runner.kafka.clients import connect_admin, connect_consumer, connect_producer
from runner.kafka.codecs import build_codecs
from runner.kafka.preflight import READ, require_permissions, require_topics
from runner.kafka.topics import WRITE, Cluster, ask_cluster
from runner.metrics import WebMetrics
from runner.projection.changes import Recent
from runner.projection.lists import Lists
from runner.web.app import build_app
from runner.web.changes import Hub
from runner.web.commands import Commands
from runner.web.event_response import EventStreams
from runner.web.exchange import Exchange, Topics
from runner.web.limits import Pace
from runner.web.pages.own_pages import OwnPages
from runner.web.parts import Readiness, WebComponents
from runner.web.records import Records
from runner.web.seats import Seats
from runner.web.server import WebServer
from runner.worker.health import HealthState
from runner.worker.starting import Start

_SPARE_SECONDS: Final = 3
"""Of the time to stop, what is left for everything but the requests in hand."""
_LOOK_SECONDS: Final = 0.2
_PING_SECONDS: Final = 2.0
_WAIT_SECONDS: Final = 5.0

_log: Final = log.get("web")


def run_web(config: Config) -> int:
    """Run one process until a signal; returns the exit code. Errors and signals are as those of a worker."""
    check_properties(config)
    check_tls_files(config)
    check_event_settings(config)
    check_web_settings(config)
    check_own_pages(config)
    with stopping_by_signal(config.web.shutdown_seconds) as stopping, ExitStack() as stack:
        process = _Process(config, stack, stopping)
        stopping.begun()
        process.run()
    _log.info("stopped")
    return 0


class _Process:
    """One process and everything it holds open."""

    def __init__(self, config: Config, stack: ExitStack, stopping: Stopping) -> None:
        self._config = config
        self._stopping = stopping
        web = config.web
        codecs = build_codecs(config)
        stack.callback(codecs.close)
        requests, replies = config.topics.requests, str(config.topics.replies)
        policy = build_policy(config)
        engine = connect_projection(config)
        stack.callback(engine.dispose)
        people = build_people(config)
        stack.callback(people.close)
        records = Records(lambda: connect_store(config))
        stack.callback(records.close)
        self._exchange = Exchange(
            connect_producer(config), connect_consumer(config), Topics(requests, replies), codecs.of(replies)
        )
        self._redis = _RedisWatch(records, config)
        self._projecting = ProjectorThread(config, engine)
        self._readiness = Readiness(
            {
                "Kafka": lambda: self._exchange.trouble,
                "Redis": lambda: self._redis.trouble,
                "lists": lambda: self._projecting.trouble,
            },
            has_started=False,
        )
        streams = EventStreams(Hub(Recent(engine)), Seats(config.web.streams, config.web.streams_per_caller))
        parts = WebComponents(
            policy=policy,
            authenticator=people.authenticator,
            sign_in=people.sign_in,
            visitors=None if people.sign_in is None else people.sign_in.callers,
            own_pages=OwnPages(None if web.pages is None else Path(web.pages)),
            stylesheet=read_stylesheet(config),
            pace=Pace(config.web.requests_per_second, monotonic_seconds),
            commands=Commands(policy, build_rules(config), replies, codecs.of(requests)),
            exchange=self._exchange,
            records=records,
            lists=Lists(engine),
            streams=streams,
            rows=fold_settings(config),
            command_seconds=config.web.command_seconds,
            body_bytes=config.web.body_bytes,
            now_ms=now_ms,
            metrics=WebMetrics(),
            readiness=self._readiness,
        )
        shutdown_seconds = max(1, config.web.shutdown_seconds - _SPARE_SECONDS)
        self._server = WebServer(
            build_app(parts), (config.web.host, config.web.port), shutdown_seconds, streams.hub.close
        )
        stack.callback(self._server.stop)
        self._start(stack)

    def _start(self, stack: ExitStack) -> None:
        config = self._config
        start = Start(
            config.worker.start_seconds,
            HealthState(monotonic_seconds()),
            self._stopping.pause,
            lambda error: describe_unreachable(error, config),
            monotonic_seconds,
        )
        check_web_topics(config, start.answered(lambda: _ask_cluster(config)))
        start.answered(self._redis.look)
        self._exchange.start()
        stack.callback(self._exchange.close)
        self._redis.start()
        stack.callback(self._redis.close)
        self._projecting.start()
        stack.callback(self._projecting.close)
        # Before all others: whoever is being answered needs them.
        stack.callback(self._server.stop)
        # What lives as long as the process is not looked at again: a full collection would take 0.1 s of it.
        gc.collect()
        gc.freeze()
        self._readiness.has_started = True
        _log.info(
            "started",
            brokers=config.kafka.brokers,
            requests=config.topics.requests,
            replies=config.topics.replies,
            tasks=config.topics.tasks,
            auth=config.web.auth,
            host=config.web.host,
            port=self._server.port,
        )

    def run(self) -> None:
        is_ready = False
        while not self._stopping.asked():
            self._server.wait(_LOOK_SECONDS)
            if self._server.has_ended:
                raise FatalError("the HTTP server ended by itself; its error is above")
            self._projecting.wait(0)
            if not is_ready and not self._readiness.reasons():
                is_ready = True
                _log.info("answering", port=self._server.port)


class _RedisWatch:
    """Asks Redis now and then whether it answers, and whether it is the one that is meant."""

    def __init__(self, records: Records, config: Config) -> None:
        self._records = records
        self._config = config
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="redis-watch", daemon=True)
        self.trouble: str | None = "it was not asked yet"

    def look(self) -> None:
        """Ask once. Raises StoreUnavailable, and StoreMismatch where tasks would not be found there."""
        space = self._records.key_space()
        if space is None:
            self.trouble = "no worker has run on it yet"
            return
        require_settings(space, self._config)
        self.trouble = None

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(_WAIT_SECONDS)

    def _run(self) -> None:
        while not self._closing.wait(_PING_SECONDS):
            try:
                self.look()
            except (StoreUnavailable, StoreMismatch) as error:
                if self.trouble is None:
                    _log.warning("redis_away", reason=str(error))
                self.trouble = "it does not answer, the log says why"


def check_own_pages(config: Config) -> None:
    """ConfigError unless folder and file of pages of one's own are there."""
    folder, problems = config.web.pages, []
    if folder is not None and not Path(folder).is_dir():
        what = f"names {folder}, where there is no folder"
        problems.append(Problem(config.source, "web.pages", what, "correct the path"))
    try:
        read_stylesheet(config)
    except OSError as error:
        what = f"names {config.web.stylesheet}, which cannot be read: {error.strerror}"
        problems.append(Problem(config.source, "web.stylesheet", what, "correct the path"))
    if problems:
        raise ConfigError(problems)


def read_stylesheet(config: Config) -> bytes | None:
    """Return the style of whoever runs this; None where there is none. OSError where it cannot be read."""
    return None if config.web.stylesheet is None else Path(config.web.stylesheet).read_bytes()


def check_web_topics(config: Config, cluster: Cluster) -> None:
    """FatalError unless the topics are there, and may be used as the API uses them."""
    requests, replies, tasks = config.topics.requests, str(config.topics.replies), str(config.topics.tasks)
    require_topics(cluster, (requests, replies, tasks), exactly_once=False)
    require_permissions(cluster, {requests: (WRITE,), replies: (READ,), tasks: (READ,)})


def _ask_cluster(config: Config) -> Cluster:
    admin = connect_admin(config)
    admin.metadata()
    topics = config.topics
    return ask_cluster(admin.client, [topics.requests, str(topics.replies), str(topics.tasks)])
