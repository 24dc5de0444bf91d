"""Every message that travels is one message of the document, and no other of its channel."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from tests.unit.asyncapi.plays import Seen, documented, played
from tests.unit.asyncapi.reading import FREE, complaints, document, fitting


def _fits(seen: Seen) -> list[str]:
    return fitting(seen.channel, seen.key, seen.value, seen.headers)


def _why(seen: Seen) -> str:
    """What each message of the channel has against it."""
    names = document()["channels"][seen.channel]["messages"]
    free = seen.channel in FREE
    said = {n: list(complaints(n, seen.key, seen.value, seen.headers, is_free=free))[:2] for n in names}
    return f"{seen.place}: {seen}\n" + "\n".join(f"{name}: {each}" for name, each in said.items())


def test_every_example_of_the_protocol_is_one_message_of_the_document() -> None:
    for seen in documented():
        assert len(_fits(seen)) == 1, _why(seen)


def test_every_message_of_a_worker_is_one_message_of_the_document() -> None:
    for seen in played():
        assert len(_fits(seen)) == 1, _why(seen)


def test_every_message_of_the_document_travels() -> None:
    met = {name for seen in (*documented(), *played()) for name in _fits(seen)}
    assert met == set(document()["components"]["messages"])


def _event(**changed: Any) -> bytes:
    whole: dict[str, Any] = {
        "requestMeta": {"id": "r-1"},
        "eventMeta": {"action": "StartTask", "domain": "orders"},
        "payload": {},
    }
    return json.dumps(whole | changed).encode()


def _result(**changed: Any) -> dict[str, Any]:
    task = {"id": "t", "domain": "orders", "partition": 0, "timeout": None}
    return {"status": "ACK", "receiveTime": 1, "endTime": 1, "task": task} | changed


ACK: Final = (("event-kind", b"reply"), ("event-status", b"ACK"))
OF_RECORD: Final = (("revision", b"1"), ("source", b"1/0@1"), ("home", b"0"), ("event", b"1/0@1"))
STATE: Final = {"status": "OPEN", "home": 0, "source": "1/0@1", "created_ms": 1}
ENTRY: Final[dict[str, Any]] = {
    "format": 1,
    "domain": "orders",
    "id": "t",
    "revision": 1,
    "state": STATE,
    "start": {"event": {}},
}


def _entry(**changed: Any) -> bytes:
    return json.dumps(ENTRY | changed).encode()


def _right() -> list[Seen]:
    return [
        Seen("requests", b"k", _event(), (), ""),
        Seen("responses", b"r-1", _event(result=_result()), ACK, ""),
        Seen("tasks", b"orders:t", _entry(), OF_RECORD, ""),
    ]


def test_what_the_wrong_ones_below_are_made_of_is_right() -> None:
    assert [_fits(seen) for seen in _right()] == [["startTask"], ["accepted"], ["taskChanged"]]


@pytest.mark.parametrize(
    "seen",
    [
        Seen("requests", b"k", _event(requestMeta={}), (), "no id"),
        Seen("requests", b"k", _event(requestMeta={"id": ""}), (), "blank id"),
        Seen("requests", b"k", _event(payload=None), (), "no payload"),
        Seen("requests", b"k", _event(sagaMeta={}), (), "a saga that is no list"),
        Seen("requests", b"k", _event(eventMeta={"action": "Other", "domain": "orders"}), (), "action"),
        Seen("requests", b"k", _event(eventMeta={"action": "HookTask", "domain": "orders"}), (), "no token"),
        Seen("requests", b"k", _event(), (("runner-hops", b"many"),), "hops"),
        Seen("requests", None, _event(), (), "no key"),
        Seen("responses", b"r-1", _event(result=_result()), (), "no headers"),
        Seen("responses", b"r-1", _event(result=_result()), (*ACK, ("x", b"1")), "a header of others"),
        Seen("responses", b"r-1", _event(result=_result()), (ACK[0], ("event-status", b"FAIL")), "status"),
        Seen("responses", b"r-1", _event(result=_result(status="FAIL")), ACK, "status"),
        Seen("responses", b"r-1", _event(result=_result(task={})), ACK, "no task"),
        Seen("responses", b"r-1", _event(), ACK, "no result"),
        Seen("tasks", b"orders", _entry(), OF_RECORD, "key"),
        Seen("tasks", b"orders%comment/1:t", _entry(), OF_RECORD, "key of a part"),
        Seen("tasks", b"orders:t", _entry(format=2), OF_RECORD, "format"),
        Seen("tasks", b"orders:t", _entry(state={**STATE, "status": "DONE"}), OF_RECORD, "state"),
        Seen("tasks", b"orders:t", _entry(), OF_RECORD[:3], "no event"),
        Seen("tasks", b"orders:t", None, OF_RECORD, "tombstone with headers"),
        Seen("tasks", b"orders%other:t", None, (), "tombstone of a part that there is not"),
        Seen("deadLetters", b"k", b"x", (), "no reason"),
        Seen("notifications", b"t", b"{}", (("content-type", b"application/cloudevents+json"),), "empty"),
        Seen("inputs", b"t", b"[]", (), "no object"),
    ],
    ids=lambda seen: f"{seen.channel}: {seen.place}",
)
def test_a_wrong_message_is_none_of_the_document(seen: Seen) -> None:
    assert not _fits(seen)
