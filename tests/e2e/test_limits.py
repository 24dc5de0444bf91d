"""Hostile events through a whole worker: each costs its sender a FAIL, and not the worker its life."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.requester import Requester, error_code, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet, Worker

HEADERS: Final = 100_000
GROWN_BYTES: Final = 400 * 1_048_576
"""How much more memory a worker may have had than before, at any time."""

PATTERNS: Final = 80
NOT_CONVERTIBLE: Final = 10011


def _patterned(name: str, pattern: str, payload: dict[str, Any] | None = None) -> dict[str, Any]:
    return start_event(name, {"taskId": name, **(payload or {})}, inputPattern=pattern, taskIdPath="$.taskId")


def _with_number(name: str, digits: bytes) -> bytes:
    """A StartTask with a number in its payload, digit for digit."""
    event = json.dumps(start_event(name, {"taskId": name, "n": "NUMBER"})).encode()
    return event.replace(b'"NUMBER"', digits)


BIG: Final = "x" * 500_000
UNREAD: Final = {"1e400": b"1e400", "a-million-digits": b"9" * 990_000}
"""Numbers that no float and no 64 bits can hold, where nobody computes with them."""
REFUSED: Final[dict[str, dict[str, Any] | bytes]] = {
    "a-long-pattern": _patterned("a-long-pattern", "a" * 5000),
    "brackets": _patterned("brackets", "[" * 2000 + "a" + "]" * 2000),
    "parentheses": _patterned("parentheses", "(" * 2000 + "a" + ")" * 2000),
    "nots": _patterned("nots", "!" * 4000 + "a"),
    "doubled": _patterned("doubled", "|".join(["[@,@]"] * 40)),
    "50-megabytes": _patterned("50-megabytes", "[" + ",".join(["t"] * 100) + "]", {"t": BIG}),
    "joined": _patterned("joined", "join(t, [" + ",".join(["t"] * 100) + "])", {"t": BIG}),
    "too-much-data": _patterned("too-much-data", "[t, t, t]", {"t": BIG}),
    "all-pairs": _patterned("all-pairs", "cartesian([@.n, @.n])", {"n": list(range(50_000))}),
    "descents": start_event("descents", {"a": [[[[1] * 9] * 9] * 9] * 9}, taskIdPath="$..*..*..*..*"),
    "a-long-id": start_event("a-long-id", {"taskId": "x" * 8193}),
    "a-long-timeout": start_event("a-long-timeout", {"taskId": "a-long-timeout"}, timeout="9" * 100_000),
}
"""Events that can be answered by their request id; all of them get FAIL 10011."""

ODD_IDS: Final = {
    "line feeds": "a\nb\r\n",
    "control signs": "\x00\x01\x1b[2J\x7f\x85",
    "separators": "a:b;c{0}d}e{",
    "right to left": "\u202ea\u2066",
    "the largest character": "\U0010ffff",
    "the longest": "x" * 8192,
}


@pytest.fixture
def hostile_site(make_site: Callable[..., Site]) -> Site:
    made = make_site(settings={"RUNNER_LIMITS__POISONINAROW": "0"})
    made.create_topics({"max.message.bytes": "4194304"})
    return made


@pytest.fixture
def requester(hostile_site: Site) -> Iterator[Requester]:
    with requester_at(hostile_site) as opened:
        yield opened


def most_memory(worker: Worker) -> int:
    """Return the most memory that a worker ever had, in bytes."""
    status = Path(f"/proc/{worker.pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def test_hostile_events_are_refused_and_the_next_is_handled_by_the_same_worker(
    hostile_site: Site, requester: Requester, fleets: Callable[..., Fleet]
) -> None:
    worker = fleets(hostile_site).start()
    requester.put(start_event("first", {"taskId": "first"}))
    assert requester.reply_to("first").status == "ACK"
    before = most_memory(worker)
    for name, event in REFUSED.items():
        requester.put(event)
        requester.put(start_event(f"after {name}", {"taskId": f"after {name}"}))
    for name, digits in UNREAD.items():
        requester.put(_with_number(name, digits))
    for name in ("x", "traceparent"):
        requester.put(start_event(f"headers {name}"), headers=[(name, b"0")] * HEADERS)
    for number in range(PATTERNS):
        pattern = "[" + ",".join(["a.b"] * 1000) + f",c{number}]"
        requester.put(_patterned(f"pattern {number}", pattern, {"a": {"b": 1}}))
    for name in REFUSED:
        # The payload comes back as it was sent, and Python cannot read all of these either.
        refused = requester.reply_to(name)
        assert (refused.status, b'"code":10011' in (refused.value or b"")) == ("FAIL", True), name
        assert requester.reply_to(f"after {name}").status == "ACK"
    for name, digits in UNREAD.items():
        unread = requester.reply_to(name)
        assert (unread.status, digits in (unread.value or b"")) == ("ACK", True), name
    for name in ("x", "traceparent"):
        refused = requester.reply_to(f"headers {name}")
        assert error_code(refused) == NOT_CONVERTIBLE
        assert name not in refused.headers
    for number in range(PATTERNS):
        assert requester.reply_to(f"pattern {number}").status == "ACK"
    assert most_memory(worker) - before < GROWN_BYTES
    assert worker.exit_code is None
    assert not worker.events("batch_abandoned")
    assert hostile_site.ends(hostile_site.dead_letters) == dict.fromkeys(range(4), 0)


def test_ids_may_hold_anything_that_is_text(
    hostile_site: Site, requester: Requester, fleets: Callable[..., Fleet]
) -> None:
    worker = fleets(hostile_site).start()
    for name, task_id in ODD_IDS.items():
        requester.put(start_event(f"{name} {task_id[:20]}", {"taskId": task_id}, timeout="0"))
    for name, task_id in ODD_IDS.items():
        request_id = f"{name} {task_id[:20]}"
        assert requester.reply_to(request_id).event["result"]["task"]["id"] == task_id
        assert requester.resume_of(request_id).status == "TIMEOUT"
    assert not worker.events("batch_abandoned")


def test_a_worker_does_not_start_where_dead_letters_could_not_be_kept(
    hostile_site: Site, fleets: Callable[..., Fleet]
) -> None:
    hostile_site.set_limit(hostile_site.dead_letters, 1_000_000)
    worker = fleets(hostile_site, frozenset({1})).one()
    assert worker.wait() == 1
    assert f"max.message.bytes of {hostile_site.dead_letters}" in worker.log
    assert "Traceback" not in worker.log
