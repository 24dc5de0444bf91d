"""The checker of what people do to tasks: the order of all changes is told by the versions in the answers.

Each change of a task has a version of its own, which the reply to it names. So the verbs that were answered
SUCCESS can be taken in their order, and the task followed from version to version (``task_model``). Every
reply must tell the task of its version, and every refusal must be one that some moment of the task explains.
Knows the protocol, what was sent and what was read, and nothing of the program.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from tests.e2e.history_check import check_history
from tests.e2e.rounds import Find, Reply, Round, event_of
from tests.e2e.task_model import TaskState, Verb, after, is_idle, merged, refusals, started

VERBS: Final = frozenset(
    (
        "ClaimTask",
        "ReleaseTask",
        "AssignTask",
        "SaveTask",
        "UpdateTask",
        "CancelTask",
        "CommentTask",
        "GetTask",
    )
)
MAYBE_IDLE: Final = frozenset({"ClaimTask", "ReleaseTask"})
"""What changes nothing where it is so already."""


def check_people(
    task_id: str, rounds: Sequence[Round], replies: Sequence[Reply], told: Mapping[str, Any], find: Find
) -> None:
    """Follow a task through all its rounds; ``told``: the parts of its records (``changelog_parts``)."""
    told_find: Find = lambda sentence: find(f"task {task_id}: {sentence}")  # noqa: E731
    by_moment = {each.created_ms: each for each in rounds}
    for reply in replies:
        if reply.result["status"] != "SUCCESS":
            continue
        if reply.task is None and reply.sent.action == "ProceedTask":
            for each in rounds:
                each.bare.append(reply)
        elif reply.task is not None:
            of = by_moment.get(reply.task["createdOn"])
            if of is None:
                told_find(f"{reply.sent.request_id} speaks of a round that nobody began: {reply.task}")
            else:
                of.replies.append(reply)
    first = 1
    for each in rounds:
        each.first = first
        _Follower(each, told_find).follow()
        first = each.last + 1
        if told:
            check_history(each, told.get(each.generation, {}), told_find)
    _check_refusals(rounds, replies, told_find)
    _check_repeats(rounds, replies, told_find)


class _Follower:
    """Follows one round from version to version."""

    def __init__(self, of: Round, find: Find) -> None:
        self._of = of
        self._find = find
        self._done: set[str] = set()
        """Request ids of what has surely changed the task: a repeat of it changes nothing."""

    def follow(self) -> None:
        of = self._of
        if len({each.generation for each in of.replies}) > 1:
            self._find(f"one start, several rounds: {sorted({each.generation for each in of.replies})}")
        candidates = self._candidates()
        state = self._started()
        of.states[of.first] = replace(state, version=f"{of.first};{of.generation}")
        last = max([of.first, *(reply.revision for reply in of.replies)])
        for revision in range(of.first + 1, last + 1):
            self._step(revision, candidates.get(revision, []))
        if of.states[of.last].ended is None:
            self._place_end(of.last + 1)
        for reply in of.replies:
            self._check_reply(reply)
        self._check_end()

    def _candidates(self) -> dict[int, list[Reply]]:
        """Return the replies that may tell the version which their verb made, by that version.

        A repeat of what has changed something tells a later version, so it is the first reply. Of a claim or
        a release any reply may be it: one that changes nothing may change something when it is repeated.
        """
        firsts: dict[str, Reply] = {}
        found: dict[int, list[Reply]] = defaultdict(list)
        for reply in sorted(self._of.replies, key=_moment):
            if reply.sent.action in MAYBE_IDLE or firsts.setdefault(reply.sent.request_id, reply) is reply:
                found[reply.revision].append(reply)
        return found

    def _started(self) -> TaskState:
        of, parameters = self._of, self._of.start.event["eventMeta"]["parameters"]
        versions = {each.task["specVersion"] for each in of.replies if each.task}
        if len(versions) > 1:
            self._find(f"its pinned version has changed: {versions}")
        pinned = next(iter(versions), None)
        if "taskSpec" in parameters and versions:
            self._check_pinned(pinned, parameters)
        return started(parameters, of.deadline_ms, is_pinned=pinned is not None)

    def _check_pinned(self, pinned: int | None, parameters: Mapping[str, Any]) -> None:
        seen, wanted = self._of.start.event["requestMeta"]["seen"], parameters.get("taskSpecVersion")
        if wanted is not None and pinned != wanted:
            self._find(f"pinned to version {pinned}, not to {wanted} as was asked for")
        if wanted is None and (-1 if pinned is None else pinned) < seen:
            self._find(f"pinned to version {pinned} of its definition, when {seen} was there before")

    def _step(self, revision: int, candidates: Sequence[Reply]) -> None:
        """Find whose verb made a version."""
        of, before = self._of, self._of.states[revision - 1]
        writers = self._writers(revision, candidates)
        if not writers and before.ended is None and self._may_end_unseen():
            self._place_end(revision)
            return
        if not writers:
            self._find(f"nobody made version {revision}")
            of.states[revision] = replace(before, version=f"{revision};{of.generation}")
            return
        refused = refusals(before, writers[0].verb())
        if refused:
            self._find(f"{writers[0].sent.request_id} was done as version {revision}, not refused: {refused}")
        of.writers[revision] = writers[0]
        of.alike[revision] = writers
        if len(writers) == 1:
            self._done.add(writers[0].sent.request_id)
        of.states[revision] = after(before, writers[0].verb(), f"{revision};{of.generation}")

    def _writers(self, revision: int, candidates: Sequence[Reply]) -> list[Reply]:
        """Return whose verb made a version; several, where they ask for the same and only one has made it."""
        before = self._of.states[revision - 1]
        sure = [each for each in candidates if each.sent.action not in MAYBE_IDLE | {"GetTask"}]
        if before.ended is not None:
            sure = [each for each in sure if each.sent.action == "CommentTask"]
        if len(sure) > 1:
            names = [each.sent.request_id for each in sure]
            self._find(f"version {revision} was made by several: {names}")
        if sure or before.ended is not None:
            return sure[:1]
        version = f"{revision};{self._of.generation}"
        return [
            each
            for each in candidates
            if each.sent.action in MAYBE_IDLE
            and each.sent.request_id not in self._done
            and not is_idle(before, each.verb())
            and each.task is not None
            and each.task["owner"] == after(before, each.verb(), version).owner
        ]

    def _may_end_unseen(self) -> bool:
        """Whether no reply tells the version of the end: that of a deadline, or of a task left alone."""
        return self._of.end.status == "TIMEOUT" or not self._of.writers

    def _place_end(self, revision: int) -> None:
        of = self._of
        state = of.states[revision - 1]
        of.states[revision] = replace(state, ended=of.end.status, version=f"{revision};{of.generation}")

    def _check_reply(self, reply: Reply) -> None:
        of, revision = self._of, reply.revision
        if revision not in of.states or reply.task is None:
            self._find(f"{reply.sent.request_id} tells version {revision} of {of.first} to {of.last}")
            return
        shown = of.states[revision].shown()
        wrong = {
            name: (reply.task[name], value) for name, value in shown.items() if reply.task[name] != value
        }
        if not self._has_done(reply):
            self._find(f"{reply.sent.request_id} was told SUCCESS at version {revision}, and did nothing")
        if wrong:
            self._find(f"{reply.sent.request_id} tells otherwise at version {revision} (told, is): {wrong}")
        if "comment" in reply.result:
            self._check_comment_id(reply)
        if "commentList" in reply.task:
            self._check_whole(reply, of.states[revision])

    def _has_done(self, reply: Reply) -> bool:
        """Whether a verb that is told SUCCESS has made a version, now or before, or had nothing to do."""
        made = (
            each.sent.request_id
            for at in self._of.alike
            if at <= reply.revision
            for each in self._of.alike[at]
        )
        return reply.sent.request_id in made or is_idle(self._of.states[reply.revision], reply.verb())

    def _check_comment_id(self, reply: Reply) -> None:
        number = reply.sent.event["eventMeta"]["parameters"].get("commentId")
        expected = number or len(self._of.states[reply.revision].comments)
        if reply.result["comment"]["id"] != expected:
            told = reply.result["comment"]["id"]
            self._find(f"{reply.sent.request_id} is comment {told}, but should be {expected}")

    def _check_whole(self, reply: Reply, state: TaskState) -> None:
        """Compare what GetTask shows: draft, notes, comments and history up to this version."""
        of, task = self._of, reply.task or {}
        comments = [{"id": n, "by": c.by, "text": c.text} for n, c in enumerate(state.comments, 1)]
        told = [{name: each[name] for name in ("id", "by", "text")} for each in task["commentList"]]
        history = [(entry["event"], entry["revision"]) for entry in task["history"]]
        expected = [(of.first, "created"), *((at, event_of(each)) for at, each in of.writers.items())]
        if state.ended is not None and of.ended_at not in of.writers:
            expected.append((of.ended_at, "timed_out" if state.ended == "TIMEOUT" else "proceeded"))
        for what, shown, is_so in (
            ("draft", task["draft"], state.draft),
            ("notes", task["notes"], state.notes),
            ("comments", told, comments),
            ("data", task["data"], self._of.start.event["payload"]),
            ("history", history, [(name, at) for at, name in sorted(expected) if at <= reply.revision]),
        ):
            if shown != is_so:
                self._find(f"{reply.sent.request_id} at {reply.revision}: {what} {shown}, but is {is_so}")

    # -- the end -------------------------------------------------------------------------------------

    def _check_end(self) -> None:
        of, end = self._of, self._of.end
        state = of.states[of.last]
        if state.ended != end.status:
            self._find(f"{state.ended} by its answers, but its saga goes on with {end.status}")
        event, start = end.event, of.start.event
        payload = dict(start["payload"])
        answers = self._check_decider(event, state)
        if answers is not None:
            payload["approval"] = answers
        if "task" in event["result"] and "decisionElement" in start["eventMeta"]["parameters"]:
            payload["decided"] = event["result"]["task"]
        if event["payload"] != payload:
            self._find(f"{end.status} with payload {event['payload']}, not {payload}")
        if end.status == "TIMEOUT":
            early = (state.deadline_ms or 10**15) - min(event["result"]["endTime"], end.time_ms)
            if early > 0:
                self._find(f"timed out {early} ms before its deadline {state.deadline_ms}")

    def _check_decider(self, event: Mapping[str, Any], state: TaskState) -> Any:
        """Return the answers that the saga should get; who decided must be told as it was."""
        of, result = self._of, event["result"]
        if ("task" in result) is of.is_plain:
            self._find(f"its saga is told {result.get('task')}, and the task was plain: {of.is_plain}")
        verb = self._decision(event)
        if "task" in result:
            outcome = verb.values.get("outcome") if verb and state.is_pinned else None
            expected = {"by": None if verb is None else verb.person.name, "outcome": outcome}
            told = {name: result["task"][name] for name in expected}
            if told != expected:
                self._find(f"its saga is told {told}, but is {expected}")
        if of.end.status == "CANCELLED" and verb is not None:
            error = {"code": 10136, "message": verb.values["reason"], "name": "withdrawn"}
            if result.get("error") != error:
                self._find(f"cancelled with {result.get('error')}, not {error}")
        if verb is None or of.end.status != "PROCEEDED":
            return None
        return merged(state.draft, verb.values["decision"])

    def _decision(self, event: Mapping[str, Any]) -> Verb | None:
        """Return what has ended the task; None: its deadline."""
        of = self._of
        writer = of.writers.get(of.ended_at)
        if writer is None and of.end.status == "PROCEEDED":
            by = (event["payload"].get("approval") or {}).get("by")
            writer = next((each for each in of.bare if each.sent.request_id == by), None)
            if writer is None:
                self._find(f"PROCEEDED by {by}, who was not told so")
        return None if writer is None else writer.verb()


def _check_refusals(rounds: Sequence[Round], replies: Iterable[Reply], find: Find) -> None:
    """Each refusal is one that some moment of the task explains."""
    states = [state for each in rounds for state in each.states.values()]
    for reply in replies:
        if reply.result["status"] != "FAIL":
            continue
        code = reply.result["error"]["code"]
        if not any(code in refusals(state, reply.verb()) for state in states):
            find(f"{reply.sent.action} {reply.sent.request_id} was refused with {reply.result['error']}")
        if code == 10134 and not reply.result["error"].get("violations"):
            find(f"{reply.sent.request_id} was refused without a word on what is wrong with its answers")


def _check_repeats(rounds: Sequence[Round], replies: Iterable[Reply], find: Find) -> None:
    """A reply without the task is that to a repeat of an earlier round, or of an end of a plain task."""
    known = {reply.sent.request_id for each in rounds for reply in each.replies}
    for reply in replies:
        is_told = reply.task is not None or reply.sent.action == "ProceedTask"
        if reply.result["status"] == "SUCCESS" and not is_told and reply.sent.request_id not in known:
            find(f"{reply.sent.request_id} was answered without the task, and no other reply tells it")


def _moment(reply: Reply) -> tuple[int, int]:
    return reply.revision, reply.result["receiveTime"]
