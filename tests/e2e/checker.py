"""The independent checker: whether every promise was kept, from what was sent and what was answered.

Tasks that people worked on are followed verb by verb (``people_check``), definitions are compared version by
version (``definition_check``); where there is a changelog, both with what it tells.

It knows the protocol and nothing of the program: it imports none of it. Every finding is one sentence;
no findings is the proof. It relies on the load never reusing a request id for another event, on every
starting event having a request id of its own, and on commands that carry their request id in the value
that enriches the task (``by``).
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from tests.e2e.answers import Answer
from tests.e2e.definition_check import check_definitions
from tests.e2e.history_check import changelog_parts
from tests.e2e.people_check import VERBS, check_people
from tests.e2e.rounds import Reply, Round
from tests.e2e.sent import Sent

PROCEED_REFUSALS: Final = {"PROCEEDED": {10118, 10119}, "TIMEOUT": {10118, 10120}}
"""Why a command that came too late, or too early, may be refused; by how the task ended."""

START_REFUSALS: Final = {11006}


@dataclass(slots=True)
class Report:
    """What was found, and what was counted."""

    findings: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)

    def say(self) -> str:
        """Return the findings as text, the first hundred of them."""
        lines = [f"{len(self.findings)} findings; {dict(self.counts)}", *self.findings[:100]]
        return "\n".join(lines)


def check(sent: Sequence[Sent], answers: Sequence[Answer], changelog: Sequence[Answer] = ()) -> Report:
    """Compare; the report has no findings if and only if every promise was kept.

    ``changelog``: all of its messages; none where there is no changelog.
    """
    return _Check(sent, answers, changelog).run()


class _Check:
    def __init__(self, sent: Sequence[Sent], answers: Sequence[Answer], changelog: Sequence[Answer]) -> None:
        self._report = Report()
        self._changelog = changelog
        self._sent: dict[str, list[Sent]] = defaultdict(list)
        for message in sent:
            self._sent[message.request_id].append(message)
        self._starts: dict[str, list[Sent]] = defaultdict(list)
        """The starting events of a task, one of each request id, by task id."""
        for messages in self._sent.values():
            if messages[0].action == "StartTask":
                self._starts[messages[0].task_id].append(messages[0])
        self._replies: dict[str, list[Answer]] = defaultdict(list)
        self._resumes: dict[str, list[Answer]] = defaultdict(list)
        for answer in answers:
            self._file(answer)
        self._ends: dict[str, set[str]] = defaultdict(set)
        """How the generations of a task ended, by task id."""
        self._lived = {message.task_id for message in sent if message.action in VERBS}
        """Ids of the tasks that people worked on."""

    def run(self) -> Report:
        for request_id, messages in self._sent.items():
            self._count_replies(messages[0], len(messages), self._replies[request_id])
        for starts in self._starts.values():
            for start in starts:
                self._check_start(start, START_REFUSALS if len(starts) > 1 else set())
        for messages in self._sent.values():
            if messages[0].action == "ProceedTask":
                self._check_proceed(messages[0])
        self._check_people()
        return self._report

    # -- every message -------------------------------------------------------------------------------

    def _file(self, answer: Answer) -> None:
        event = answer.event
        request_id = str(event["requestMeta"]["id"])
        self._report.counts[f"{answer.kind} {answer.status}"] += 1
        where = f"{answer.kind} {answer.status} at {answer.partition}@{answer.offset}"
        if request_id not in self._sent:
            self._find(f"{where}: nobody sent {request_id}")
            return
        of = self._replies if answer.kind == "reply" else self._resumes
        of[request_id].append(answer)
        started = self._sent[request_id][0].event
        if answer.key != request_id.encode():
            self._find(f"{where}: its key is {answer.key!r}, not the request id {request_id}")
        if event["result"]["status"] != answer.status:
            self._find(f"{where}: the event says {event['result']['status']}, the header {answer.status}")
        for section in ("requestMeta", "sagaMeta", "eventMeta"):
            if event.get(section) != started.get(section):
                self._find(f"{where}: {section} of {request_id} was changed to {event.get(section)}")
        if answer.headers.get("task-id", "") != self._sent[request_id][0].task_id:
            self._find(f"{where}: speaks of task {answer.headers.get('task-id')!r}")

    def _count_replies(self, sent: Sent, messages: int, replies: list[Answer]) -> None:
        if len(replies) < messages:
            self._find(f"{sent.action} {sent.request_id}: {messages} sent, only {len(replies)} answered")
        if len(replies) > messages:
            self._find(f"{sent.action} {sent.request_id}: {messages} sent, {len(replies)} replies")
        partitions = {reply.partition for reply in replies}
        if len(partitions) > 1:
            self._find(f"{sent.request_id}: one key on partitions {sorted(partitions)}")

    # -- a starting event and its end ----------------------------------------------------------------

    def _check_start(self, start: Sent, refusals: set[int]) -> None:
        replies = self._replies[start.request_id]
        acks = self._acks(start)
        self._refusals(start, [reply for reply in replies if reply.status != "ACK"], refusals)
        for ack in acks:
            if ack.event["payload"] != start.event["payload"]:
                self._find(f"ACK of {start.request_id}: its payload was changed")
        if acks:
            self._check_end(start, acks)
        elif self._resumes[start.request_id]:
            self._find(f"{start.request_id}: resumed although it was never acknowledged")

    def _check_end(self, start: Sent, acks: list[Answer]) -> None:
        told = {_frozen(ack.event["result"]["task"]) for ack in acks[1:]}
        # Once its task was changed or started anew, a repeat is told how the task is by then.
        if start.task_id not in self._lived and not told <= self._first_told(start.task_id):
            self._find(f"{start.request_id}: its ACKs tell {len(told)} different tasks: {told}")
        task = acks[0].event["result"]["task"]
        if task["id"] != start.task_id:
            self._find(f"{start.request_id}: acknowledged as task {task['id']!r}, not {start.task_id!r}")
        resumes = self._resumes[start.request_id]
        if len(resumes) != 1:
            ends = [f"{r.status} at {r.partition}@{r.offset}" for r in resumes]
            self._find(f"task {start.task_id} of {start.request_id}: {len(resumes)} ends {ends}, not one")
        for resume in resumes if start.task_id not in self._lived else ():
            self._check_resume(start, task["timeout"], acks, resume)

    def _first_told(self, task_id: str) -> set[Any]:
        """Return the task as the first ACK of each of its starts tells it."""
        firsts = (self._acks(start)[:1] for start in self._starts[task_id])
        return {_frozen(ack.event["result"]["task"]) for acks in firsts for ack in acks}

    def _acks(self, start: Sent) -> list[Answer]:
        return [reply for reply in self._replies[start.request_id] if reply.status == "ACK"]

    def _check_resume(self, start: Sent, deadline_ms: int | None, acks: list[Answer], end: Answer) -> None:
        self._ends[start.task_id].add(end.status)
        expected = start.event["payload"]
        if end.status == "TIMEOUT":
            self._check_moment(start, deadline_ms, acks, end)
            if end.event["result"].get("error"):
                self._find(f"TIMEOUT of {start.request_id} has an error")
        elif end.status == "PROCEEDED":
            decision = end.event["payload"].get("approval")
            expected = {**expected, "approval": decision}
            self._check_decision(start, decision, end)
        else:
            self._find(f"{start.request_id}: resumed with status {end.status}")
        if end.event["payload"] != expected:
            self._find(f"{end.status} of {start.request_id}: the payload is not that of the starting event")

    def _check_moment(self, start: Sent, deadline_ms: int | None, acks: list[Answer], end: Answer) -> None:
        if deadline_ms is None:
            self._find(f"{start.request_id}: timed out without a deadline")
            return
        if deadline_ms != _deadline(start, acks):
            self._find(f"{start.request_id}: deadline {deadline_ms}, not {_deadline(start, acks)}")
        early = deadline_ms - min(end.event["result"]["endTime"], end.time_ms)
        if early > 0:
            self._find(f"{start.request_id}: timed out {early} ms before its deadline")

    def _check_decision(self, start: Sent, decision: Any, end: Answer) -> None:
        by = decision.get("by") if isinstance(decision, dict) else None
        commands = self._sent.get(str(by), [])
        if not commands or commands[0].task_id != start.task_id:
            self._find(f"{start.request_id}: PROCEEDED by {by!r}, who was not asked to")
            return
        if commands[0].event["payload"]["form"]["decision"] != decision:
            self._find(f"{start.request_id}: PROCEEDED with another decision than {by} sent")
        if not any(reply.status == "SUCCESS" for reply in self._replies[str(by)]):
            self._find(f"{start.request_id}: PROCEEDED at {end.partition}@{end.offset}, but {by} was refused")

    # -- a command -----------------------------------------------------------------------------------

    def _check_proceed(self, command: Sent) -> None:
        replies = self._replies[command.request_id]
        done = [reply for reply in replies if reply.status == "SUCCESS"]
        refused = [reply for reply in replies if reply.status != "SUCCESS"]
        ended = [end for end in self._all_ends(command.task_id) if _decided_by(end, command.request_id)]
        if done and len(ended) != 1:
            self._find(f"{command.request_id}: answered SUCCESS, and {len(ended)} sagas go on by it")
        for reply in done:
            form = {**command.event["payload"]["form"], "task": self._data(command.task_id)}
            if reply.event["payload"] != {**command.event["payload"], "form": form}:
                self._find(f"SUCCESS of {command.request_id}: the task's data is not in its payload")
        # A repeat of the command that ended the task is refused only where it came before the start.
        only_early = done and len(self._starts[command.task_id]) == 1
        if command.task_id not in self._lived:
            self._refusals(command, refused, {10118} if only_early else self._late(command.task_id))

    # -- what people did, and definitions ------------------------------------------------------------

    def _check_people(self) -> None:
        parts = changelog_parts(self._changelog, self._find)
        replies: dict[str, list[Reply]] = defaultdict(list)
        for messages in self._sent.values():
            if messages[0].action != "StartTask" and messages[0].task_id in self._lived:
                of = self._replies[messages[0].request_id]
                replies[messages[0].task_id] += (Reply(messages[0], each.event["result"]) for each in of)
        for task_id in self._lived:
            rounds = self._rounds(task_id)
            if rounds:
                check_people(task_id, rounds, replies[task_id], parts.get(task_id, {}), self._find)
        check_definitions(
            (
                (messages[0], each.event["result"])
                for messages in self._sent.values()
                if messages[0].action == "DefineTask"
                for each in self._replies[messages[0].request_id]
            ),
            parts,
            self._find,
        )

    def _rounds(self, task_id: str) -> list[Round]:
        """Return the generations of a task in their order; none where one has not ended once."""
        rounds = []
        for start in self._starts[task_id]:
            acks, ends = self._acks(start), self._resumes[start.request_id]
            if acks and len(ends) == 1:
                created_ms = min(int(ack.event["result"]["receiveTime"]) for ack in acks)
                rounds.append(Round(start, created_ms, _deadline(start, acks), ends[0]))
            elif acks:
                return []
        return sorted(rounds, key=lambda each: each.created_ms)

    def _late(self, task_id: str) -> set[int]:
        return set().union({10118}, *(PROCEED_REFUSALS.get(end, set()) for end in self._ends[task_id]))

    def _data(self, task_id: str) -> Any:
        """Return the payload of the task's starting event: the load gives all generations the same."""
        return self._starts[task_id][0].event["payload"]

    def _all_ends(self, task_id: str) -> Iterable[Answer]:
        for start in self._starts[task_id]:
            yield from self._resumes[start.request_id]

    def _refusals(self, sent: Sent, replies: list[Answer], allowed: set[int]) -> None:
        for reply in replies:
            error = reply.event["result"].get("error") or {}
            if reply.status != "FAIL" or error.get("code") not in allowed:
                said = f"{reply.status} {error}"
                self._find(f"{sent.action} {sent.request_id} of {sent.task_id}: answered {said}")
            elif reply.event["payload"] != sent.event["payload"]:
                self._find(f"FAIL of {sent.request_id}: its payload was changed")

    def _find(self, sentence: str) -> None:
        self._report.findings.append(sentence)


def _decided_by(end: Answer, request_id: str) -> bool:
    approval = end.event["payload"].get("approval")
    return end.status == "PROCEEDED" and isinstance(approval, dict) and approval.get("by") == request_id


def _deadline(start: Sent, acks: list[Answer]) -> int | None:
    parameters = start.event["eventMeta"]["parameters"]
    if "timeoutOn" in parameters:
        return int(parameters["timeoutOn"])
    if "timeout" in parameters:
        # The first to be decided stored the task; its repeats are acknowledged later.
        return min(int(ack.event["result"]["receiveTime"]) for ack in acks) + int(parameters["timeout"])
    return None


def _frozen(task: dict[str, Any]) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(task.items()))
