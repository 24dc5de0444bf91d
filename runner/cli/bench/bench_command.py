"""``runner bench``: events a second and the time of an answer, on the operator's own Kafka and Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final
from uuid import uuid4

import typer
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from runner.cli.bench.isolated_environment import DOMAIN, Workers, isolated_environment
from runner.cli.bench.measuring import PROCEED, START, Figures, Load, Out, measure
from runner.cli.options import AsJson, ConfigFile, config_file, read_config
from runner.cli.progress import progress
from runner.cli.screen import Column, Rows, print_json, say, stderr, stdout
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.envelope.codec import Codec, JsonCodec
from runner.errors import FatalError, LogUnavailable
from runner.kafka.clients import Connection, connect_producer
from runner.kafka.codecs import build_codecs
from runner.kafka.reader import TopicReader
from runner.kafka.topic_message import TopicMessage

WARM_UP_TASKS: Final = 50
WARM_UP_SECONDS: Final = 60.0
PATIENCE_SECONDS: Final = 30.0

_COLUMNS: Final = (
    Column("reply to", 12),
    *(Column(each, 9, align_right=True) for each in ("p50 ms", "p95 ms", "p99 ms")),
)


def bench(
    tasks: Annotated[int, typer.Option(min=1, max=10_000_000, help="Tasks to start and end.")] = 10_000,
    in_flight: Annotated[int, typer.Option(min=1, max=100_000, help="Tasks that wait at a time.")] = 1000,
    payload: Annotated[
        int, typer.Option(min=0, max=500_000, metavar="BYTES", help="Size of each payload.")
    ] = 400,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Workers to start.")] = 1,
    partitions: Annotated[int, typer.Option(min=1, max=1000, help="Partitions of its topics.")] = 12,
    domain: Annotated[
        str | None, typer.Option(help="With --running: domain of the tasks.", show_default="the first")
    ] = None,
    config: ConfigFile = None,
    *,
    running: Annotated[
        bool, typer.Option("--running", help="Measure the workers that run, on the configured topics.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --running: do write into these topics.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure how many events a second are answered, and how soon.

    Each task is one StartTask and, once that is acknowledged, one ProceedTask.
    By default on topics, in a key space and with workers of its own, beside
    the configured ones on the same Kafka and Redis; all of it is removed at
    the end. --running measures the workers that run: its tasks go through the
    topics in use, others see their replies, and their records stay for the
    retention of the domain. This command takes part of the machine itself.
    With --json one line: tasks, events, failed, seconds, eventsPerSecond,
    inFlight, payloadBytes, workers (null: those that run), latencyMs.

    [bold]Examples[/bold]

      runner bench --tasks 20000 --workers 2
      runner bench --running --yes --in-flight 10 --json
    """
    settings = read_config(config)
    name = f"bench-{uuid4().hex[:8]}"
    load = Load(name, DOMAIN, settings.handler, tasks, in_flight, partitions, payload, settings.deployment)
    if running:
        figures = _measure_running(settings, load, domain, is_sure=yes)
    else:
        figures = _measure_own(settings, config_file(config), load, workers)
    _show(load, figures, None if running else workers, as_json=as_json)
    if figures.failed:
        raise FatalError(f"{figures.failed} of {figures.events} replies say FAIL; the figures say little")


def _measure_own(config: Config, file: Path | None, load: Load, workers: int) -> Figures:
    with isolated_environment(config, file, load.name, load.homes, workers) as (own, children):
        return _measure(own, load, children)


def _measure_running(config: Config, load: Load, domain: str | None, *, is_sure: bool) -> Figures:
    chosen = next(iter(config.domains)) if domain is None else domain
    if chosen not in config.domains:
        raise FatalError(
            f"there is no domain {chosen} in the configuration; it has {', '.join(config.domains)}"
        )
    if not is_sure:
        raise FatalError(
            f"this would send {load.tasks} tasks through {config.topics.requests} and "
            f"{config.topics.responses}, where others read along; say --yes if that is meant, or leave out "
            "--running"
        )
    homes = connect_producer(config).partitions_of([config.topics.requests])[config.topics.requests]
    return _measure(config, replace(load, domain=chosen, homes=homes), None)


def _measure(config: Config, load: Load, workers: Workers | None) -> Figures:
    """Warm up, until a worker answers, and measure."""
    producer = connect_producer(config)
    with (
        TopicReader(config, [config.topics.responses], from_beginning=False) as reader,
        _sender(producer, config) as send,
    ):
        warm_up = replace(load, name=f"{load.name}-warm", tasks=min(WARM_UP_TASKS, load.tasks))
        watched = _Watched(reader, workers)
        measure(warm_up, send, watched, monotonic_seconds, WARM_UP_SECONDS, _silent)
        with progress(stderr(), "tasks", load.tasks) as step:
            return measure(load, send, watched, monotonic_seconds, PATIENCE_SECONDS, step)


class _Watched:
    """The reader, which looks after the workers while nothing comes."""

    def __init__(self, reader: TopicReader, workers: Workers | None) -> None:
        self._reader = reader
        self._workers = workers

    def next(self, timeout_seconds: float) -> TopicMessage | None:
        seen = self._reader.next(timeout_seconds)
        if seen is None and self._workers is not None:
            self._workers.check()
        return seen


@contextmanager
def _sender(producer: Connection[Producer], config: Config) -> Iterator[Out]:
    """Give what sends events in the encoding of the requests topic."""
    refused: list[str] = []
    topic = config.topics.requests

    def keep(error: KafkaError | None, _message: Message) -> None:
        if error is not None:
            refused.append(error.str())

    with closing(build_codecs(config)) as codecs:
        codec = codecs.of(topic)

        def send(key: str, value: bytes, partition: int) -> None:
            if refused:
                raise LogUnavailable(f"Kafka refused an event: {refused[0]}")
            _produce(producer.client, topic, _encoded(codec, value), key, partition, keep)

        yield send


def _produce(producer: Producer, topic: str, value: bytes, key: str, partition: int, keep: Any) -> None:
    while True:
        try:
            producer.produce(topic, value, key, partition, on_delivery=keep)
        except BufferError:
            producer.poll(0.5)
        except KafkaException as error:
            raise LogUnavailable(f"Kafka refused an event: {error.args[0].str()}") from error
        else:
            producer.poll(0)
            return


def _encoded(codec: Codec, value: bytes) -> bytes:
    return value if isinstance(codec, JsonCodec) else codec.encode(JsonCodec().decode(value))


def _silent(_count: int) -> None:
    pass


def _show(load: Load, figures: Figures, workers: int | None, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "tasks": load.tasks,
                "events": figures.events,
                "failed": figures.failed,
                "seconds": round(figures.seconds, 3),
                "eventsPerSecond": round(figures.rate, 1),
                "inFlight": load.in_flight,
                "payloadBytes": load.payload_bytes,
                "workers": workers,
                "latencyMs": {action: figures.spread(action) for action in (START, PROCEED)},
            }
        )
        return
    rows = Rows(stdout(), _COLUMNS)
    rows.head()
    for action in (START, PROCEED):
        rows.row(action, *(f"{value:.1f}" for value in figures.spread(action).values()))
    say(
        stdout(),
        f"{figures.events} events of {load.tasks} tasks answered in {figures.seconds:.2f} s: "
        f"{figures.rate:,.0f} events/s with {load.in_flight} tasks in flight",
        "bold",
    )
