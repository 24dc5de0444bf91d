"""``runner topics create``: makes the topics that the runner needs, and leaves those there are."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Annotated, Final

import typer
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.screen import note, print_json, say, stdout
from runner.config import Config
from runner.errors import FatalError
from runner.kafka.clients import ANSWER_SECONDS, BrokerConnection, connect_admin

PARTITIONS: Final = 12
LARGEST_DEAD_LETTER_BYTES: Final = 64 * 1_048_576
"""What the worker's producer sends at most. A message that came in compressed goes out as it is."""

REPLIES_MS: Final = 7 * 24 * 3_600_000
"""How long replies to runner web are kept: whoever asks again after that asks in vain for the same answer."""

LIMIT: Final = "max.message.bytes"
RETENTION: Final = "retention.ms"
CHANGELOG: Final = {"cleanup.policy": "compact", "delete.retention.ms": "604800000"}
"""Who reads the changelog may be away for half of the time for which it tells what was removed."""
_HEADERS_BYTES: Final = 65_536
_EXISTS: Final = "TOPIC_ALREADY_EXISTS"
_MOCK: Final = "mockCluster"


def create(
    partitions: Annotated[
        int, typer.Option(min=1, max=10_000, help="Partitions of each topic.")
    ] = PARTITIONS,
    replication: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Copies of each partition.", show_default="what the broker says"),
    ] = None,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Create the topics for requests, responses and dead letters.

    And those that the configuration names besides: responses.streams, the
    topics of inputs, topics.tasks, topics.notifications, topics.replies. Topics that exist are left as
    they are.
    The partitions of requests are the homes of the tasks: there may be more
    later, never fewer. Dead letters get a max.message.bytes that takes
    whatever requests takes. With --json each topic is one line: topic,
    partitions, created (false: it was there).

    [bold]Examples[/bold]

      runner topics create --partitions 12 --replication 3
      runner topics create --json
    """
    settings = read_config(config)
    admin = connect_admin(settings)
    cluster = admin.metadata()
    wanted = wanted_topics(settings)
    missing = [name for name in wanted if name not in cluster.topics]
    is_mock = str(cluster.cluster_id).startswith(_MOCK)
    if missing and is_mock:
        raise FatalError(
            f"{admin.brokers} is the embedded broker, which makes topics only as it starts; "
            f'"runner dev" makes those of its configuration, and {", ".join(missing)} is not among them'
        )
    for name, properties in wanted.items():
        topic = cluster.topics.get(name)
        if topic is None:
            number = settings.redis.shards if name == settings.topics.tasks else partitions
            is_new = _create(admin, NewTopic(name, number, replication or -1, config=properties))
        else:
            is_new, number = False, len(topic.partitions)
        if as_json:
            print_json({"topic": name, "partitions": number, "created": is_new})
        elif is_new:
            say(stdout(), f"{name} created with {number} partitions", "green")
        else:
            say(stdout(), f"{name} exists with {number} partitions; left as it is")
    if not is_mock:
        _warn_of_small_dead_letters(admin, settings)


def wanted_topics(config: Config) -> dict[str, dict[str, str]]:
    """Return the topics in the order in which they are made, with their settings."""
    topics = config.topics
    wanted: dict[str, dict[str, str]] = {
        topics.requests: {},
        topics.responses: {},
        topics.dead_letters: {LIMIT: str(LARGEST_DEAD_LETTER_BYTES)},
    }
    wanted |= {name: {} for name in (*config.responses.streams, *config.input_topics().values())}
    changelog = {} if topics.tasks is None else {topics.tasks: CHANGELOG}
    notifications: dict[str, dict[str, str]] = (
        {} if topics.notifications is None else {topics.notifications: {}}
    )
    replies = {} if topics.replies is None else {topics.replies: {RETENTION: str(REPLIES_MS)}}
    return wanted | changelog | notifications | replies


def _create(admin: BrokerConnection[AdminClient], topic: NewTopic) -> bool:
    """Create a topic; return whether nobody else had made it just before."""
    try:
        admin.client.create_topics([topic], operation_timeout=ANSWER_SECONDS)[topic.topic].result()
    except KafkaException as error:
        reason = error.args[0]
        if reason.name() == _EXISTS:
            return False
        raise FatalError(f"topic {topic.topic} cannot be created: {reason.str()}") from error
    return True


def _warn_of_small_dead_letters(admin: BrokerConnection[AdminClient], config: Config) -> None:
    """Say so where a topic that was there before could not take every dead letter."""
    topics = config.topics
    limits = _limits(admin, [topics.requests, topics.dead_letters])
    needed = limits.get(topics.requests, 0) + _HEADERS_BYTES
    if limits.get(topics.dead_letters, needed) < needed:
        note(
            f"note: {LIMIT} of {topics.dead_letters} ({limits[topics.dead_letters]}) leaves no room for the "
            f"largest message of {topics.requests} ({limits.get(topics.requests, 0)}) and the headers that "
            f"say why; set it to at least {needed}"
        )


def _limits(admin: BrokerConnection[AdminClient], names: list[str]) -> Mapping[str, int]:
    """Return max.message.bytes by topic; topics whose settings may not be read are left out."""
    limits = {}
    resources = [ConfigResource(ResourceType.TOPIC, name) for name in names]
    answers = admin.client.describe_configs(resources, request_timeout=ANSWER_SECONDS)
    for resource, answer in answers.items():
        with suppress(KafkaException, TimeoutError):
            limits[resource.name] = int(answer.result(ANSWER_SECONDS)[LIMIT].value)
    return limits
