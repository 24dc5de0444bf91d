"""A round of a task, and what people were answered about it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.e2e.answers import Answer
from tests.e2e.people import EVERYBODY
from tests.e2e.sent import Sent
from tests.e2e.task_model import TaskState, Verb

Find = Callable[[str], None]
"""Takes one finding, a sentence."""

ENDING: Final = ("ProceedTask", "CancelTask")
_EVENTS: Final = {
    "ClaimTask": "assigned",
    "ReleaseTask": "released",
    "SaveTask": "saved",
    "UpdateTask": "updated",
    "ProceedTask": "proceeded",
    "CancelTask": "cancelled",
}


@dataclass(frozen=True, slots=True)
class Reply:
    """What an event about a task was answered."""

    sent: Sent
    result: Mapping[str, Any]

    @property
    def task(self) -> Mapping[str, Any] | None:
        """The task as told; None where the reply tells none."""
        task: Mapping[str, Any] = self.result.get("task") or {}
        return task if "version" in task else None

    @property
    def revision(self) -> int:
        return int(self.task["version"].partition(";")[0]) if self.task else 0

    @property
    def generation(self) -> str:
        return str(self.task["version"].partition(";")[2]) if self.task else ""

    def verb(self) -> Verb:
        """Return what was asked for."""
        event = self.sent.event
        person = EVERYBODY[event["requestMeta"]["claims"]["sub"]]
        values = {**event["eventMeta"]["parameters"], **event["payload"].get("form", {})}
        return Verb(self.sent.action, person, values, self.result["receiveTime"])


@dataclass(slots=True)
class Round:
    """One generation of a task: its start, its end, and what people did between them and after."""

    start: Sent
    created_ms: int
    deadline_ms: int | None
    end: Answer
    replies: list[Reply] = field(default_factory=list)
    """Those that tell the task."""
    bare: list[Reply] = field(default_factory=list)
    """SUCCESS to ProceedTasks without the task: that of a plain task, whichever round it was."""
    first: int = 1
    states: dict[int, TaskState] = field(default_factory=dict)
    """The task at every version."""
    writers: dict[int, Reply] = field(default_factory=dict)
    """Whose verb made the version; none made that of the start, and none that of a deadline."""
    alike: dict[int, list[Reply]] = field(default_factory=dict)
    """The same, with others who have asked for the same at the time: which of them it was, nobody is told."""

    @property
    def generation(self) -> str:
        return self.replies[0].generation if self.replies else ""

    @property
    def last(self) -> int:
        return max(self.states)

    @property
    def ended_at(self) -> int:
        return min(at for at, state in self.states.items() if state.ended is not None)

    @property
    def is_plain(self) -> bool:
        """Whether nobody did anything to the task before its end, and it has no definition."""
        return not self.states[self.first].is_pinned and all(at >= self.ended_at for at in self.writers)


def event_of(writer: Reply) -> str:
    """Return the name of the history entry that a verb makes."""
    action, values = writer.sent.action, writer.sent.event["eventMeta"]["parameters"]
    if action == "AssignTask":
        # What takes the owner away is told as a release; roles alone leave the owner as he was.
        is_released = (writer.task or {}).get("owner") is None
        return "released" if is_released else "assigned"
    if action == "CommentTask":
        if "commentId" not in values:
            return "commented"
        return "comment_deleted" if "delete" in values else "comment_edited"
    return _EVENTS[action]
