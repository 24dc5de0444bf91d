"""The order of the steps in which a batch reaches the log, and what happens when one of them fails."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from runner.actions.decision import OutgoingMessage
from runner.clock import ManualTicker
from runner.errors import Fenced, LogUnavailable
from runner.worker.delivery import AtLeastOnce, DeliveryMode, ExactlyOnce
from tests.unit.worker.faults import Faults
from tests.unit.worker.scripted_log import ScriptedLog

EMITS = [OutgoingMessage("responses", b"1", b"one", ()), OutgoingMessage("responses", b"2", b"two", ())]


def ship(
    delivery: DeliveryMode, log: ScriptedLog, messages: Sequence[OutgoingMessage], offsets: Mapping[int, int]
) -> None:
    delivery(log).finish(messages, offsets, log.group_metadata())


def log_for(delivery: DeliveryMode) -> tuple[ScriptedLog, Faults]:
    faults = Faults()
    return ScriptedLog(ManualTicker(), faults, transactions=delivery is ExactlyOnce), faults


def test_exactly_once_puts_emits_and_offsets_into_one_transaction() -> None:
    log, _ = log_for(ExactlyOnce)
    ship(ExactlyOnce, log, EMITS, {0: 5})
    assert log.calls == ["begin", "produce", "produce", "send_offsets", "commit"]
    assert log.sent == EMITS
    assert log.offsets == {0: 5}


def test_at_least_once_moves_the_offsets_only_when_all_is_acknowledged() -> None:
    log, _ = log_for(AtLeastOnce)
    ship(AtLeastOnce, log, EMITS, {0: 5})
    assert log.calls == ["produce", "produce", "flush", "commit_offsets"]
    assert log.sent == EMITS
    assert log.offsets == {0: 5}


@pytest.mark.parametrize("delivery", [ExactlyOnce, AtLeastOnce])
def test_timers_alone_move_no_offsets(delivery: DeliveryMode) -> None:
    log, _ = log_for(delivery)
    ship(delivery, log, EMITS, {})
    assert "send_offsets" not in log.calls
    assert "commit_offsets" not in log.calls
    assert log.sent == EMITS


@pytest.mark.parametrize("delivery", [ExactlyOnce, AtLeastOnce])
def test_offsets_alone_are_committed(delivery: DeliveryMode) -> None:
    log, _ = log_for(delivery)
    ship(delivery, log, [], {0: 5})
    assert log.offsets == {0: 5}


@pytest.mark.parametrize("step", ["produce", "send_offsets", "commit"])
def test_a_step_that_fails_aborts_the_transaction(step: str) -> None:
    log, faults = log_for(ExactlyOnce)
    faults.once(f"log.{step}", LogUnavailable("no answer"))
    with pytest.raises(LogUnavailable):
        ship(ExactlyOnce, log, EMITS, {0: 5})
    assert log.calls[-1] == "abort"
    assert (log.sent, log.offsets) == ([], {})
    ship(ExactlyOnce, log, EMITS, {0: 5})
    assert log.sent == EMITS


def test_a_transaction_that_did_not_begin_is_not_aborted() -> None:
    log, faults = log_for(ExactlyOnce)
    faults.once("log.begin", LogUnavailable("no answer"))
    with pytest.raises(LogUnavailable):
        ship(ExactlyOnce, log, EMITS, {0: 5})
    assert log.calls == ["begin"]


def test_a_fenced_producer_is_left_as_it_is() -> None:
    log, faults = log_for(ExactlyOnce)
    faults.once("log.send_offsets", Fenced("fenced"))
    with pytest.raises(Fenced):
        ship(ExactlyOnce, log, EMITS, {0: 5})
    assert "abort" not in log.calls
    assert log.sent == []


@pytest.mark.parametrize("step", ["produce", "flush"])
def test_without_transactions_a_failure_leaves_the_offsets_where_they_were(step: str) -> None:
    log, faults = log_for(AtLeastOnce)
    faults.once(f"log.{step}", LogUnavailable("no answer"))
    with pytest.raises(LogUnavailable):
        ship(AtLeastOnce, log, EMITS, {0: 5})
    assert "commit_offsets" not in log.calls
    assert log.offsets == {}
