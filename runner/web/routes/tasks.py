"""Tasks: lists and counts, one task, and what is done to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Response

from runner.actions.comment_task import MAX_COMMENTS
from runner.errors import DOMAIN_UNKNOWN
from runner.tasks.keys import TaskKey
from runner.tasks.record import Record
from runner.web.acting import act, open_in_lists, require_sight, start, task_key_of
from runner.web.bodies import (
    Assignment,
    Body,
    Cancellation,
    CommentText,
    Completion,
    Draft,
    Nothing,
    StartedTask,
    Update,
)
from runner.web.callers import Caller
from runner.web.commands import RequestIdentity
from runner.web.documented import CHANGING, PREFIX, READING, problems
from runner.web.etags import etag, expected_version, is_known
from runner.web.parts import CalledBy, Given, WebComponents, whole_record
from runner.web.problems import Refused, no_task, unavailable
from runner.web.routing import Domain, ExactRoute, IfMatch, IfNoneMatch, Key, as_json, asked_by
from runner.web.shapes import Comments, Done, History, TaskDetail
from runner.web.showing import comments, history, task_detail, version_of
from runner.web.ways import deed

AskedBy = Annotated[RequestIdentity, Depends(asked_by)]
Number = Annotated[int, Path(ge=1, le=MAX_COMMENTS, description="Number of the comment.")]

_TASK: Final = "/tasks/{domain}/{key}"
_CHANGES: Final[dict[str, Any]] = {"response_model": Done, "responses": problems(*CHANGING)}

router: Final = APIRouter(prefix=PREFIX, route_class=ExactRoute, tags=["tasks"])


# -- one task --------------------------------------------------------------------------------------


@router.get(
    _TASK,
    response_model=TaskDetail,
    responses={**problems(*READING), 304: {"description": "It is the version of If-None-Match."}},
)
async def show_task(
    parts: Given, caller: CalledBy, domain: Domain, key: Key, if_none_match: IfNoneMatch = None
) -> Response:
    """All of a task, as it is now. Its ETag is its version."""
    return await _shown(parts, caller, (domain, key), if_none_match, lambda r: task_detail(r, parts.rows))


@router.get(
    _TASK + "/history",
    response_model=History,
    responses={**problems(*READING), 304: {"description": "It is the version of If-None-Match."}},
)
async def show_history(
    parts: Given, caller: CalledBy, domain: Domain, key: Key, if_none_match: IfNoneMatch = None
) -> Response:
    """What happened to a task, oldest first."""
    return await _shown(parts, caller, (domain, key), if_none_match, history)


@router.get(
    _TASK + "/comments",
    response_model=Comments,
    responses={**problems(*READING), 304: {"description": "It is the version of If-None-Match."}},
)
async def show_comments(
    parts: Given, caller: CalledBy, domain: Domain, key: Key, if_none_match: IfNoneMatch = None
) -> Response:
    """What people said about a task, oldest first."""
    return await _shown(parts, caller, (domain, key), if_none_match, comments)


async def _shown(
    parts: WebComponents,
    caller: Caller,
    named: tuple[str, str],
    if_none_match: str | None,
    show: Callable[[Record], dict[str, Any]],
) -> Response:
    """Return a task from Redis; 503 where lists still have it as open, 404 where nobody has it."""
    key = task_key_of(caller, *named)
    record = await whole_record(parts, key)
    if record is None:
        if await open_in_lists(parts, caller, key):
            raise unavailable("the task is not in Redis at the moment; it is being restored, ask again")
        raise no_task(*named)
    await require_sight(parts, caller, record)
    version = version_of(record)
    headers = {"ETag": etag(version)}
    if is_known(version, if_none_match):
        return Response(status_code=304, headers=headers)
    return as_json(show(record), headers=headers)


# -- what is done to a task ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """A task that somebody wants to change."""

    parts: WebComponents
    caller: Caller
    asked: RequestIdentity
    key: TaskKey
    version: str | None
    """The version that is meant; None: any."""

    async def done(self, verb: str, body: Body | None, status: int = 200, **more: Any) -> Response:
        """Carry out a verb on it, and return the answer; Refused where it is not carried out."""
        wanted = deed(verb, body, self.version, **more)
        answer = await act(self.parts, self.caller, self.asked, self.key, wanted)
        return as_json(answer, status, _etag_of(answer))


def target_of(
    parts: Given, caller: CalledBy, asked: AskedBy, domain: Domain, key: Key, if_match: IfMatch = None
) -> Target:
    """Return the task of a path; Refused with 404 where the caller cannot reach its domain."""
    return Target(parts, caller, asked, task_key_of(caller, domain, key), expected_version(if_match))


OnTask = Annotated[Target, Depends(target_of)]


@router.post("/tasks", status_code=201, response_model=Done, responses=problems(*CHANGING))
async def start_task(parts: Given, caller: CalledBy, asked: AskedBy, body: StartedTask) -> Response:
    """Start a task, as somebody with one of the startRoles of its domain."""
    if body.domain not in caller.domains:
        raise Refused(404, f"there is no domain {body.domain!r} that you may reach", code=DOMAIN_UNKNOWN)
    command = parts.commands.start(caller, asked, body.domain, body.task_id, body.data, body.parameters())
    answer = await start(parts, command)
    where = f"{PREFIX}/tasks/{answer['task']['domain']}/{answer['task']['key']}"
    return as_json(answer, 201, {"Location": where, **_etag_of(answer)})


@router.post(_TASK + "/claim", **_CHANGES)
async def claim_task(target: OnTask, body: Nothing | None = None) -> Response:
    """Become the owner of a task, who alone may finish it then."""
    return await target.done("claim", body)


@router.post(_TASK + "/release", **_CHANGES)
async def release_task(target: OnTask, body: Nothing | None = None) -> Response:
    """Give a task back to its roles, as its owner or an admin."""
    return await target.done("release", body)


@router.post(_TASK + "/assign", **_CHANGES)
async def assign_task(target: OnTask, body: Assignment) -> Response:
    """Give a task to a user, to roles, or to both, as an admin."""
    return await target.done("assign", body)


@router.post(_TASK + "/draft", **_CHANGES)
async def save_task(target: OnTask, body: Draft) -> Response:
    """Save answers without finishing the task: they are merged into what was saved before."""
    return await target.done("draft", body)


@router.post(_TASK + "/proceed", **_CHANGES)
async def proceed_task(target: OnTask, body: Completion | None = None) -> Response:
    """Finish a task: its saga goes on with the answers."""
    return await target.done("proceed", body)


@router.post(_TASK + "/cancel", **_CHANGES)
async def cancel_task(target: OnTask, body: Cancellation) -> Response:
    """End a task without answers: its saga goes on with CANCELLED."""
    return await target.done("cancel", body)


@router.post(_TASK + "/timeout", **_CHANGES)
async def time_out_task(target: OnTask, body: Nothing | None = None) -> Response:
    """Time a task out before its deadline, as somebody with one of timeoutRoles, or as an admin."""
    return await target.done("timeout", body)


@router.patch(_TASK, **_CHANGES)
async def update_task(target: OnTask, body: Update) -> Response:
    """Change deadline, dates, priority or notes of a task, as its owner or an admin."""
    return await target.done("update", body)


@router.post(_TASK + "/comments", **_CHANGES, status_code=201)
async def write_comment(target: OnTask, body: CommentText) -> Response:
    """Say something about a task, in any state of it."""
    return await target.done("comments", body, 201)


@router.patch(_TASK + "/comments/{number}", **_CHANGES)
async def edit_comment(target: OnTask, number: Number, body: CommentText) -> Response:
    """Change a comment of one's own."""
    return await target.done("comments", body, commentId=number)


@router.delete(_TASK + "/comments/{number}", **_CHANGES)
async def delete_comment(target: OnTask, number: Number) -> Response:
    """Take a comment of one's own back: its text is gone, its number stays."""
    return await target.done("comments", None, commentId=number, delete=True)


def _etag_of(answer: dict[str, Any]) -> dict[str, str]:
    version = answer["task"].get("version")
    return {} if version is None else {"ETag": etag(version)}
