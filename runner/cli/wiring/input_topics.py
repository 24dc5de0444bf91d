"""From the configuration to the threads that read the input topics."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from runner.cli.wiring.events import build_inputs
from runner.cli.wiring.log import Listener, make_log
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.errors import LogUnavailable
from runner.kafka.preflight import topic_id
from runner.kafka.topics import KafkaTopicCatalog
from runner.metrics import Metrics
from runner.store.redis_store import RedisStore
from runner.worker.components import Components, LoopLimits
from runner.worker.delivery import DeliveryMode
from runner.worker.health import HealthState
from runner.worker.input_topics.normalise import InputTopic
from runner.worker.input_topics.positions import EveryPartition, InputPositions
from runner.worker.input_topics.processor import InputProcessor
from runner.worker.input_topics.reporter import InputReporter
from runner.worker.input_topics.thread import InputThread
from runner.worker.loop import Loop
from runner.worker.processing_settings import ProcessingSettings


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the loop of a worker and the loops of its input topics are made from."""

    config: Config
    store: Callable[[], RedisStore]
    delivery: DeliveryMode
    settings: ProcessingSettings
    topics: KafkaTopicCatalog
    limits: LoopLimits
    metrics: Metrics
    health: HealthState


def input_threads(surroundings: Surroundings) -> Sequence[InputThread]:
    """Return a thread for every input topic; none of them has begun."""
    return [_Reading(topic, surroundings).thread for topic in build_inputs(surroundings.config)]


def group_of(config: Config, name: str) -> str:
    """Return the consumer group of an input."""
    return f"{config.kafka.group}-input-{name}"


class _Reading:
    """The reading of one input topic, opened as often as it takes."""

    def __init__(self, topic: InputTopic, surroundings: Surroundings) -> None:
        self._topic = topic
        self._in = surroundings
        self._opened = ""
        self._reporter = InputReporter(
            topic.name, surroundings.metrics, surroundings.health, monotonic_seconds
        )
        self.thread = InputThread(topic.name, self._opening, self._is_stale, self._reporter)

    @contextmanager
    def _opening(self) -> Iterator[Loop]:
        config, cluster = self._in.config, self._in.topics.cluster
        topic = self._topic.topic
        if topic not in cluster.topics:
            raise LogUnavailable(f"there is no topic {topic} any more; create it again")
        self._opened = topic_id(config, cluster, topic)
        listener = Listener()
        with ExitStack() as stack:
            store = self._in.store()
            stack.callback(store.close)
            group = group_of(config, self._topic.name)
            log = make_log(config, cluster, topic, group, listener)
            stack.callback(log.close)
            processor = InputProcessor(
                self._topic,
                self._opened,
                self._in.settings,
                store,
                self._in.topics,
                config.topics.dead_letters,
            )
            parts = Components(
                log=log,
                topic=EveryPartition(),
                store=InputPositions(cluster.topics[topic].partitions),
                processor=processor,
                delivery=self._in.delivery,
                incarnation=self._in.settings.incarnation,
                pings=[store.ping],
            )
            listener.loop = Loop(parts, self._in.limits, self._reporter, monotonic_seconds)
            log.start()
            yield listener.loop

    def _is_stale(self) -> bool:
        """Whether the topic was deleted, or made again: its offsets begin anew then."""
        cluster = self._in.topics.cluster
        topic = self._topic.topic
        return topic not in cluster.topics or topic_id(self._in.config, cluster, topic) != self._opened
