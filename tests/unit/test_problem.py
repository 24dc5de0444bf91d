"""A problem of the configuration is one line that a terminal can be given, whatever it quotes."""

from __future__ import annotations

import pytest

from runner.config.problems import Problem


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
