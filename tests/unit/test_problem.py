"""A problem of the configuration is one line that a terminal can be given, whatever it quotes."""

from __future__ import annotations

import pytest
import redis

from runner.config.problems import Problem
from runner.store.connection.refusals import unavailable


@pytest.mark.parametrize(
    ("key", "shown"),
    [
        ("kafka.brokers", "kafka.brokers"),
        ("domains.größe📎", "domains.größe📎"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("a\nb\u2028c", r"a\nb\u2028c"),
        ("RUNNER_\udcff", r"RUNNER_\udcff"),
    ],
)
def test_what_cannot_be_printed_is_escaped(key: str, shown: str) -> None:
    assert str(Problem("runner.yaml", key, "is no setting", "remove it")) == (
        f"runner.yaml: {shown} is no setting; remove it"
    )


def test_what_a_library_says_is_part_of_the_sentence() -> None:
    told = Problem("runner.yaml", "redis.tls.caFile", "cannot be used: no such file.", "correct the path")
    assert str(told) == "runner.yaml: redis.tls.caFile cannot be used: no such file; correct the path"
    refused = redis.ConnectionError("Error 111 connecting to 127.0.0.1:6379. Connection refused.")
    assert str(unavailable(refused)) == (
        "Redis does not answer: Error 111 connecting to 127.0.0.1:6379. Connection refused"
    )
