"""CancelTask: who may, what the saga hears, and what comes after it."""

from __future__ import annotations

from typing import Any, Final

import pytest

from runner.actions.cancel_task import MAX_REASON_BYTES
from runner.errors import (
    FORBIDDEN,
    NOT_CONVERTIBLE,
    PARAMETER_MISSING,
    TASK_CANCELLED,
    TASK_PROCEEDED,
    UNDELIVERABLE,
)
from runner.tasks.parts import Status
from tests.unit.actions.events import (
    HOUR,
    FakeOutlet,
    again,
    answer,
    cancelled,
    closed_by,
    code,
    envelope,
    incoming,
    message,
    proceed,
    reply,
    resumed,
    start,
    started,
    timeout,
)

ANN: Final = {"claims": {"sub": "ann", "roles": ["manager"]}}
ROOT: Final = {"claims": {"sub": "root", "roles": ["admin"]}}


def test_the_saga_is_resumed_with_cancelled_and_the_reason() -> None:
    record = started(start(timeout=HOUR, onCancel="orderWithdrawn", meta={"outputElement": "out"}))
    decision = answer(cancelled(reason="the customer has called"), record)
    heard = resumed(decision)
    assert (heard.status, decision.status) == ("CANCELLED", "CANCELLED")
    assert heard.result["error"] == {
        "code": TASK_CANCELLED,
        "message": "the customer has called",
        "name": "orderWithdrawn",
    }
    assert heard.payload == message(answer(start()).messages[0]).payload, "nothing is merged into it"
    said = reply(decision)
    assert (said.status, said.result["task"]["status"]) == ("SUCCESS", "CANCELLED")
    closed = decision.record
    assert closed is not None
    assert closed.state.closing is not None
    assert (closed.state.status, closed.state.closing.by) == (Status.CANCELLED, "root")
    assert closed.state.closing.reason == "the customer has called"


@pytest.mark.parametrize("name", [None, 5, ["x"]])
def test_without_a_name_the_error_has_none(name: Any) -> None:
    record = started(
        incoming(envelope("StartTask", wrong_meta={"parameters": {"onCancel": name}}), offset=10)
    )
    error = resumed(answer(cancelled(), record)).result["error"]
    assert error == {"code": TASK_CANCELLED, "message": "no longer needed"}


def test_its_owner_or_an_admin_may_and_nobody_else() -> None:
    of_ann = started(start(taskUser="ann", taskRoles="manager"))
    assert answer(cancelled(request=ANN), of_ann).status == "CANCELLED"
    assert answer(cancelled(request=ROOT), of_ann).status == "CANCELLED"
    bob = {"claims": {"sub": "bob", "roles": ["manager"]}}
    assert code(answer(cancelled(request=bob), of_ann)) == FORBIDDEN
    assert code(answer(cancelled(request=ANN), started(start(taskRoles="manager")))) == FORBIDDEN


@pytest.mark.parametrize(
    ("reason", "wanted"),
    [
        (None, PARAMETER_MISSING),
        (" ", PARAMETER_MISSING),
        ("ü" * (MAX_REASON_BYTES // 2 + 1), NOT_CONVERTIBLE),
    ],
)
def test_a_reason_is_needed_and_bounded(reason: Any, wanted: int) -> None:
    assert code(answer(cancelled(reason=reason), started())) == wanted
    assert answer(cancelled(reason="ü" * (MAX_REASON_BYTES // 2)), started()).status == "CANCELLED"


def test_what_is_over_stays_as_it_is() -> None:
    done = closed_by(proceed(request={"id": "end"}), started())
    assert code(answer(cancelled(), done)) == TASK_PROCEEDED
    closed = closed_by(cancelled(), started())
    for late in (proceed(request={"id": "late"}), timeout(request={"id": "late"})):
        assert code(answer(late, closed)) == TASK_CANCELLED
    assert code(answer(cancelled(request={"id": "other"}), closed)) == TASK_CANCELLED


def test_a_repeat_is_told_success_and_resumes_nothing() -> None:
    one = cancelled()
    closed = closed_by(one, started())
    repeated = answer(again(one), closed)
    assert (repeated.status, repeated.record, len(repeated.messages)) == ("SUCCESS", None, 1)
    assert reply(repeated).result["task"]["status"] == "CANCELLED"
    renewed = closed_by(start(meta={"requestTime": 9}), closed)
    assert (renewed.is_open, answer(again(one), renewed).status) == (True, "SUCCESS")


def test_an_end_that_no_topic_takes_is_refused_and_changes_nothing() -> None:
    record = started(start(meta={"responseStream": "orders-out"}))
    size = len(answer(cancelled(reason="x"), record).messages[0].value or b"")
    small = FakeOutlet(None, **{"orders-out": size + 600})
    refused = answer(cancelled(reason="x" * MAX_REASON_BYTES), record, topics=small)
    assert code(refused) == UNDELIVERABLE
