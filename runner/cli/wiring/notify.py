"""From the configuration to one process of ``runner notify``: its parts are put together, and run.

Nothing here is imported by a worker: the packages of the extra ``notify`` are loaded by this command alone.
"""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import structs

from runner import log
from runner.actions.decision import OutgoingMessage
from runner.actions.policy import TopicCatalog
from runner.cli.stopping import Stopping, stopping_by_signal
from runner.clock import monotonic_seconds
from runner.config import (
    Config,
    ConfigError,
    Problem,
    check_properties,
    consumer_properties,
    producer_properties,
)
from runner.envelope.codec import JsonCodec
from runner.errors import EventError, FatalError, LogUnavailable
from runner.kafka.clients import connect_admin
from runner.kafka.kafka_log import KafkaLog
from runner.kafka.preflight import READ, require_permissions, require_topics, topic_id
from runner.kafka.topics import WRITE, Cluster, KafkaTopicCatalog, ask_cluster
from runner.metrics import NotifyMetrics
from runner.notify.channels import (
    Channel,
    kind_of,
    mail_to,
    open_channel,
    same_service,
    silence_apprise,
)
from runner.notify.directory import Directory, FileDirectory, HttpDirectory, LookupMemory, NoDirectory
from runner.notify.dispatcher import Dispatcher, RetrySettings
from runner.notify.notifier import KIND, RECIPIENT, DeadLetter, Notifier, NotifierSettings
from runner.notify.planning import MAIL_ACCOUNT, Outlets, Planner
from runner.notify.reporter import NotifyReporter
from runner.notify.routes import Route
from runner.notify.senders import Senders
from runner.notify.texts import Texts, TextSettings
from runner.notify.unusable import Unusable
from runner.telemetry.health_server import HealthServer
from runner.worker.dead_letters import DeadLetters
from runner.worker.health import HealthState
from runner.worker.starting import Start
from runner.worker.watchdog import Watchdog

GROUP: Final = "notify"
"""What follows the name of the group of the workers."""

_DEAD_LETTER_BYTES: Final = 65_536
_SPARE_SECONDS: Final = 3.0
"""Of the time to stop, what is left for the last commit."""
_TRY_SECONDS: Final = 5.0

_log: Final = log.get("notify")


def run_notify(config: Config) -> int:
    """Run one process until a signal; returns the exit code. Errors and signals are as those of a worker."""
    check_properties(config)
    planner, troubles = prepare(config)
    with stopping_by_signal(config.worker.shutdown_seconds) as stopping, ExitStack() as stack:
        process = _Process(config, stack, stopping, planner, troubles)
        stopping.begun()
        process.run()
    _log.info("stopped")
    return 0


@dataclass(frozen=True, slots=True)
class Troubles:
    """What is wrong with the directory at the moment."""

    directory: Directory

    def __call__(self) -> str | None:
        return self.directory.trouble if isinstance(self.directory, FileDirectory) else None


def prepare(config: Config) -> tuple[Planner, Troubles]:
    """Return what makes deliveries of notices; ConfigError where a setting, a file or a template is wrong.

    Asks nobody: channels are only understood, not tried.
    """
    settings = config.notify
    if config.topics.notifications is None:
        raise _problem(config, "topics.notifications", "is null", "name the topic that is to be read")
    if not settings.routes:
        raise _problem(
            config, "notify.routes", "is empty", "say what goes where; docs/notifications.md shows how"
        )
    silence_apprise()
    try:
        directory = make_directory(config)
        planner = Planner(make_routes(config), make_outlets(config), directory, make_texts(config))
    except Unusable as error:
        raise _problem(config, f"notify.{error.setting}", error.what, error.remedy) from error
    return planner, Troubles(directory)


def make_routes(config: Config) -> list[Route]:
    """Return the routes; a channel whose address stands in one is called by its place."""
    return [
        Route(
            to=tuple(
                each if isinstance(each, str) else f"routes[{number}].to[{place}]"
                for place, each in enumerate(route.to)
            ),
            domains=frozenset(route.domain),
            events=frozenset(route.event),
            users=frozenset(route.user),
            roles=frozenset(route.role),
            language=route.language,
            template=route.template,
        )
        for number, route in enumerate(config.notify.routes)
    ]


def make_outlets(config: Config) -> Outlets:
    """Return the channels. Unusable where an address is not understood."""
    addresses = {name: each.get_secret_value() for name, each in config.notify.addresses().items()}
    named = {
        name: open_channel(name, url, name if name.startswith("routes[") else f"channels.{name}")
        for name, url in addresses.items()
        if name != MAIL_ACCOUNT or _is_named(config, MAIL_ACCOUNT)
    }
    account = addresses.get(MAIL_ACCOUNT)
    mailbox = None if account is None else mail_to(account, f"channels.{MAIL_ACCOUNT}")
    return Outlets(named, mailbox, partial(_personal, frozenset(config.notify.directory.kinds)))


def make_directory(config: Config) -> Directory:
    """Return the directory. Unusable where its file cannot be used."""
    settings = config.notify.directory
    if settings.file is not None:
        return FileDirectory(Path(settings.file), monotonic_seconds)
    if settings.user_url is None:
        return NoDirectory()
    headers = {"Accept": "application/json", "User-Agent": "saga-task-runner"}
    if settings.token is not None:
        headers["Authorization"] = f"Bearer {settings.token.get_secret_value()}"
    memory = LookupMemory(settings.cache_seconds, settings.cache_entries, monotonic_seconds)
    urls = {"user": settings.user_url, "role": settings.role_url}
    return HttpDirectory(urls, headers, settings.timeout_ms / 1000, memory)


def make_texts(config: Config) -> Texts:
    """Return the templates, all of them tried. Unusable where one is wrong."""
    settings = config.notify
    return Texts(
        TextSettings(
            folder=None if settings.templates is None else Path(settings.templates),
            language=settings.language,
            zone=ZoneInfo(settings.zone),
            link=settings.link,
        ),
        {route.template for route in settings.routes if route.template is not None},
        {route.language for route in settings.routes if route.language is not None},
    )


def _is_named(config: Config, name: str) -> bool:
    return any(name in route.names() for route in config.notify.routes)


def _personal(kinds: frozenset[str], url: str) -> Channel:
    """Return the channel of an address in the directory; Unusable where it is none, or of another kind."""
    kind = kind_of(url)
    if kinds and kind not in kinds:
        remedy = "add the kind to notify.directory.kinds, or correct the directory"
        raise Unusable("directory.kinds", "is of a kind that is not allowed", remedy)
    return open_channel(same_service(url), url, "directory")


class _Process:
    """One process and everything it holds open."""

    def __init__(
        self, config: Config, stack: ExitStack, stopping: Stopping, planner: Planner, troubles: Troubles
    ) -> None:
        self._stopping = stopping
        self._topic = topic = str(config.topics.notifications)
        metrics, self._health = NotifyMetrics(), HealthState(monotonic_seconds())
        # There is no Redis here that could be away.
        self._health.set_store(up=True)
        server = stack.enter_context(_serve(config, self._health, metrics)) if config.http.port else None
        start = Start(config.worker.start_seconds, self._health, stopping.pause, str, monotonic_seconds)
        admin = connect_admin(config)

        def ask() -> Cluster:
            admin.metadata()
            return ask_cluster(admin.client, (topic, config.topics.dead_letters))

        cluster = start.answered(ask)
        check_topics(config, cluster)
        dispatcher = Dispatcher(_retry(config), random.random)
        self._senders = Senders(dispatcher, config.notify.senders, monotonic_seconds)
        writing = _KafkaWriting(config, cluster)
        self._notifier = Notifier(
            writing,
            planner,
            self._senders,
            _bounds(config),
            NotifyReporter(metrics, self._health, monotonic_seconds, troubles),
            monotonic_seconds,
        )
        kafka = _make_log(config, cluster, self._notifier)
        stack.callback(kafka.close)
        self._notifier.log = writing.log = kafka
        self._watchdog = Watchdog(self._health)
        start.answered(lambda: kafka.start(_TRY_SECONDS))
        _log.info(
            "started",
            brokers=config.kafka.brokers,
            group=group_of(config),
            topic=topic,
            routes=len(config.notify.routes),
            channels=sorted(config.notify.addresses()),
            http=server.port if server else None,
        )

    def run(self) -> None:
        self._senders.start()
        self._watchdog.start()
        try:
            self._notifier.run(self._stopping.asked)
        finally:
            self._watchdog.close()


class _KafkaWriting:
    """Writes dead letters and offsets, each until it is acknowledged."""

    log: KafkaLog

    def __init__(self, config: Config, cluster: Cluster) -> None:
        topics: TopicCatalog = KafkaTopicCatalog(cluster, {}, JsonCodec())
        self._dead_letters = DeadLetters(config.topics.dead_letters, str(config.topics.notifications), topics)

    def bury(self, letters: Collection[DeadLetter]) -> None:
        messages = [self._message(letter) for letter in letters]
        for message in messages:
            self.log.writer.produce(message)
        self.log.writer.flush()

    def commit(self, offsets: Mapping[int, int]) -> None:
        self.log.writer.commit_offsets(offsets)

    def _message(self, letter: DeadLetter) -> OutgoingMessage:
        ours = ((RECIPIENT, letter.recipient.encode()), (KIND, letter.kind.encode()))
        theirs = tuple(pair for pair in letter.message.headers if pair[0] not in {RECIPIENT, KIND})
        headers = (*theirs, *(pair for pair in ours if pair[1]))
        message = structs.replace(letter.message, headers=headers)
        try:
            return self._dead_letters.message(message, letter.reason, letter.text)
        except EventError as error:
            raise LogUnavailable(error.message, refused=True) from error


def group_of(config: Config) -> str:
    """Return the consumer group of all processes that read the notifications."""
    return f"{config.kafka.group}-{GROUP}"


def check_topics(config: Config, cluster: Cluster) -> None:
    """FatalError unless both topics are there and may be used, and a dead letter fits."""
    read, buried = str(config.topics.notifications), config.topics.dead_letters
    require_topics(cluster, (read, buried), exactly_once=False)
    require_permissions(cluster, {read: (READ,), buried: (WRITE,)})
    largest, room = cluster.topics[read].limit_bytes, cluster.topics[buried].limit_bytes
    if room < largest + _DEAD_LETTER_BYTES and not cluster.is_mock:
        text = (
            f"topic {buried} (topics.deadLetters) takes messages of {room} bytes, {read} of {largest}: set "
            f"max.message.bytes of {buried} to at least {largest + _DEAD_LETTER_BYTES}"
        )
        if room < largest:
            raise FatalError(text)
        _log.warning("little_room", reason=text)


def _make_log(config: Config, cluster: Cluster, notifier: Notifier) -> KafkaLog:
    """Return the log; no transactions: offsets are committed after what they stand for was sent."""
    producer = {k: v for k, v in producer_properties(config).items() if k != "transaction.timeout.ms"}
    topic = str(config.topics.notifications)
    return KafkaLog(
        topic,
        {**consumer_properties(config), "group.id": group_of(config)},
        producer,
        notifier,
        topic_id(config, cluster, topic),
    )


def _retry(config: Config) -> RetrySettings:
    retry = config.notify.retry
    return RetrySettings(retry.first_ms / 1000, retry.longest_ms / 1000, retry.give_up_seconds)


def _bounds(config: Config) -> NotifierSettings:
    return NotifierSettings(
        limit_bytes=config.limits.event_bytes,
        most_waiting=config.notify.waiting,
        memory=config.notify.memory,
        drain_seconds=max(0.0, config.worker.shutdown_seconds - _SPARE_SECONDS),
    )


def _serve(config: Config, health: HealthState, metrics: NotifyMetrics) -> HealthServer:
    return HealthServer(health, metrics.registry, (config.http.host, config.http.port))


def _problem(config: Config, key: str, what: str, remedy: str) -> ConfigError:
    return ConfigError([Problem(config.source, key, what, remedy)])
