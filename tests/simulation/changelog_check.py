"""The changelog is what the records are, at every commit: nothing missing, nothing ahead.

Whoever reads the changelog up to any point must find the tasks as the offsets committed with it left
them. Decoded without any code of the runner.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from runner.tasks.keys import TaskKey
from runner.tasks.parts import Life, encode_part
from runner.tasks.record import Record
from tests.simulation.history import Violation
from tests.simulation.load import header
from tests.simulation.log_model import RESPONSES, TASKS, Broker, Transaction, TransactionState

_decode = msgspec.json.decode
_KEY: Final = re.compile(r"([^%:]*)(?:%([^:]*))?:(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Change:
    """One message of the changelog."""

    key: str
    part: str
    """Name of the part; empty: start and state."""
    value: dict[str, Any] | None
    """What was told; None: it was removed."""
    home: int
    event: int
    """Offset of the event that made the change."""
    transaction: Transaction


def check_changelog(broker: Broker, records: Iterable[Record]) -> set[TaskKey]:
    """Raise Violation unless the changelog tells every change with its offsets, and ends as the records are.

    Return the tasks that were told to be gone: they may be, whether or not their removal was seen.
    """
    everything = list(_changes(broker))
    last = {(change.key, change.part): change.value for change in everything}
    told = {name: value for name, value in last.items() if value is not None}
    stored = {name: value for record in records for name, value in _plain(record).items()}
    _require(told == stored, f"the changelog ends with {told}, the store with {stored}")
    in_transaction: dict[tuple[Transaction, str, str], Change] = {}
    for change in everything:
        _check_not_ahead(change)
        name = (change.transaction, change.key, change.part)
        earlier = in_transaction.get(name)
        _require(
            earlier is None or earlier.event < change.event, f"{change.key} is told back in one transaction"
        )
        in_transaction[name] = change
    changes = [change for change in everything if not change.part]
    by_transaction: dict[Transaction, dict[str, Change]] = defaultdict(dict)
    for change in changes:
        by_transaction[change.transaction][change.key] = change
    _check_answers(broker, by_transaction)
    _check_removals(changes)
    gone = (change.key.partition(":") for change in changes if change.value is None)
    return {TaskKey(domain, task_id) for domain, _, task_id in gone}


def _changes(broker: Broker) -> Iterator[Change]:
    for partition in broker.topics[TASKS]:
        for entry in partition.entries:
            transaction = entry.transaction
            if entry.is_marker or transaction is None:
                continue
            if transaction.state is not TransactionState.COMMITTED:
                continue
            named = _KEY.fullmatch((entry.key or b"").decode())
            assert named is not None
            domain, part, task_id = named.groups()
            value = None if entry.value is None else _decode(entry.value)
            home = int(header(entry.headers, "home") or -1)
            event = int((header(entry.headers, "event") or "@-1").partition("@")[2])
            yield Change(f"{domain}:{task_id}", part or "", value, home, event, transaction)


def _check_not_ahead(change: Change) -> None:
    if change.value is None:
        return
    writer = int(change.value["value"]["source"].rpartition("@")[2]) if change.part else change.event
    _require(
        writer == change.event, f"{change.key} has a {change.part} of {writer} in a message of {change.event}"
    )
    committed = change.transaction.offsets.get(change.home, -1)
    _require(
        change.event < committed,
        f"{change.key} is told as event {change.event} left it, with offset {committed}",
    )


def _check_answers(broker: Broker, told: dict[Transaction, dict[str, Change]]) -> None:
    """Each end of a task is told with the resumed event, and every start."""
    known = {key for changes in told.values() for key, change in changes.items() if change.value is not None}
    for partition in broker.topics[RESPONSES]:
        for entry in partition.entries:
            transaction = entry.transaction
            if entry.is_marker or transaction is None or transaction.state is not TransactionState.COMMITTED:
                continue
            key = f"{header(entry.headers, 'task-domain')}:{header(entry.headers, 'task-id')}"
            change = told.get(transaction, {}).get(key)
            if header(entry.headers, "event-kind") == "resume":
                closed = (
                    change is not None and change.value is not None and "closing" in change.value["state"]
                )
                _require(closed, f"the end of {key} is not told with its resumed event")
            if header(entry.headers, "event-status") == "ACK":
                _require(key in known, f"the start of {key} is never told")


def _check_removals(changes: list[Change]) -> None:
    """Only closed tasks are told to be gone."""
    before: dict[str, dict[str, Any] | None] = {}
    for change in changes:
        if change.value is None:
            task = before.get(change.key)
            _require(task is None or "closing" in task["state"], f"{change.key} is told gone while open")
        before[change.key] = change.value


def _plain(record: Record) -> dict[tuple[str, str], dict[str, Any]]:
    """Return what the changelog should have of a record, by its key and the name of the part."""
    domain, task_id = record.key
    key, named = f"{domain}:{task_id}", {"format": 1, "domain": domain, "id": task_id}
    life = record.life
    main = {
        **named,
        "revision": record.revision if life is None else _state_revision(record, life),
        "state": _decode(encode_part(record.state)),
        "start": _decode(encode_part(record.start)),
    }
    parts = {
        (key, part): {**named, "part": part, "source": record.state.source, "value": _decode(value)}
        for part, value in record.all_parts.items()
    }
    return {(key, ""): main, **parts}


def _state_revision(record: Record, life: Life) -> int:
    closing = record.state.closing
    if closing is None:
        return life.opened
    return life.opened + 1 if closing.revision is None else closing.revision


def _require(holds: bool, told: str) -> None:
    if not holds:
        raise Violation(told)
