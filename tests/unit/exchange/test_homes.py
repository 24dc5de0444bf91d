"""Where an event is sent: to the home of its task, where that is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from runner.actions.policy import Policy
from runner.envelope.event import NO_RULES
from runner.errors import StoreUnavailable
from runner.exchange.event_lines import EventLine, read_lines
from runner.exchange.homes import Homes
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from tests.unit.cli.builders import record

TASK = TaskKey("default", "t-1")


class Shelf:
    """Records by their key; counts how often it is asked."""

    def __init__(self, *records: Record, fails: bool = False) -> None:
        self._records = {record.key: record for record in records}
        self._fails = fails
        self.asked: list[TaskKey] = []

    def records_of(self, keys: Sequence[TaskKey]) -> list[Record | None]:
        self.asked += keys
        if self._fails:
            raise StoreUnavailable("Redis does not answer: refused")
        return [self._records.get(key) for key in keys]


def line(action: str = "ProceedTask", payload: Any = None, **meta: Any) -> EventLine:
    event = {
        "requestMeta": {"id": "r-9"},
        "sagaMeta": [{"stepId": "step"}],
        "eventMeta": {"action": action, "domain": "default", **meta},
        "payload": {"taskId": "t-1"} if payload is None else payload,
    }
    [read], _ = read_lines([msgspec.json.encode(event)], NO_RULES, 10_000)
    return read


def test_an_event_for_a_known_task_goes_to_its_home() -> None:
    homes = Homes(Shelf(record(TASK, home=7)), Policy())

    assert [*homes.of([line("ProceedTask")])] == [7]
    assert [*homes.of([line("TimeoutTask")])] == [7]
    assert [*homes.of([line("StartTask")])] == [7]


def test_the_id_is_found_as_the_runner_finds_it() -> None:
    homes = Homes(Shelf(record(TASK, home=7)), Policy())
    by_path = line(payload={"form": {"id": "t-1"}}, parameters={"taskIdPath": "form.id"})

    assert [*homes.of([by_path])] == [7]


def test_any_other_goes_by_its_key() -> None:
    shelf = Shelf(record(TASK, home=7))
    homes = Homes(shelf, Policy())

    assert [*homes.of([line(payload={"taskId": "t-2"})])] == [None]
    assert [*homes.of([line(payload={})])] == [None]
    assert [*homes.of([line("TimeoutBetween")])] == [None]
    assert [*homes.of([line("Nonsense")])] == [None]
    assert [*homes.of([line(domain="elsewhere")])] == [None]
    assert [*homes.of([line(handler="another")])] == [None]
    assert [key.id for key in shelf.asked] == ["t-2", "r-9:step-1"]


def test_a_store_that_does_not_answer_is_not_asked_again() -> None:
    shelf = Shelf(fails=True)
    homes = Homes(shelf, Policy())

    assert [*homes.of([line()])] == [None]
    assert [*homes.of([line()])] == [None]
    assert homes.unavailable == "Redis does not answer: refused"
    assert len(shelf.asked) == 1
