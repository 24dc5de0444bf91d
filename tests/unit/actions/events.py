"""Builders: an event as it is sent, on its way in, decided, and what came of it, read again.

Whatever goes through here is checked on the way: eventMeta by the schema of its action (unless it
is meant to be wrong), every record by the schema of the record after a round trip through its
stored bytes, and every decision on a task by replaying it from its kept outcome.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from msgspec import structs

from runner.actions.decision import Decision, OutgoingMessage, decode_outcome, encode_outcome
from runner.actions.incoming import Headers, Incoming
from runner.actions.plan import ImmediateAnswer, Plan, TaskPlan, asked_by
from runner.actions.policy import DomainPolicy, Policy
from runner.actions.registry import VERBS, answer_without_record, decide, plan, replay
from runner.actions.render import Renderer
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import NO_RULES, MetaRules, read_event, require_answerable
from runner.tasks.keys import TaskKey
from runner.tasks.parts import LIFE, encode_part
from runner.tasks.record import Record, read_record
from runner.tasks.source import Source
from tests.unit.actions.schemas import complaints

NOW: Final = 1_800_000_000_000
HOUR: Final = 3_600_000

POLICY: Final = Policy(
    domains={
        "orders": DomainPolicy(admin_role="admin"),
        "unchecked": DomainPolicy(check_roles=False),
        "trusting": DomainPolicy(trust_payload=True),
        "shared": DomainPolicy(admin_role="admin", anyone_eligible_completes=True),
        "brief": DomainPolicy(retention_ms=0),
    },
    deployment="eu",
    allowed_streams=frozenset({"orders-out", "nowhere"}),
)

_codec: Final = JsonCodec()
_UNSET: Final = object()


class FakeOutlet:
    """Topics with limits; JSON on all of them. ``orders-out`` may be told to be smaller."""

    def __init__(self, partitions: Mapping[str, int] | None = None, **limits: int | None) -> None:
        self._limits: dict[str, int | None] = {"responses": 1_000_000, "orders-out": 1_000_000}
        self._limits |= {name.replace("_", "-"): limit for name, limit in limits.items()}
        self._partitions = partitions or {}

    def encode(self, stream: str, sections: Sections) -> bytes:
        assert stream == "requests" or self._limits.get(stream) is not None, (
            f"encoded for {stream}, which does not exist"
        )
        return _codec.encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        return self._limits.get(stream)

    def partition(self, stream: str, request_id: str) -> int | None:  # noqa: ARG002 - as the Outlet has it
        return self._partitions.get(stream)


OUTLET: Final = FakeOutlet()


def envelope(
    action: str,
    *,
    meta: dict[str, Any] | None = None,
    wrong_meta: dict[str, Any] | None = None,
    payload: Any = _UNSET,
    request: dict[str, Any] | None = None,
    saga: Any = _UNSET,
    **parameters: Any,
) -> dict[str, Any]:
    """Give an event as a saga engine sends it; ``parameters`` are those of eventMeta.

    ``wrong_meta`` is meant to be wrong: it is laid over eventMeta (its ``parameters`` over the
    parameters) after the schema has had its say.
    """
    full: dict[str, Any] = {
        "requestMeta": {"id": "req-1", **(request or {})},
        "sagaMeta": [{"sagaId": "purchase", "stepId": "step-2"}] if saga is _UNSET else saga,
        "eventMeta": {"action": action, "domain": "orders", "parameters": parameters, **(meta or {})},
        "payload": {"taskId": "task-1"} if payload is _UNSET else payload,
        "result": None,
    }
    if action in {*VERBS, "TimeoutBetween"}:
        assert not complaints(f"event-meta/{action}", full["eventMeta"])
    if wrong_meta is not None:
        wrong = dict(wrong_meta)
        if isinstance(wrong.get("parameters"), dict):
            wrong["parameters"] = {**parameters, **wrong["parameters"]}
        full["eventMeta"] |= wrong
    return full


def incoming(
    sent: dict[str, Any] | bytes,
    *,
    partition: int = 0,
    offset: int = 0,
    headers: Headers = (),
    rules: MetaRules = NO_RULES,
) -> Incoming:
    """Read an event as the worker does."""
    value = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    event = read_event(_codec.decode(value), value, rules)
    require_answerable(event)
    return Incoming(event, Source(1, partition, offset), b"key", value, headers)


def again(one: Incoming, *, partition: int = 0, offset: int = 900) -> Incoming:
    """The same message sent once more: another source."""
    return incoming(one.value, partition=partition, offset=offset, headers=one.headers)


def start(**parts: Any) -> Incoming:
    return incoming(envelope("StartTask", **parts), offset=10)


def proceed(**parts: Any) -> Incoming:
    return incoming(envelope("ProceedTask", **_later(parts)), offset=20)


def cancelled(**parts: Any) -> Incoming:
    """A CancelTask by the admin of the domain."""
    request = {"claims": {"sub": "root", "roles": ["admin"]}, **parts.pop("request", {})}
    return incoming(
        envelope("CancelTask", request=request, **{"reason": "no longer needed", **parts}), offset=40
    )


def timeout(**parts: Any) -> Incoming:
    return incoming(envelope("TimeoutTask", **_later(parts)), offset=30)


def _later(parts: dict[str, Any]) -> dict[str, Any]:
    """The event of another request and step than that of ``start``."""
    request = {"id": "req-2", **parts.pop("request", {})}
    return {"request": request, "saga": [{"sagaId": "purchase", "stepId": "step-5"}], **parts}


def planned(one: Incoming, policy: Policy = POLICY) -> Plan:
    return plan(one, policy)


def answer(
    one: Incoming,
    record: Record | None = None,
    *,
    now_ms: int = NOW,
    policy: Policy = POLICY,
    topics: FakeOutlet = OUTLET,
    others: Mapping[TaskKey, Record | None] | None = None,
) -> Decision:
    """Decide an event on one task, checking that redelivery will say the same.

    ``others``: the other records there are, of which the verb gets what it asks for.
    """
    renderer = Renderer(policy, topics)
    asked = plan(one, policy)
    if isinstance(asked, ImmediateAnswer):
        return answer_without_record(asked, now_ms, renderer)
    assert isinstance(asked, TaskPlan)
    wanted = [each.key for each in asked_by(asked, record) if each.key != asked.key]
    asked = structs.replace(asked, others={key: (others or {}).get(key) for key in wanted})
    before = copy.deepcopy((record, one.event.meta, one.event.payload))
    decision = decide(asked, record, now_ms, policy, renderer)
    assert (record, one.event.meta, one.event.payload) == before, "an action changed what it was given"
    if decision.record is not None:
        decision = structs.replace(decision, record=stored(decision.record))
    _check_replay(one, decision, decision.record or record, policy, renderer)
    return decision


def _check_replay(
    one: Incoming, decision: Decision, record: Record | None, policy: Policy, renderer: Renderer
) -> None:
    """Redelivered, with the record as it is by then, the event sends the same byte for byte."""
    kept = decode_outcome(encode_outcome(decision.outcome))
    redelivered = plan(_read_again(one), policy)
    assert isinstance(redelivered, TaskPlan)
    replayed = replay(redelivered, record, kept, renderer)
    assert replayed.messages == decision.messages
    assert replayed.status == decision.status
    assert replayed.record is None


def _read_again(one: Incoming) -> Incoming:
    """The same message read from its bytes once more; with metadata rules, as it was read before."""
    if one.event.meta is not one.event.sent_meta:
        return one
    return structs.replace(one, event=read_event(_codec.decode(one.value), one.value))


def stored(record: Record) -> Record:
    """Give a record as the store gives it back; it must be what its schema says."""
    parts = {"state": encode_part(record.state), "start": encode_part(record.start), **record.all_parts}
    assert not complaints("record", {name: json.loads(part) for name, part in parts.items()})
    life = parts.get(LIFE)
    back = read_record(record.key, record.revision, parts["state"], parts["start"], life, record.parts)
    assert back.life == record.life
    assert back.state == record.state
    return back


def started(one: Incoming | None = None, *, now_ms: int = NOW, policy: Policy = POLICY) -> Record:
    """Give the record of a StartTask."""
    decision = answer(one or start(), now_ms=now_ms, policy=policy)
    assert decision.record is not None, message(decision.messages[0]).result
    return decision.record


def closed_by(one: Incoming, record: Record | None, *, policy: Policy = POLICY) -> Record:
    """Give the record after a closing event."""
    decision = answer(one, record, policy=policy)
    assert decision.record is not None, message(decision.messages[0]).result
    return decision.record


@dataclass(frozen=True)
class Message:
    """A message that was sent, read as its receiver reads it."""

    stream: str
    key: str | None
    partition: int | None
    headers: dict[str, str]
    value: dict[str, Any]

    @property
    def kind(self) -> str:
        return self.headers["event-kind"]

    @property
    def status(self) -> str:
        assert self.headers["event-status"] == self.result["status"]
        return str(self.result["status"])

    @property
    def result(self) -> dict[str, Any]:
        result: dict[str, Any] = self.value["result"]
        return result

    @property
    def payload(self) -> Any:
        return self.value["payload"]


def message(outgoing: OutgoingMessage) -> Message:
    assert outgoing.value is not None
    assert outgoing.key is not None
    headers = {
        name: text.decode("latin-1" if name.startswith("trace") else "utf-8")
        for name, text in outgoing.headers
    }
    return Message(
        outgoing.stream, outgoing.key.decode(), outgoing.partition, headers, json.loads(outgoing.value)
    )


def reply(decision: Decision) -> Message:
    """The reply of a decision: its last message, and the only one of its kind."""
    kinds = [message(outgoing).kind for outgoing in decision.messages]
    assert kinds.count("reply") == 1
    assert kinds[-1] == "reply"
    return message(decision.messages[-1])


def resumed(decision: Decision) -> Message:
    """The resumed event of a decision: its first message, and the only one of its kind."""
    kinds = [message(outgoing).kind for outgoing in decision.messages]
    assert kinds.count("resume") == 1
    assert kinds[0] == "resume"
    return message(decision.messages[0])


def failure(decision: Decision) -> dict[str, Any]:
    """The error of a FAIL reply, which is all that came of the event: nothing was changed."""
    assert len(decision.messages) == 1
    assert decision.record is None
    assert decision.status == "FAIL"
    said = reply(decision)
    assert said.status == "FAIL"
    error: dict[str, Any] = said.result["error"]
    assert error["message"].strip()
    return error


def code(decision: Decision) -> int:
    return int(failure(decision)["code"])
