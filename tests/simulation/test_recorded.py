"""What the worker sent before its core took more than one transition, it sends now: recorded histories."""

import pytest

from tests.simulation.recorded import Recorded, comparable, load, replayed

pytestmark = pytest.mark.simulation


@pytest.fixture(scope="module")
def histories() -> list[Recorded]:
    """All recorded histories."""
    return load()


def test_every_message_is_the_recorded_one(histories: list[Recorded]) -> None:
    for history in histories:
        for number, (step, sent) in enumerate(zip(history.steps, replayed(history), strict=True)):
            assert comparable(sent) == comparable(step.sent), f"seed {history.seed}, batch {number}"


def test_the_histories_have_every_kind_of_message_and_batches_that_came_again(
    histories: list[Recorded],
) -> None:
    sent = [line for history in histories for step in history.steps for line in step.sent]
    statuses = {dict(line.headers).get("event-status") for line in sent if line.stream == "responses"}
    again = [
        history.seed
        for history in histories
        if len({tuple(step.homes.items()) for step in history.steps}) < len(history.steps)
    ]
    assert {line.stream for line in sent} == {"requests", "responses", "deadLetters", "tasks"}
    assert statuses == {"ACK", "SUCCESS", "FAIL", "PROCEEDED", "TIMEOUT"}
    assert len(again) > len(histories) / 3
