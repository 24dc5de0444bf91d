"""A task as the protocol says it becomes, verb by verb: what the checker of people compares answers with.

Knows the protocol and nothing of the program.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.e2e.people import ADMIN, MISFITS, Person

ENDED: Final = {
    "PROCEEDED": (10119, "DONE"),
    "TIMEOUT": (10120, "TIMED_OUT"),
    "CANCELLED": (10136, "CANCELLED"),
}
"""By the status of the resumed event: the code of a refusal since, and the word that people see."""

ALWAYS: Final = frozenset({"CommentTask", "GetTask"})
"""What may come after the end."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment; without text it was deleted."""

    by: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Verb:
    """What somebody has asked for: action, who, and the values."""

    action: str
    person: Person
    values: Mapping[str, Any]
    now_ms: int = 0
    """When it was decided."""


@dataclass(frozen=True, slots=True)
class TaskState:
    """All of a task that people can change."""

    user: str | None
    roles: tuple[str, ...]
    deadline_ms: int | None
    owner: str | None = None
    is_firm: bool = False
    priority: int = 50
    due_on: int | None = None
    notes: str | None = None
    draft: Any = None
    comments: tuple[Comment, ...] = ()
    is_pinned: bool = False
    ended: str | None = None
    version: str = ""

    def shown(self) -> dict[str, Any]:
        """Return what ``result.task`` says of it."""
        has = "UNASSIGNED" if self.owner is None else "ASSIGNED"
        return {
            "status": has if self.ended is None else ENDED[self.ended][1],
            "owner": self.owner,
            "user": self.user,
            "roles": list(self.roles),
            "timeout": self.deadline_ms,
            "priority": self.priority,
            "dueOn": self.due_on,
            "comments": sum(each.text is not None for each in self.comments),
            "version": self.version,
        }

    def allows(self, person: Person) -> bool:
        """Whether this person is eligible."""
        is_open = self.user is None and not self.roles
        return is_open or person.name in (self.user, self.owner) or bool({*person.roles} & {*self.roles})

    def is_of_another(self, person: Person) -> bool:
        return self.is_firm and self.owner != person.name


def started(parameters: Mapping[str, Any], deadline_ms: int | None, *, is_pinned: bool) -> TaskState:
    """Return a task as its StartTask says."""
    user = parameters.get("taskUser")
    roles = tuple(each.strip() for each in parameters.get("taskRoles", "").split(",") if each.strip())
    priority, notes = parameters.get("priority", 50), parameters.get("notes")
    return TaskState(user, roles, deadline_ms, user, priority=priority, notes=notes, is_pinned=is_pinned)


def refusals(state: TaskState, verb: Verb) -> set[int]:
    """Return the codes with which a verb may be refused in this state; none: it must succeed."""
    if state.ended is not None and verb.action not in ALWAYS:
        return {ENDED[state.ended][0]}
    found = {14} if not _may(state, verb) else set()
    if verb.action in ("ClaimTask", "ProceedTask") and state.is_of_another(verb.person):
        found.add(10131)
    if verb.action == "AssignTask" and state.is_firm and not verb.values.get("override"):
        found.add(10131)
    if verb.action == "SaveTask" and state.is_of_another(verb.person) and not verb.values.get("ignoreClaim"):
        found.add(10131)
    if verb.values.get("ifVersion", state.version) != state.version:
        found.add(10132)
    if "commentId" in verb.values:
        found |= _comment_refusals(state, verb)
    if state.is_pinned and _is_misfit(verb):
        found.add(10134)
    return found


def is_idle(state: TaskState, verb: Verb) -> bool:
    """Whether what the verb asks for is so already: SUCCESS, and nothing is changed."""
    if verb.action == "ClaimTask":
        return state.is_firm and state.owner == verb.person.name
    return verb.action == "GetTask" or (verb.action == "ReleaseTask" and state.owner is None)


def after(state: TaskState, verb: Verb, version: str) -> TaskState:
    """Return the task after a verb that has changed it."""
    return replace(_AFTER[verb.action](state, verb), version=version)


def merged(base: Any, addition: Any) -> Any:
    """Return the deep merge: objects by their names, everything else replaced."""
    if isinstance(base, dict) and isinstance(addition, dict):
        return {**base, **{name: merged(base.get(name), value) for name, value in addition.items()}}
    return addition


def _may(state: TaskState, verb: Verb) -> bool:
    is_admin = ADMIN.roles[0] in verb.person.roles
    if verb.action == "AssignTask":
        return is_admin
    if verb.action in ("ReleaseTask", "UpdateTask", "CancelTask"):
        return is_admin or verb.person.name == state.owner
    if verb.action in ("ClaimTask", "ProceedTask") or (verb.action == "SaveTask" and not state.is_firm):
        return state.allows(verb.person)
    return is_admin or state.allows(verb.person)


def _comment_refusals(state: TaskState, verb: Verb) -> set[int]:
    number = verb.values["commentId"]
    if number > len(state.comments) or state.comments[number - 1].text is None:
        return {10135}
    return set() if state.comments[number - 1].by == verb.person.name else {14}


def _is_misfit(verb: Verb) -> bool:
    answers = verb.values.get("data") or verb.values.get("decision") or {}
    return any(misfit.items() <= answers.items() for misfit in MISFITS)


def _claimed(state: TaskState, verb: Verb) -> TaskState:
    return replace(state, owner=verb.person.name, is_firm=True)


def _released(state: TaskState, _: Verb) -> TaskState:
    return replace(state, owner=None, user=None, is_firm=False)


def _assigned(state: TaskState, verb: Verb) -> TaskState:
    if "roles" in verb.values:
        state = replace(state, roles=tuple(verb.values["roles"]))
    if "user" in verb.values:
        user = verb.values["user"]
        state = replace(state, user=user, owner=user, is_firm=user is not None)
    return state


def _saved(state: TaskState, verb: Verb) -> TaskState:
    return replace(state, draft=merged(state.draft, verb.values["data"]))


def _commented(state: TaskState, verb: Verb) -> TaskState:
    text, number = verb.values.get("text"), verb.values.get("commentId")
    if number is None:
        return replace(state, comments=(*state.comments, Comment(verb.person.name, text)))
    if number > len(state.comments):
        return state
    comments = list(state.comments)
    comments[number - 1] = replace(comments[number - 1], text=text)
    return replace(state, comments=tuple(comments))


def _updated(state: TaskState, verb: Verb) -> TaskState:
    values = verb.values
    if "timeout" in values:
        state = replace(state, deadline_ms=verb.now_ms + values["timeout"])
    if "timeoutOn" in values:
        state = replace(state, deadline_ms=values["timeoutOn"])
    return replace(
        state,
        priority=values.get("priority", state.priority),
        due_on=values.get("dueOn", state.due_on),
        notes=values.get("notes", state.notes),
    )


_AFTER: Final[Mapping[str, Callable[[TaskState, Verb], TaskState]]] = {
    "ClaimTask": _claimed,
    "ReleaseTask": _released,
    "AssignTask": _assigned,
    "SaveTask": _saved,
    "CommentTask": _commented,
    "UpdateTask": _updated,
    "CancelTask": lambda state, _: replace(state, ended="CANCELLED"),
    "ProceedTask": lambda state, _: replace(state, ended="PROCEEDED"),
}
