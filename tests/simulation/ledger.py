"""Counts: every message of ours has its one answer, every generation its one end, and the right one.

Knows what was sent and what read_committed readers see; nothing of how the runner works.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from runner.tasks.keys import TaskKey
from tests.simulation.answers import Answer, Answers
from tests.simulation.history import Kind, Sent, Violation
from tests.simulation.load import DECIDED, DRAFT, DRAWN, header, person_of
from tests.simulation.log_model import Found

_COMMANDS: Final = (Kind.PROCEED, Kind.TIMEOUT)
_REMEMBERED: Final = 64 // 2
"""So many generations of a task are remembered, the present one among them: what started and closed each."""
_END: Final = {Kind.PROCEED: "PROCEEDED", Kind.TIMEOUT: "TIMEOUT"}
_STATUSES: Final = {
    Kind.START: {"ACK", "FAIL"},
    Kind.PROCEED: {"SUCCESS", "FAIL"},
    Kind.TIMEOUT: {"SUCCESS", "FAIL"},
    Kind.BETWEEN: {"SUCCESS"},
    Kind.COMMENT: {"SUCCESS", "FAIL"},
    Kind.CLAIM: {"SUCCESS", "FAIL"},
    Kind.RELEASE: {"SUCCESS", "FAIL"},
    Kind.ASSIGN: {"SUCCESS", "FAIL"},
    Kind.CANCEL: {"SUCCESS", "FAIL"},
    Kind.SAVE: {"SUCCESS", "FAIL"},
    Kind.UPDATE: {"SUCCESS", "FAIL"},
    Kind.GET: {"SUCCESS", "FAIL"},
    Kind.DEFINE: {"SUCCESS"},
}


class Ledger:
    """The books of one history."""

    def __init__(self, sent: Mapping[str, Sent], answers: Answers, removed: Collection[TaskKey] = ()) -> None:
        """``removed``: tasks that were removed at least once, and what they had seen with them."""
        self._sent = sent
        self._removed = removed
        self._answers = answers
        self._closers: dict[str, list[Answer]] = defaultdict(list)
        """SUCCESS replies to commands, by the generation whose data they carry."""
        self._late: list[Sent] = []
        """Commands that were told SUCCESS without data: those that had closed an earlier generation."""

    def check(self) -> None:
        """Raise Violation unless everything is there, once, and right."""
        for marker in [*self._answers.replies, *self._answers.resumes]:
            _require(marker in self._sent, f"an answer to nothing: {marker}")
        for sent in self._sent.values():
            self._check_reply(sent)
        for marker, resumes in self._answers.resumes.items():
            self._check_resume(self._sent[marker], resumes)
        for generation, closers in self._closers.items():
            self._check_closers(generation, closers)
        self._check_ends_of_one()
        self._check_starts_of_one()
        for sent in self._late:
            self._check_late(sent)
        self._check_deadlines()
        self._check_versions()

    def _check_versions(self) -> None:
        """The versions of a definition have no gap, and each is one definition, whoever sends it when."""
        definitions = [sent for sent in self._sent.values() if sent.kind is Kind.DEFINE]
        times = Counter(sent.identity for sent in definitions)
        versions: dict[str, set[int]] = defaultdict(set)
        content: dict[tuple[str, int], bool] = {}
        for sent in definitions:
            version = self._answers.replies[sent.marker][0].result["definition"]["version"]
            versions[sent.domain].add(version)
            # A repeat that comes after other definitions is told the newest.
            if times[sent.identity] == 1:
                known = content.setdefault((sent.domain, version), sent.draws)
                _require(known == sent.draws, f"version {version} of {sent.domain} is two definitions")
        for domain, told in versions.items():
            _require(sorted(told) == list(range(len(told))), f"{domain} has {sorted(told)}")

    # -- replies ---------------------------------------------------------------------------------

    def _check_reply(self, sent: Sent) -> None:
        replies = self._answers.replies.get(sent.marker, [])
        wanted = 0 if sent.kind in (Kind.POISON, Kind.FOREIGN) else 1
        _require(len(replies) == wanted, f"{sent.kind.value} {sent.marker} has {len(replies)} replies")
        for reply in replies:
            told = f"{sent.kind.value} {sent.marker} was answered {reply.status}"
            _require(reply.status in _STATUSES[sent.kind] and reply.result["status"] == reply.status, told)
            _require(reply.key == sent.request_id, f"{told} with the key {reply.key}")
            _require(reply.at_ms >= sent.at_ms, f"{told} before it was sent")
            self._check_payload(sent, reply, told)

    def _check_payload(self, sent: Sent, reply: Answer, told: str) -> None:
        if sent.kind not in _COMMANDS or reply.status != "SUCCESS":
            _require(reply.payload == sent.payload, f"{told} with another payload")
            return
        if reply.payload == sent.payload:
            self._late.append(sent)
            return
        generation = reply.payload.get("g", "")
        start = self._sent.get(generation)
        said = {**sent.payload, **_drawn(sent, reply)}
        right = start is not None and reply.payload == {**start.payload, **said}
        _require(right, f"{told} with the payload {reply.payload}")
        self._closers[generation].append(reply)

    def _check_ends_of_one(self) -> None:
        """A command closes one generation, however often it is repeated, while its task is remembered."""
        closed: dict[tuple[str, TaskKey], set[str]] = defaultdict(set)
        for generation, closers in self._closers.items():
            for closer in closers:
                sent = self._sent[closer.marker]
                closed[sent.identity, TaskKey(sent.domain, sent.task_id)].add(generation)
        for (identity, key), generations in closed.items():
            if self._is_remembered(key):
                _require(len(generations) == 1, f"{identity} closed {sorted(generations)} of {key}")

    def _check_starts_of_one(self) -> None:
        """A StartTask starts one generation, however often it is repeated, while its task is remembered."""
        started: dict[tuple[str, TaskKey], set[str]] = defaultdict(set)
        for marker in self._answers.resumes:
            sent = self._sent[marker]
            started[sent.identity, TaskKey(sent.domain, sent.task_id)].add(marker)
        for (identity, key), markers in started.items():
            if self._is_remembered(key):
                _require(len(markers) == 1, f"{identity} started {sorted(markers)} of {key}")

    def _is_remembered(self, key: TaskKey) -> bool:
        return key not in self._removed and len(self._started(key)) <= _REMEMBERED

    def _check_late(self, late: Sent) -> None:
        """It is the same command as one that did close a generation of this task, and not the last."""
        closed = {
            generation
            for generation, closers in self._closers.items()
            for closer in closers
            if self._sent[closer.marker].identity == late.identity
        }
        _require(bool(closed), f"{late.kind.value} {late.marker} was answered SUCCESS, and closed nothing")
        rounds = self._started(TaskKey(late.domain, late.task_id))
        _require(len(rounds) > 1, f"{late.marker} is late for a task of one generation")

    def _started(self, key: TaskKey) -> set[str]:
        """Return what may have started a generation of a task."""
        return {
            sent.identity
            for sent in self._sent.values()
            if sent.kind is Kind.START and (sent.domain, sent.task_id) == key
        }

    # -- ends ------------------------------------------------------------------------------------

    def _check_resume(self, start: Sent, resumes: list[Answer]) -> None:
        told = f"the generation of {start.marker}"
        _require(start.kind is Kind.START, f"{told} is none")
        _require(len(resumes) == 1, f"{told} was resumed {len(resumes)} times")
        ack, resume = self._answers.replies[start.marker][0], resumes[0]
        _require(ack.status == "ACK", f"{told} was resumed, but answered {ack.status}")
        _require(resume.task_id == ack.task_id and resume.domain == start.domain, f"{told} has another id")
        _require(resume.key == start.request_id, f"{told} was resumed with the key {resume.key}")
        _require(resume.at_ms >= ack.at_ms, f"{told} was resumed before it was acknowledged")
        payload = self._undecided(start, resume, told)
        if resume.status == "TIMEOUT":
            _require(payload == start.payload, f"{told} timed out with {payload}")
            self._check_not_early(start, ack, resume)
            return
        if resume.status == "CANCELLED":
            _require(payload == start.payload, f"{told} was cancelled with {payload}")
            self._check_cancelled(resume, told)
            return
        _require(resume.status == "PROCEEDED", f"{told} was resumed as {resume.status}")
        self._check_draft(resume, payload.pop(DRAFT, {}), told)
        by = payload.get("by", "")
        done = {"by": by, **_drawn(self._sent.get(by, start), resume)}
        _require(payload == {**start.payload, **done}, f"{told} proceeded with {payload}")
        closers = [self._sent[closer.marker] for closer in self._closers.get(start.marker, [])]
        right = any(sent.marker == by and sent.kind is Kind.PROCEED for sent in closers)
        _require(right, f"{told} was proceeded by {by}, which was not answered so")

    def _undecided(self, start: Sent, resume: Answer, told: str) -> dict[str, Any]:
        """Return the payload without how the task was decided, which must be what the result says."""
        payload = dict(resume.payload)
        decided = payload.pop(DECIDED, None)
        _require(decided is None or decided == resume.result["task"], f"{told} was decided {decided}")
        unasked = decided is not None and DECIDED.encode() not in (start.value or b"")
        _require(not unasked, f"{told} says how it was decided, unasked")
        return payload

    def _check_draft(self, resume: Answer, draft: dict[str, str], told: str) -> None:
        """Each saved draft is that of a SaveTask of this person for this task, which was told so."""
        for person, identity in draft.items():
            saves = [
                self._answers.replies[sent.marker][0]
                for sent in self._sent.values()
                if sent.kind is Kind.SAVE and sent.identity == identity
            ]
            right = any(reply.status == "SUCCESS" and reply.task_id == resume.task_id for reply in saves)
            _require(right and person_of(identity) == person, f"{told} has the draft {identity} of {person}")

    def _check_cancelled(self, resume: Answer, told: str) -> None:
        """The reason is the marker's identity of a CancelTask for this task, which was told so."""
        reason = resume.result["error"]["message"]
        if re.fullmatch(r"hook [0-9]+ after [0-9]+ ms", reason):
            return
        cancels = [
            self._answers.replies[sent.marker][0]
            for sent in self._sent.values()
            if sent.kind is Kind.CANCEL and sent.identity == reason
        ]
        right = any(reply.status == "SUCCESS" and reply.task_id == resume.task_id for reply in cancels)
        _require(right, f"{told} was cancelled for {reason}, which was not answered so")

    def _check_closers(self, generation: str, closers: Iterable[Answer]) -> None:
        """Commands that were told SUCCESS for a generation: all are one command, and it ended so."""
        sent = [self._sent[closer.marker] for closer in closers]
        _require(
            len({each.identity for each in sent}) == 1,
            f"different commands closed {generation}: {[each.marker for each in sent]}",
        )
        resumes = self._answers.resumes.get(generation, [])
        statuses = [resume.status for resume in resumes]
        _require(statuses == [_END[sent[0].kind]], f"{sent[0].marker} closed {generation}: {statuses}")

    def _check_not_early(self, start: Sent, ack: Answer, resume: Answer) -> None:
        if start.marker in self._closers or self._moved(start, ack) or b'"hooks"' in (start.value or b""):
            return
        deadline_ms = ack.result["task"]["timeout"]
        asked = any(
            sent.kind is Kind.BETWEEN
            and (sent.to_ms or 0) >= (deadline_ms or 0)
            and sent.at_ms <= resume.at_ms
            for sent in self._sent.values()
        )
        early = deadline_ms is None or resume.at_ms < deadline_ms
        _require(not early or (asked and deadline_ms is not None), f"{start.marker} timed out early")

    def _moved(self, start: Sent, ack: Answer) -> bool:
        """Whether an UpdateTask may have moved the deadline: the replay of the log judges that."""
        return any(
            sent.kind is Kind.UPDATE
            and (sent.domain, sent.task_id) == (start.domain, ack.task_id)
            and self._answers.replies[sent.marker][0].status == "SUCCESS"
            for sent in self._sent.values()
        )

    def _check_deadlines(self) -> None:
        """At rest every deadline has passed: each acknowledged start with one has come to its end."""
        ended: Counter[tuple[str, str | None]] = Counter()
        due: set[tuple[str, str | None]] = set()
        for marker, replies in self._answers.replies.items():
            sent, reply = self._sent[marker], replies[0]
            if sent.kind is Kind.START and reply.status == "ACK":
                place = (sent.identity, reply.task_id)
                ended[place] += len(self._answers.resumes.get(marker, []))
                if reply.result["task"]["timeout"] is not None and not self._moved(sent, reply):
                    due.add(place)
        for place in due:
            _require(ended[place] > 0, f"{place} was never resumed")


def check_dead_letters(sent: Iterable[Sent], letters: Iterable[Found]) -> None:
    """Every poison message is there once, byte for byte; nothing else is."""
    wanted = Counter((each.partition, each.offset, each.value) for each in sent if each.kind is Kind.POISON)
    found = Counter(
        (
            int(header(letter.headers, "dead-letter-partition") or -1),
            int(header(letter.headers, "dead-letter-offset") or -1),
            letter.value,
        )
        for letter in letters
    )
    _require(found == wanted, f"dead letters: {found}; poison: {wanted}")


def _require(holds: bool, told: str) -> None:
    if not holds:
        raise Violation(told)


def _drawn(command: Sent, answer: Answer) -> dict[str, Any]:
    """Return what the patterns of a command drew: whatever uuid, and the time at which it was sent."""
    if not command.draws:
        return {}
    return {DRAWN: [answer.payload.get(DRAWN, [""])[0], command.at_ms]}
