"""What a worker reads must fit where it writes, or anybody could stop a partition."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.config import Config, load
from runner.errors import FatalError
from runner.kafka.preflight import ANSWER_BYTES, DEAD_LETTER_BYTES, check_message_sizes
from runner.kafka.topics import Cluster, Topic

MIB = 1_048_576


def config(**settings: str) -> Config:
    return load(None, {f"RUNNER_{name}": value for name, value in settings.items()})


def cluster(**limits: int) -> Cluster:
    sizes = {"requests": MIB, "responses": 2 * MIB, "dead-letters": 2 * MIB}
    sizes |= {name.replace("_", "-"): size for name, size in limits.items()}
    return Cluster(
        "cluster", {name: Topic(name, 1, size, cleanup_policy="delete") for name, size in sizes.items()}
    )


def test_room_enough_is_fine() -> None:
    largest = 2 * MIB - ANSWER_BYTES
    assert not check_message_sizes(config(), cluster())
    assert not check_message_sizes(config(), cluster(dead_letters=MIB + DEAD_LETTER_BYTES))
    assert not check_message_sizes(config(LIMITS__EVENTBYTES=str(largest)), cluster())


def test_dead_letters_that_take_less_than_requests_are_refused() -> None:
    with pytest.raises(FatalError, match=r"dead-letters .*takes messages of 1048575 .*at least 1114112"):
        check_message_sizes(config(), cluster(dead_letters=MIB - 1))


def test_dead_letters_without_room_for_their_headers_are_warned_of() -> None:
    (said,) = check_message_sizes(config(), cluster(dead_letters=MIB + DEAD_LETTER_BYTES - 1))
    assert "max.message.bytes of dead-letters" in said


def test_the_topics_of_inputs_are_read_as_well() -> None:
    settings = config(INPUTS='{"desk": {"action": "TIMEOUT"}}')
    with pytest.raises(FatalError, match=r"desk of 4194304"):
        check_message_sizes(settings, cluster(desk=4 * MIB))


def test_a_size_of_events_that_was_set_and_cannot_be_answered_is_refused() -> None:
    largest = 2 * MIB - ANSWER_BYTES + 1
    with pytest.raises(FatalError, match=rf"limits\.eventBytes is {largest}, but topic responses"):
        check_message_sizes(config(LIMITS__EVENTBYTES=str(largest)), cluster())


def test_so_it_is_with_other_streams() -> None:
    settings = config(LIMITS__EVENTBYTES="2000000", RESPONSES__STREAMS='["out"]')
    assert not check_message_sizes(settings, cluster())
    with pytest.raises(FatalError, match="topic out takes"):
        check_message_sizes(settings, cluster(out=MIB))


def test_the_usual_size_of_events_is_only_warned_of() -> None:
    for settings in (config(), config(LIMITS__EVENTBYTES="1000000")):
        (said,) = check_message_sizes(settings, cluster(responses=20_000))
        assert "max.message.bytes of responses" in said


def test_what_the_broker_does_not_tell_is_not_judged() -> None:
    known = cluster(responses=1, dead_letters=1)
    unknown = {name: replace(topic, cleanup_policy="") for name, topic in known.topics.items()}
    assert not check_message_sizes(config(LIMITS__EVENTBYTES="2000000"), replace(known, topics=unknown))
