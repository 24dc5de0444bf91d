"""Commands: the event of a request, as the worker will read it, and the request id by which it is known.

A request that is sent again with its ``Idempotency-Key`` becomes the same event: the same request id, the
same identity (``requestTime`` is 0), for the same home. So the worker, which knows what it has done, answers
it again, whichever process asks.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from zlib import crc32

from runner.actions.incoming import Incoming
from runner.actions.plan import ImmediateAnswer, TaskPlan
from runner.actions.policy import Policy
from runner.actions.registry import DEFINE_TASK, plan
from runner.envelope.codec import Codec, JsonCodec
from runner.envelope.event import MetaRules, read_event
from runner.envelope.plain import encode
from runner.errors import EventError, PoisonError
from runner.tasks.keys import TaskKey
from runner.tasks.source import Source
from runner.web.callers import Caller
from runner.web.problems import Refused, refused_event

CHANNEL: Final = "http"
PREFIX: Final = "web-"
"""What every request id begins with."""

_DIGEST_BYTES: Final = 16
_LENGTH_BYTES: Final = 8
_ID_PATH: Final = "@.eventMeta.parameters.taskId"
_NOTHING: Final[Mapping[str, Any]] = {}
# Only looked at by what makes an id of the place of an event, which no event of ours leaves to be made.
_UNREAD: Final = Source(incarnation=0, partition=-1, offset=-1)
_JSON: Final = JsonCodec()


@dataclass(frozen=True, slots=True)
class RequestIdentity:
    """What is asked, as far as it tells one request from another."""

    method: str
    path: str
    body: bytes
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Command:
    """An event that is ready to be sent."""

    plan: TaskPlan
    value: bytes

    @property
    def key(self) -> TaskKey:
        return self.plan.key

    @property
    def action(self) -> str:
        return self.plan.incoming.event.action

    @property
    def request_id(self) -> str:
        return self.plan.incoming.event.request_id

    @property
    def identity(self) -> str:
        """By what the record knows the event again, once it has been decided."""
        return self.plan.incoming.event.identity()


def request_id(caller: Caller, asked: RequestIdentity) -> str:
    """Return the request id: of the request where it has a key, else one that nobody has had."""
    if asked.idempotency_key is None:
        return PREFIX + secrets.token_hex(_DIGEST_BYTES)
    digest = sha256()
    for each in (caller.tenant, caller.issuer, caller.user, asked.method, asked.path, asked.idempotency_key):
        _add(digest, each.encode("utf-8", "surrogatepass"))
    _add(digest, asked.body)
    return PREFIX + digest.digest()[:_DIGEST_BYTES].hex()


def home_of_new(task_id: str, partitions: int) -> int:
    """Return where a task starts: crc32 of its id, so that a repeat meets the task."""
    return crc32(task_id.encode()) % partitions


class Commands:
    """Makes events; stateless."""

    def __init__(self, policy: Policy, rules: MetaRules, replies: str, codec: Codec = _JSON) -> None:
        """``rules`` and ``codec`` are those of the requests topic; ``replies``: where answers go."""
        self._policy = policy
        self._rules = rules
        self._replies = replies
        self._codec = codec

    def on_task(
        self,
        caller: Caller,
        asked: RequestIdentity,
        action: str,
        key: TaskKey,
        values: Mapping[str, Any] = _NOTHING,
        payload: Mapping[str, Any] = _NOTHING,
    ) -> Command:
        """Return a verb on a task; its values are parameters. Refused where it could not be handled."""
        parameters = {**values, "taskIdPath": _ID_PATH, "taskId": key.id}
        # The reply to an end has the data of the task in it otherwise, which nobody reads there.
        meta = {"parameters": parameters, "outputElement": "-"}
        return self._command(request_id(caller, asked), caller, action, key.domain, meta, payload)

    def start(
        self,
        caller: Caller,
        asked: RequestIdentity,
        domain: str,
        task_id: str | None,
        data: Any,
        values: Mapping[str, Any],
    ) -> Command:
        """Return a StartTask; a task without an id gets one that is the same for the same request."""
        known = request_id(caller, asked)
        meta = {"inputElement": "data", "parameters": {**values, "taskIdPath": "$.taskId"}}
        payload = {"taskId": task_id or known, "data": data}
        return self._command(known, caller, "StartTask", domain, meta, payload)

    def define(
        self, caller: Caller, asked: RequestIdentity, domain: str, spec: str, definition: Mapping[str, Any]
    ) -> Command:
        """Return a DefineTask."""
        parameters = {**definition, "taskSpec": spec}
        known = request_id(caller, asked)
        return self._command(known, caller, DEFINE_TASK, domain, {"parameters": parameters}, _NOTHING)

    def _command(
        self,
        known: str,
        caller: Caller,
        action: str,
        domain: str,
        meta: Mapping[str, Any],
        payload: Mapping[str, Any],
    ) -> Command:
        deployment = self._policy.deployment
        deployments = {} if deployment is None else {"deployments": [deployment]}
        claims = {"sub": caller.user, "roles": sorted(caller.roles), "tenant": caller.tenant}
        sections = {
            "requestMeta": {"id": known, "channel": CHANNEL, "claims": claims},
            "eventMeta": {
                "requestTime": 0,
                "handler": self._policy.handler,
                **deployments,
                "action": action,
                "domain": domain,
                "responseStream": self._replies,
                **meta,
            },
            "payload": payload,
        }
        return self._ready(encode(sections))

    def _ready(self, text: bytes) -> Command:
        if len(text) > self._policy.limits.event_bytes:
            limit = self._policy.limits.event_bytes
            raise Refused(413, f"the command has {len(text)} bytes as an event; limits.eventBytes is {limit}")
        try:
            sections = _JSON.decode(text)
            value = text if isinstance(self._codec, JsonCodec) else self._codec.encode(sections)
            found = plan(
                Incoming(read_event(sections, None, self._rules), _UNREAD, None, value), self._policy
            )
        except PoisonError as error:
            raise Refused(400, f"this cannot be sent: {error}") from error
        except EventError as error:
            raise refused_event(error) from error
        if isinstance(found, TaskPlan):
            return Command(found, value)
        if isinstance(found, ImmediateAnswer) and found.error is not None:
            raise refused_event(found.error)
        raise Refused(
            500, "the rules of the topic of requests (meta) make another event of this; see the configuration"
        )


def _add(digest: Any, part: bytes) -> None:
    """Add a part with its length before it: no two lists of parts run together."""
    digest.update(len(part).to_bytes(_LENGTH_BYTES, "big"))
    digest.update(part)
