"""Is there one order of events that explains every answer? Each task is replayed from the log.

For every task the committed messages about it are taken partition by partition, in their order, and
an interleaving is looked for in which the pure actions, on one record, give byte for byte what was
seen: the reply, the resumed event, the forwarded copy, or nothing. What was answered and committed
before an event was even sent comes before it. Time comes from the answers (it is
that of a load, and may be long before the decision took effect); a closed record of a task that was
removed at least once may vanish and, where a replica had it still, be back. No such order:
some answer was wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf

from msgspec import structs

from runner.actions.decision import Decision, Forwarded, OutgoingMessage
from runner.actions.incoming import HOPS, ORIGIN
from runner.actions.plan import TaskPlan, asked_by
from runner.actions.policy import Policy
from runner.actions.registry import VERBS, decide
from runner.actions.render import Renderer
from runner.errors import RecordAwaited
from runner.tasks.keys import TaskKey, domain_of_definition, is_definition
from runner.tasks.record import Record
from runner.worker.decoder import decode_message
from runner.worker.processing_settings import ProcessingSettings
from tests.simulation.answers import Answer, Answers, time_of
from tests.simulation.history import Violation
from tests.simulation.load import TRACE, header
from tests.simulation.log_model import NOTIFICATIONS, Found
from tests.simulation.topic_model import Topics


@dataclass(frozen=True, slots=True)
class Event:
    """One message about a task, and what was seen of it."""

    plan: TaskPlan
    at: str
    """Its own source."""
    copy: Found | None
    """The forwarded copy."""
    reply: Answer | None
    sent_ms: int
    """When it came into the log."""
    done_ms: float
    """When its answer was committed; never, where that cannot be told."""

    @property
    def is_timer(self) -> bool:
        """Whether the runner sent it."""
        return self.plan.incoming.is_timer


@dataclass(slots=True)
class Task:
    """The messages about one task, a queue for each partition."""

    queues: dict[int, list[Event]] = field(default_factory=lambda: defaultdict(list))
    states: int = 0
    furthest: tuple[int, str] = (-1, "")


class Reference:
    """Replays every task of a history."""

    def __init__(
        self,
        terms: ProcessingSettings,
        answers: Answers,
        notifications: Mapping[str, Sequence[Found]],
        removed: Collection[TaskKey],
        brought_back: Collection[TaskKey] = (),
        *,
        partitions: int = 1,
        lost: bool = False,
    ) -> None:
        """``brought_back``: removed tasks that a replica had still. ``lost``: the store has lost something.

        ``partitions`` of ``requests`` at the end.

        An event may have been sent on to a home whose own event, not committed yet, came to something
        else when it was decided again. Who answers an event that was sent on is not what is promised.
        """
        self._terms = terms
        self._lost = lost
        self._partitions = partitions
        self._definitions: dict[TaskKey, Record] = {}
        self._removed = removed
        self._brought_back = brought_back
        self._answers = answers
        self._notifications = notifications
        self._renderer = Renderer(terms.policy, Topics())

    def check(self, requests: Iterable[Found], records: Iterable[Record]) -> None:
        """Raise Violation for the first task whose answers nothing explains."""
        left = {record.key: record for record in records}
        self._definitions = {key: record for key, record in left.items() if is_definition(key)}
        for key, task in self._tasks(list(requests)).items():
            self._explain(key, task, left.get(key))

    # -- reading the log ---------------------------------------------------------------------------

    def _tasks(self, requests: list[Found]) -> dict[TaskKey, Task]:
        copies = _copies(requests)
        tasks: dict[TaskKey, Task] = defaultdict(Task)
        for found in requests:
            plan = decode_message(found.message, self._terms).plan
            if isinstance(plan, TaskPlan):
                tasks[plan.key].queues[found.partition].append(self._event(plan, copies, found.timestamp_ms))
        return tasks

    def _event(self, plan: TaskPlan, copies: dict[tuple[str, int], Found], sent_ms: int) -> Event:
        incoming = plan.incoming
        at = incoming.header(ORIGIN) or str(incoming.source)
        copy = copies.pop((at, incoming.hops + 1), None)
        replies = [] if copy is not None else self._answers.replies.get(incoming.header(TRACE) or "", [])
        reply = replies[0] if replies else None
        seen = copy if reply is None else reply.found
        done_ms = inf if seen is None else seen.committed_ms
        return Event(plan, str(incoming.source), copy, reply, sent_ms, done_ms)

    # -- looking for an order ----------------------------------------------------------------------

    def _explain(self, key: TaskKey, task: Task, last: Record | None) -> None:
        partitions = sorted(task.queues)
        start: tuple[int, ...] = (0,) * len(partitions)
        dead_ends: set[tuple[tuple[int, ...], object]] = set()
        stack: list[tuple[tuple[int, ...], Record | None]] = [(start, None)]
        while stack:
            places, record = stack.pop()
            known = (places, None if record is None else _told_apart_by(record))
            if known in dead_ends:
                continue
            dead_ends.add(known)
            heads = [
                (at, task.queues[partition][place])
                for at, (partition, place) in enumerate(zip(partitions, places, strict=True))
                if place < len(task.queues[partition])
            ]
            if not heads:
                if _is_same(record, last):
                    return
                task.furthest = max(task.furthest, (sum(places), f"the record at the end is {last}"))
                continue
            heads.sort(key=_moment, reverse=True)
            first_done_ms = min(event.done_ms for _, event in heads)
            for at, event in heads:
                if event.sent_ms > first_done_ms:
                    continue
                moved = (*places[:at], places[at] + 1, *places[at + 1 :])
                after = [(moved, outcome) for outcome in self._after(event, record)]
                if not after and sum(places) > task.furthest[0]:
                    task.furthest = (sum(places), self._told(event, record))
                stack += after
        raise Violation(f"no order explains the answers about {key}: {task.furthest[1]}")

    def _after(self, event: Event, record: Record | None) -> list[Record | None]:
        """Return the records that may be there after an event, if what was seen of it fits."""
        if self._lost and event.copy is not None:
            return [record]
        found: list[Record | None] = []
        if record is not None and not record.is_open and record.key in self._removed:
            without = self._decided(event, None)
            found += without
            if record.key in self._brought_back and None in without:
                # A replica that has not heard of the removal brings the closed record back for a while.
                found.append(record)
        return found + self._decided(event, record)

    def _decided(self, event: Event, record: Record | None) -> list[Record | None]:
        found = (
            self._decided_so(event, plan, policy, record)
            for plan in self._plans(event, record)
            for policy in self._policies(plan, record)
        )
        return [outcome for outcomes in found for outcome in outcomes]

    def _decided_so(
        self, event: Event, plan: TaskPlan, policy: Policy, record: Record | None
    ) -> list[Record | None]:
        resume = self._resume_of(record)
        try:
            decision = decide(plan, record, self._moment_of(event, resume), policy, self._renderer)
        except RecordAwaited:
            return []
        seen = self._seen(event, decision, resume)
        if [_bytes(outgoing) for outgoing in decision.messages] != seen:
            return []
        return [decision.record or record]

    def _policies(self, plan: TaskPlan, record: Record | None) -> Iterator[Policy]:
        """Give the policies of the workers there may have been: they knew of more or fewer partitions."""
        policy = self._terms.policy
        if record is not None or not is_definition(plan.key):
            yield policy
            return
        for partitions in range(1, self._partitions + 1):
            yield replace(policy, partitions=partitions)

    def _plans(self, event: Event, record: Record | None) -> Iterator[TaskPlan]:
        """Give the plan with the definition that is decided from, in every state it may have had."""
        plan = event.plan
        asked = asked_by(plan, record)
        keys = [reading.key for reading in asked if reading.key != plan.key]
        if not keys:
            yield plan
            return
        [key] = keys
        definition = self._definitions.get(key)
        if plan.verb is not VERBS["StartTask"]:
            yield structs.replace(plan, others={key: definition})
            return
        last = definition.life if definition is not None else None
        for versions in range(self._versions_before(key, event), 1 + (0 if last is None else last.versions)):
            life = None if last is None else structs.replace(last, versions=versions)
            known = None if definition is None else structs.replace(definition, life=life)
            yield structs.replace(plan, others={key: known if versions else None})

    def _versions_before(self, key: TaskKey, event: Event) -> int:
        """Return how many versions had been told when an event was sent: it must not see fewer."""
        domain, spec = domain_of_definition(key), key.id
        told = (
            reply.result["definition"]["version"] + 1
            for replies in self._answers.replies.values()
            for reply in replies
            if (named := reply.result.get("definition")) is not None
            and (named["domain"], named["taskSpec"]) == (domain, spec)
            and reply.found.committed_ms < event.sent_ms
        )
        return max(told, default=0)

    def _moment_of(self, event: Event, resume: Answer | None) -> int:
        """Return when an event was decided, as far as that can be told."""
        told = self._notifications.get(event.at)
        if event.reply is not None:
            return event.reply.at_ms
        if told:
            return time_of(told[0])
        return 0 if resume is None else resume.at_ms

    def _seen(self, event: Event, decision: Decision, resume: Answer | None) -> list[tuple[object, ...]]:
        """Return what readers saw of an event, in the shape of what it should have sent."""
        if event.copy is not None:
            copy = event.copy
            fits = isinstance(decision.outcome, Forwarded) and decision.outcome.home == copy.partition
            return [(copy.key, copy.value, copy.headers)] if fits else [("a copy",)]
        answers = [outgoing for outgoing in decision.messages if outgoing.stream != NOTIFICATIONS]
        closes = len(answers) == 2 or (event.is_timer and bool(answers))
        expected = [resume] if closes else []
        expected += [] if event.is_timer else [event.reply]
        told = self._notifications.get(event.at, ())
        return [*map(_seen_bytes, expected), *((each.key, each.value, each.headers) for each in told)]

    def _resume_of(self, record: Record | None) -> Answer | None:
        """Return the end of the present generation."""
        if record is None or not record.is_open or is_definition(record.key):
            return None
        marker = dict(record.start.headers)[TRACE]
        resumes = self._answers.resumes.get(marker, [])
        return resumes[0] if resumes else None

    def _told(self, event: Event, record: Record | None) -> str:
        seen = event.reply.status if event.reply else "a copy" if event.copy else "no reply"
        action = event.plan.incoming.event.action
        return f"{action} {event.plan.incoming.header(TRACE)} at {event.at} on {record}: seen {seen}"


def _told_apart_by(record: Record) -> tuple[object, ...]:
    return record.revision, record.state, record.life, record.start.spec_version


def _copies(requests: list[Found]) -> dict[tuple[str, int], Found]:
    """Return the forwarded messages by first source and hops: each must be the only one."""
    copies: dict[tuple[str, int], Found] = {}
    for found in requests:
        origin, hops = header(found.headers, ORIGIN), header(found.headers, HOPS)
        if origin is not None and hops is not None:
            name = (origin, int(hops))
            if name in copies:
                raise Violation(f"the event of {origin} was forwarded twice")
            copies[name] = found
    return copies


def _moment(head: tuple[int, Event]) -> int:
    reply = head[1].reply
    return 0 if reply is None else reply.at_ms


def _is_same(replayed: Record | None, stored: Record | None) -> bool:
    if stored is None:
        return replayed is None or replayed.state.closing is not None
    return replayed is not None and _content(replayed) == _content(stored)


def _content(record: Record) -> tuple[object, ...]:
    """Return all of a record that does not depend on how often the task was removed and made again."""
    return record.state, record.start, record.all_parts


def _bytes(outgoing: OutgoingMessage) -> tuple[object, ...]:
    return outgoing.key, outgoing.value, outgoing.headers


def _seen_bytes(answer: Answer | None) -> tuple[object, ...]:
    if answer is None:
        return ("nothing",)
    return answer.found.key, answer.found.value, answer.found.headers
