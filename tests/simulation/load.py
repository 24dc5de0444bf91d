"""What the saga engine and the people send: tasks, commands, mistakes, repeats, loops, poison.

Every message carries a marker of its own, in the payload and as its traceparent, so that every
answer can be told whose it is: ``g`` in a StartTask marks its generation, ``c`` in a command the command.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final
from zlib import crc32

import msgspec

from runner.actions.incoming import Headers
from runner.tasks.keys import TaskKey
from tests.simulation.history import Kind, Sent
from tests.simulation.log_model import RESPONSES, Broker, Found
from tests.simulation.profile import Profile
from tests.simulation.scheduler import Scheduler

TRACE: Final = "traceparent"
DRAWN: Final = "drawn"
"""Field of what a ProceedTask writes that its patterns drew: [uuid, the time it was sent]."""

_DRAW: Final = "[uuid(), now()]"
_DRAWING: Final = 0.2
"""How often a command has such patterns: they take as long as all the rest."""

PEOPLE: Final = ("ann", "bob")
VERBS: Final = (
    *(Kind.COMMENT, Kind.CLAIM, Kind.RELEASE, Kind.ASSIGN, Kind.SAVE, Kind.SAVE, Kind.UPDATE) * 2,
    Kind.GET,
    Kind.CANCEL,
)
"""A cancelled task takes no more of the others, so it comes seldom."""

SPEC: Final = "form"
DRAFT: Final = "draft"
"""Field of what was saved before a task was finished: the marker of each person's last draft."""

DECIDED: Final = "decided"
"""Field of the payload in which a task may say how it was decided."""

ADMIN: Final = "admin"
"""Role of everybody who sends a verb: who may is for other tests."""

_PLAIN: Final = {"enrichPath": "done"}
_DRAWN: Final = {
    **_PLAIN,
    "inputPattern": f"set_element(@, 'done.{DRAWN}', {_DRAW})",
    "outputPattern": f"set_element(@, '{DRAWN}', {_DRAW})",
}
_encode = msgspec.json.encode


class Load:
    """Sends to ``requests`` at moments that the seed decides, and reacts to resumed events."""

    def __init__(
        self,
        scheduler: Scheduler,
        broker: Broker,
        rng: Random,
        profile: Profile,
        trace: Callable[..., None],
    ) -> None:
        self._scheduler = scheduler
        self._trace = trace
        self._broker = broker
        self._rng = rng
        self._profile = profile
        self._starts_left = profile.starts + 3
        self._count = 0
        self._seen = [0] * len(broker.topics[RESPONSES])
        self._looking = False
        self._waiting = 0
        self.sent: dict[str, Sent] = {}

    @property
    def is_done(self) -> bool:
        """Whether nothing more will be sent, unless something is answered."""
        return self._waiting == 0

    def begin(self) -> None:
        """Plan the first messages."""
        rng, spread = self._rng, self._profile.spread_ms
        for _ in range(self._profile.starts):
            self._later(rng.randrange(spread), self._start_some)
        for _ in range(rng.choice((0, 0, 1, 2))):
            self._later(rng.randrange(spread * 2), self._poison)
        for _ in range(rng.choice((0, 0, 0, 1, 2))):
            self._later(rng.randrange(spread * 2), self._between)
        if rng.random() < 0.1:
            self._later(rng.randrange(spread), self._foreign)
        for _ in range(rng.choice((0, 1, 2, 3)) if self._profile.verbs else 0):
            self._later(rng.randrange(spread), self._define)

    def look(self) -> None:
        """Look at the responses, soon: there may be new ones."""
        if not self._looking:
            self._looking = True
            self._later(self._rng.choice((0, 1, 5, 30)), self._react)

    def removed(self, key: TaskKey) -> None:
        """Start a task that was just removed anew, on any partition: the nastiest moment for it."""
        if key.id.startswith("t") and self._rng.random() < self._profile.loops * 0.7:
            partition = self._any_partition()
            self._later(self._rng.choice((0, 0, 1, 20)), lambda: self._start(key.domain, key.id, partition))

    def lost(self) -> None:
        """Start a task now that Redis has lost something, perhaps the definition of the task."""
        if self._profile.verbs:
            domain, partition = self._rng.choice(self._profile.domains), self._any_partition()
            self._later(self._rng.choice((0, 1, 5, 20)), lambda: self._start(domain, None, partition))

    # -- tasks -------------------------------------------------------------------------------------

    def _start_some(self) -> None:
        """Start a task on an id of its own or on one of the few that all share."""
        rng = self._rng
        home = self._any_partition()
        domain = rng.choice(self._profile.domains)
        task_id = f"t{rng.randrange(self._profile.ids)}" if rng.random() < 0.75 else None
        if task_id is not None and rng.random() > self._profile.wrong_partition:
            home = int(task_id[1:]) % len(self._broker.requests)
        self._start(domain, task_id, home)

    def _start(self, domain: str, task_id: str | None, home: int) -> None:
        if self._starts_left <= 0:
            return
        self._starts_left -= 1
        marker = self._marker("s")
        timeout_ms = self._timeout()
        sent = self._send_start(marker, marker, (domain, task_id, home), timeout_ms)
        if self._rng.random() < 0.25:
            self._repeat_later(sent)
        self._commands(sent)

    def _send_start(
        self, marker: str, identity: str, place: tuple[str, str | None, int], timeout_ms: int | None
    ) -> Sent:
        domain, task_id, home = place
        payload = {"g": marker} if task_id is None else {"g": marker, "taskId": task_id}
        parameters: dict[str, Any] = {} if timeout_ms is None else {"timeout": timeout_ms}
        # Drawn from the name: a repeat asks for the same.
        drawn = crc32(identity.encode()) % 4
        if self._profile.verbs:
            parameters |= {"taskSpec": SPEC} if drawn % 2 else {}
            parameters |= {"decisionElement": DECIDED} if drawn > 1 else {}
            parameters |= {"hooks": _hooks(identity)} if crc32(identity[::-1].encode()) % 2 else {}
        value = _envelope(Kind.START, identity, domain, payload, parameters)
        known_as = f"r-{identity}:x{home}" if task_id is None else task_id
        about = Sent(marker, Kind.START, identity, home, value, domain, known_as, payload, timeout_ms)
        return self._send(about)

    def _repeat_later(self, sent: Sent) -> None:
        self._later(self._repeat_gap(), lambda: self._repeat(sent))

    def _repeat(self, sent: Sent) -> None:
        """Send the same StartTask once more, mostly where it was sent before."""
        partition = self._mostly(sent.partition)
        task_id = sent.payload.get("taskId")
        marker = self._marker("s")
        self._send_start(marker, sent.identity, (sent.domain, task_id, partition), sent.timeout_ms)

    # -- commands ----------------------------------------------------------------------------------

    def _commands(self, task: Sent) -> None:
        for _ in range(self._rng.choice((0, 1, 1, 1, 2, 3))):
            self._later(self._gap(), lambda: self._command(task))

    def _command(self, task: Sent) -> None:
        if self._rng.random() < self._profile.verbs:
            self._verb(task)
        kind = Kind.PROCEED if self._rng.random() < 0.8 else Kind.TIMEOUT
        marker = self._marker("c")
        draws = kind is Kind.PROCEED and self._rng.random() < _DRAWING
        command = Sent(marker, kind, marker, 0, None, task.domain, task.task_id, draws=draws)
        self._send_command(command, task)
        if self._rng.random() < 0.25:
            self._later(self._repeat_gap(), lambda: self._send_again(command, task))
        if self._rng.random() < self._profile.loops * 0.5:
            self._later(self._rng.choice((0, 0, 1, 5)), lambda: self._loop(task))

    def _send_again(self, command: Sent, task: Sent) -> None:
        self._send_command(replace(command, marker=self._marker("c")), task)

    def _send_command(self, command: Sent, task: Sent) -> None:
        marker, kind = command.marker, command.kind
        payload = {"c": marker, "taskId": task.task_id, "done": {"by": marker}}
        parameters = {} if kind is Kind.TIMEOUT else _DRAWN if command.draws else _PLAIN
        value = _envelope(kind, command.identity, task.domain, payload, parameters)
        partition = self._mostly(task.partition)
        self._send(replace(command, partition=partition, value=value, payload=payload))

    def _verb(self, task: Sent) -> None:
        """Comment on a task, or say whose it is; now and then once more."""
        marker, rng = self._marker("c"), self._rng
        kind = rng.choice(VERBS)
        values = self._comment(marker) if kind is Kind.COMMENT else {}
        if kind is Kind.CANCEL:
            values = {"reason": marker}
        if kind is Kind.SAVE:
            values = {"data": {DRAFT: {person_of(marker): marker}}, "ignoreClaim": rng.random() < 0.5}
        if kind is Kind.UPDATE:
            values = {"timeout": self._timeout(), "priority": rng.randrange(100)}
        if kind is Kind.ASSIGN:
            values = {"user": rng.choice(PEOPLE), "override": rng.random() < 0.5}
        self._send_verb(kind, (marker, marker), task, values)
        if rng.random() < 0.3:
            again = self._marker("c")
            self._later(self._repeat_gap(), lambda: self._send_verb(kind, (again, marker), task, values))

    def _comment(self, marker: str) -> dict[str, Any]:
        """Return the values of a new comment, or of one that edits or deletes one, perhaps another's."""
        number = self._rng.choice((None, None, None, 1, 1, 2))
        if number is None:
            return {"text": marker}
        return {"commentId": number, "text": marker, "delete": self._rng.random() < 0.3}

    def _send_verb(self, kind: Kind, names: tuple[str, str], task: Sent, values: dict[str, Any]) -> None:
        marker, identity = names
        payload = {"c": marker, "taskId": task.task_id}
        value = _envelope(kind, identity, task.domain, payload, values, person_of(identity))
        partition = self._mostly(task.partition)
        self._send(Sent(marker, kind, identity, partition, value, task.domain, task.task_id, payload))

    def _define(self) -> None:
        """Define what answers tasks of a spec take: after a draft, or without; now and then once more."""
        marker = self._marker("d")
        domain, needs_draft = self._rng.choice(self._profile.domains), self._rng.random() < 0.5
        self._send_definition(domain, (marker, marker), needs_draft=needs_draft)
        if self._rng.random() < 0.3:
            again = self._marker("d")
            self._later(
                self._repeat_gap(),
                lambda: self._send_definition(domain, (again, marker), needs_draft=needs_draft),
            )

    def _send_definition(self, domain: str, names: tuple[str, str], *, needs_draft: bool) -> None:
        marker, identity = names
        fields = dict.fromkeys(("by", DRAWN, DRAFT), True)
        schema = {"properties": fields, "required": ["by", DRAFT] if needs_draft else ["by"]}
        payload = {"d": marker}
        values = {"taskSpec": SPEC, "schema": schema}
        value = _envelope(Kind.DEFINE, identity, domain, payload, values, person_of(identity))
        self._send(
            Sent(
                marker,
                Kind.DEFINE,
                identity,
                self._any_partition(),
                value,
                domain,
                SPEC,
                payload,
                draws=needs_draft,
            )
        )

    def _loop(self, task: Sent) -> None:
        """Start the same id again: the saga has come back to the step."""
        task_id = task.payload.get("taskId")
        if task_id is not None:
            self._start(task.domain, task_id, self._mostly(task.partition))

    # -- the others --------------------------------------------------------------------------------

    def _poison(self) -> None:
        marker = self._marker("p")
        value = None if self._rng.random() < 0.3 else f"no envelope {marker}".encode()
        partition = self._any_partition()
        self._send(Sent(marker, Kind.POISON, marker, partition, value))

    def _foreign(self) -> None:
        marker = self._marker("f")
        value = _envelope(Kind.START, marker, "d0", {"g": marker}, {}).replace(b"user-task", b"mail")
        self._send(Sent(marker, Kind.FOREIGN, marker, 0, value))

    def _between(self) -> None:
        """Ask for a period: up to now, up to a while ago, or a little into the future."""
        marker = self._marker("b")
        prefetch = self._rng.choice((None, None, -50, 100, 400))
        to_ms = None if prefetch is None else self._scheduler.now_ms + prefetch
        payload: dict[str, Any] = {"c": marker}
        parameters: dict[str, Any] = {}
        if to_ms is not None:
            payload["to"], parameters["toTimePath"] = to_ms, "to"
        if self._rng.random() < 0.3:
            payload["from"], parameters["fromTimePath"] = self._scheduler.now_ms - 300, "from"
        domain = self._rng.choice((None, *self._profile.domains))
        value = _envelope(Kind.BETWEEN, marker, domain, payload, parameters)
        partition = self._any_partition()
        self._send(
            Sent(marker, Kind.BETWEEN, marker, partition, value, domain or "", payload=payload, to_ms=to_ms)
        )

    def _react(self) -> None:
        """Read what is new in the responses; go on with sagas that were resumed."""
        self._looking = False
        for partition in self._broker.topics[RESPONSES]:
            found = list(partition.read(self._seen[partition.number]))
            if found:
                self._seen[partition.number] = found[-1].offset + 1
            for each in found:
                self._resumed(each)

    def _resumed(self, found: Found) -> None:
        if header(found.headers, "event-kind") != "resume" or self._rng.random() > self._profile.loops:
            return
        task = self.sent[header(found.headers, TRACE) or ""]
        self._later(self._rng.choice((0, 1, 10, 100)), lambda: self._loop(task))

    # -- sending -----------------------------------------------------------------------------------

    def _send(self, about: Sent) -> Sent:
        headers: Headers = ((TRACE, about.marker.encode()),)
        partition = self._broker.requests[about.partition]
        offset = self._broker.send(partition, about.request_id.encode(), about.value, headers)
        sent = replace(about, offset=offset, at_ms=self._scheduler.now_ms)
        self.sent[sent.marker] = sent
        place = f"{sent.partition}@{sent.offset}"
        self._trace("sends", sent.kind.value, sent.marker, "as", sent.identity, "to", place, sent.value)
        return sent

    def _later(self, ms: int, action: Callable[[], object]) -> None:
        self._waiting += 1

        def act() -> None:
            self._waiting -= 1
            action()

        self._scheduler.after(ms, act)

    def _marker(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _gap(self) -> int:
        return self._rng.choice((0, 0, 1, 3, 10, 50, self._rng.randrange(self._profile.spread_ms)))

    def _repeat_gap(self) -> int:
        return self._rng.randrange(self._profile.late_ms) if self._profile.late_ms else self._gap()

    def _timeout(self) -> int | None:
        return self._rng.choice((None, None, 0, 5, 30, 100, 400, 1000))

    def _mostly(self, home: int) -> int:
        """Return the home of a task or, now and then, another partition."""
        return home if self._rng.random() >= self._profile.wrong_partition else self._any_partition()

    def _any_partition(self) -> int:
        return self._rng.randrange(len(self._broker.requests))


def _hooks(identity: str) -> list[dict[str, Any]]:
    """Return hooks drawn from the name of a task: reminders, levels of a chain, perhaps an end."""
    rng = Random(identity)
    after = [rng.choice((0, 5, 30, 100, 400)) for _ in range(4)]
    hooks: list[dict[str, Any]] = [
        {"on": "arrival", "after": after[0], "do": "remind", "repeatEvery": 20, "times": 2},
        {"on": "assignment", "after": after[1], "do": "remind"},
        {"on": "arrival", "after": after[2], "do": "reassign", "user": rng.choice(PEOPLE)},
        {"on": "arrival", "after": after[2] + rng.choice((0, 20, 80)), "do": "reassign", "roles": ["lead"]},
        {"on": "assignment", "after": after[3], "do": "reassign", "roles": ["other"]},
        {"on": "arrival", "after": 600, "do": rng.choice(("cancel", "timeout"))},
    ]
    return rng.sample(hooks, rng.choice((1, 2, 3, 4)))


def person_of(identity: str) -> str:
    """Return who sends a verb, or a repeat of it."""
    return PEOPLE[crc32(identity.encode()) % len(PEOPLE)]


def header(headers: Headers, name: str) -> str | None:
    """Return a header as text, or None."""
    for key, value in headers:
        if key == name:
            return value.decode()
    return None


def _envelope(
    kind: Kind,
    identity: str,
    domain: str | None,
    payload: dict[str, Any],
    parameters: dict[str, Any],
    person: str | None = None,
) -> bytes:
    origin = {} if person is None else {"origin": {"id": person}, "claims": {"roles": [ADMIN]}}
    return _encode(
        {
            "requestMeta": {"id": f"r-{identity}", **origin},
            "sagaMeta": [{"sagaId": "g", "stepId": "x"}],
            "eventMeta": {
                "requestTime": identity,
                "handler": "user-task",
                "action": kind.value,
                "domain": domain,
                "parameters": parameters,
            },
            "payload": payload,
        }
    )
