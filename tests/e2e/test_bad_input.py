"""Bad input through a whole worker: a clear answer or a dead letter, and the next message is handled."""

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.e2e.health import health_settings
from tests.e2e.requester import Requester, error_code, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

HUGE: Final = 8 * 1_048_576
ROOM: Final = {"max.message.bytes": str(2 * HUGE)}
DEEP: Final = 10_000
POISON_LIMIT: Final = 5
POISON: Final = 8


def _without(section: str) -> dict[str, Any]:
    event = start_event(f"no-{section}")
    del event[section]
    return event


def _with(section: str, value: Any) -> dict[str, Any]:
    return {**start_event(f"odd-{section}"), section: value}


def _nested(depth: int) -> bytes:
    return b'{"requestMeta":{"id":"deep"},"payload":' + b"[" * depth + b"]" * depth + b"}"


BURIED: Final[dict[str, tuple[bytes | dict[str, Any] | None, str]]] = {
    "not UTF-8": (b'{"requestMeta":{"id":"\xff\xfe"}}', "NOT_UTF8"),
    "not JSON": (b"{not json", "NOT_JSON"),
    "nothing": (b"", "NOT_JSON"),
    "two values": (b"{} {}", "NOT_JSON"),
    "an array": (b"[1,2,3]", "NOT_AN_ENVELOPE"),
    "a number": (b"42", "NOT_AN_ENVELOPE"),
    "null": (b"null", "NOT_AN_ENVELOPE"),
    "nested deeply": (_nested(DEEP), "TOO_DEEP"),
    "huge": (json.dumps(start_event("huge", {"text": "x" * HUGE})).encode(), "TOO_LARGE"),
    "a tombstone": (None, "TOMBSTONE"),
    "no requestMeta": (_without("requestMeta"), "NOT_AN_ENVELOPE"),
    "requestMeta is a number": (_with("requestMeta", 7), "NOT_AN_ENVELOPE"),
    "requestMeta.id is an object": (_with("requestMeta", {"id": {}}), "NOT_AN_ENVELOPE"),
}
"""What nobody can be answered for, and the reason in the dead letter's header."""

REFUSED: Final[dict[str, tuple[dict[str, Any], int]]] = {
    "no-eventMeta": (_without("eventMeta"), 10001),
    "odd-eventMeta": (_with("eventMeta", "StartTask"), 10011),
    "odd-action": ({**_with("eventMeta", {"action": 1}), "requestMeta": {"id": "odd-action"}}, 10001),
    "no-payload": (_without("payload"), 10008),
    "odd-payload": (_with("payload", [1]), 10011),
    "odd-sagaMeta": (_with("sagaMeta", {"stepId": "x"}), 10011),
    "odd-result": (_with("result", "done"), 10011),
    "no-sagaMeta": (_without("sagaMeta"), 10009),
}
"""What can be answered by its request id, and the code of the FAIL."""


@pytest.fixture
def roomy_site(make_site: Callable[..., Site]) -> Site:
    """A site whose topics take messages of any size."""
    made = make_site(settings={"RUNNER_LIMITS__POISONINAROW": "0"})
    made.create_topics(ROOM)
    return made


def test_what_cannot_be_answered_is_dead_lettered_byte_for_byte_and_the_next_is_handled(
    roomy_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleets(roomy_site).start()
    sent: dict[int, tuple[bytes | None, str]] = {}
    with ExitStack() as stack:
        requester = stack.enter_context(requester_at(roomy_site))
        graves = stack.enter_context(requester_at(roomy_site, roomy_site.dead_letters))
        for name, (value, reason) in BURIED.items():
            offset = requester.put(value, key=name.encode(), headers={"of": b"the sender"})
            sent[offset] = (json.dumps(value).encode() if isinstance(value, dict) else value, reason)
            requester.put(start_event(f"after {name}", {"taskId": name}))
        for name in BURIED:
            assert requester.reply_to(f"after {name}").status == "ACK"
        for offset, (value, reason) in sent.items():
            _assert_buried(graves, roomy_site, offset, value, reason)
        assert len(graves.answers) == len(BURIED)
        assert len(requester.answers) == len(BURIED)


def test_what_can_be_answered_is_refused_by_its_code_and_the_next_is_handled(
    roomy_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleets(roomy_site).start()
    with requester_at(roomy_site) as requester:
        for name, (event, _) in REFUSED.items():
            requester.put(event)
            requester.put(start_event(f"after {name}", {"taskId": name}))
        for name, (_, code) in REFUSED.items():
            assert error_code(requester.reply_to(name)) == code, name
            assert requester.reply_to(f"after {name}").status == "ACK"
    assert roomy_site.ends(roomy_site.dead_letters) == dict.fromkeys(range(4), 0)


def test_too_much_poison_pauses_its_partition_until_a_worker_starts_anew(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    health, settings = health_settings()
    site = make_site(settings={"RUNNER_LIMITS__POISONINAROW": str(POISON_LIMIT)})
    site.create_topics()
    fleet = fleets(site)
    with requester_at(site) as requester, requester_at(site, site.dead_letters) as graves:
        worker = fleet.one(settings)
        worker.wait_for("homes", open=[0, 1, 2, 3])
        health.wait_until_ready()
        for number in range(POISON):
            requester.put(b"poison %d" % number, partition=2)
        requester.put(start_event("behind", {"taskId": "behind"}), partition=2)
        page = health.wait_until_not_ready(pausedPartitions=[2])
        assert "2" in page["reasons"][0]
        requester.put(start_event("beside", {"taskId": "beside"}), partition=1)
        assert requester.reply_to("beside").status == "ACK"
        assert _buried(graves) == [b"poison %d" % n for n in range(POISON_LIMIT)]
        worker.terminate()
        assert worker.wait() == 0
        fleet.start()
        assert requester.reply_to("behind").status == "ACK"
        assert _buried(graves) == [b"poison %d" % n for n in range(POISON)]


def _buried(graves: Requester) -> list[bytes]:
    graves.read_to_the_end()
    return sorted(grave.value or b"" for grave in graves.answers)


def _assert_buried(graves: Requester, site: Site, offset: int, value: bytes | None, reason: str) -> None:
    where = ("0", str(offset))
    grave = graves.wait_for(
        f"the dead letter of {where}",
        lambda a: (a.headers["dead-letter-partition"], a.headers["dead-letter-offset"]) == where,
    )
    assert grave.value == value
    assert grave.headers["dead-letter-topic"] == site.requests
    assert grave.headers["dead-letter-reason"] == reason
    assert grave.headers["dead-letter-message"]
    assert grave.headers["of"] == "the sender"
    assert (grave.key or b"").decode() in BURIED
