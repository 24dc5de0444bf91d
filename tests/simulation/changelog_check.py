"""The changelog is what the records are, at every commit: nothing missing, nothing ahead.

Whoever reads the changelog up to any point must find the tasks as the offsets committed with it left
them. Decoded without any code of the runner.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from runner.tasks.record import Record, TaskKey, encode_part
from tests.simulation.history import Violation
from tests.simulation.load import header
from tests.simulation.log_model import RESPONSES, TASKS, Broker, Transaction, TransactionState

_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Change:
    """One message of the changelog."""

    key: str
    task: dict[str, Any] | None
    """The record; None: it was removed."""
    home: int
    event: int
    """Offset of the event that made the change."""
    transaction: Transaction


def check_changelog(broker: Broker, records: Iterable[Record]) -> set[TaskKey]:
    """Raise Violation unless the changelog tells every change with its offsets, and ends as the records are.

    Return the tasks that were told to be gone: they may be, whether or not their removal was seen.
    """
    changes = list(_changes(broker))
    last = {change.key: change.task for change in changes}
    told = {key: task for key, task in last.items() if task is not None}
    stored = {f"{record.key.domain}:{record.key.id}": _plain(record) for record in records}
    _require(told == stored, f"the changelog ends with {told}, the store with {stored}")
    by_transaction: dict[Transaction, dict[str, Change]] = defaultdict(dict)
    for change in changes:
        _check_not_ahead(change)
        earlier = by_transaction[change.transaction].get(change.key)
        _require(
            earlier is None or earlier.event < change.event, f"{change.key} is told back in one transaction"
        )
        by_transaction[change.transaction][change.key] = change
    _check_answers(broker, by_transaction)
    _check_removals(changes)
    gone = (change.key.partition(":") for change in changes if change.task is None)
    return {TaskKey(domain, task_id) for domain, _, task_id in gone}


def _changes(broker: Broker) -> Iterator[Change]:
    for partition in broker.topics[TASKS]:
        for entry in partition.entries:
            transaction = entry.transaction
            if entry.is_marker or transaction is None:
                continue
            if transaction.state is not TransactionState.COMMITTED:
                continue
            key = (entry.key or b"").decode()
            task = None if entry.value is None else _decode(entry.value)
            home = int(header(entry.headers, "home") or -1)
            event = int((header(entry.headers, "event") or "@-1").partition("@")[2])
            yield Change(key, task, home, event, transaction)


def _check_not_ahead(change: Change) -> None:
    if change.task is None:
        return
    committed = change.transaction.offsets.get(change.home, -1)
    _require(
        change.event < committed,
        f"{change.key} is told as event {change.event} left it, with offset {committed}",
    )


def _check_answers(broker: Broker, told: dict[Transaction, dict[str, Change]]) -> None:
    """Each end of a task is told with the resumed event, and every start."""
    known = {key for changes in told.values() for key, change in changes.items() if change.task is not None}
    for partition in broker.topics[RESPONSES]:
        for entry in partition.entries:
            transaction = entry.transaction
            if entry.is_marker or transaction is None or transaction.state is not TransactionState.COMMITTED:
                continue
            key = f"{header(entry.headers, 'task-domain')}:{header(entry.headers, 'task-id')}"
            change = told.get(transaction, {}).get(key)
            if header(entry.headers, "event-kind") == "resume":
                closed = change is not None and change.task is not None and "closing" in change.task["state"]
                _require(closed, f"the end of {key} is not told with its resumed event")
            if header(entry.headers, "event-status") == "ACK":
                _require(key in known, f"the start of {key} is never told")


def _check_removals(changes: list[Change]) -> None:
    """Only closed tasks are told to be gone."""
    before: dict[str, dict[str, Any] | None] = {}
    for change in changes:
        if change.task is None:
            task = before.get(change.key)
            _require(task is None or "closing" in task["state"], f"{change.key} is told gone while open")
        before[change.key] = change.task


def _plain(record: Record) -> dict[str, Any]:
    return {
        "format": 1,
        "domain": record.key.domain,
        "id": record.key.id,
        "revision": record.revision,
        "state": _decode(encode_part(record.state)),
        "start": _decode(encode_part(record.start)),
    }


def _require(holds: bool, told: str) -> None:
    if not holds:
        raise Violation(told)
