"""``runner task claim``, ``release``, ``assign``, ``comment``, ``save``, ``update``, and what ends a task."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runner.actions.details import MAX_PRIORITY
from runner.cli.options import (
    AsJson,
    ConfigFile,
    Patience,
    Roles,
    User,
    moment_option,
    object_option,
    read_config,
    roles_option,
    span_option,
)
from runner.cli.sending import caller_of, event_of
from runner.cli.task.finding import DomainName, TaskId
from runner.cli.task.sending import send_event

_WHOLE: Final = "$"

RequestId = Annotated[
    str | None,
    typer.Option(
        help="requestMeta.id of the event; sent again as it was, it is answered again.", show_default="new"
    ),
]


def proceed(
    task_id: TaskId,
    domain: DomainName = None,
    payload: Annotated[
        str | None,
        typer.Option(
            metavar="JSON|@FILE|-",
            help="What the person entered, a JSON object; it goes into the saga's event.",
        ),
    ] = None,
    enrich: Annotated[
        str, typer.Option(metavar="PATH", help="Which part of the payload goes into the saga's event.")
    ] = _WHOLE,
    outcome: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The answer, where the task's definition names some: approve."),
    ] = None,
    user: User = None,
    roles: Roles = None,
    request_id: RequestId = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    r"""Finish a task: its saga goes on.

    Sends ProceedTask to the home of the task and waits for the reply.
    SUCCESS is exit code 0; FAIL, or no reply in time, is 1. A task that waits
    for a user or roles needs one that fits. What was saved before goes along;
    the payload wins over it. Answers that do not fit the task's definition
    are refused, with a row for each thing that is wrong. With --json the
    reply is one line, as "runner tail --json" gives it.

    [bold]Examples[/bold]

      runner task proceed t-1 --as ann --roles manager \
        --payload '{"decision": "approved"}'
      runner task proceed t-1 --outcome approve --as ann
    """
    settings = read_config(config)
    entered = {} if payload is None else object_option("--payload", payload)
    caller = caller_of(settings, user, roles_option(roles))
    parameters = {} if payload is None else {"enrichPath": enrich}
    if outcome is not None:
        parameters["outcome"] = outcome
    event = event_of(settings, "ProceedTask", request_id, caller, parameters, entered)
    send_event(settings, event, task_id, domain, timeout, as_json=as_json)


def time_out(
    task_id: TaskId,
    domain: DomainName = None,
    request_id: RequestId = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Time a task out before its deadline: its saga goes on with TIMEOUT.

    Sends TimeoutTask to the home of the task and waits for the reply.
    SUCCESS is exit code 0; FAIL, or no reply in time, is 1. With --json the
    reply is one line, as "runner tail --json" gives it.

    [bold]Example[/bold]

      runner task timeout t-2
    """
    settings = read_config(config)
    event = event_of(settings, "TimeoutTask", request_id)
    send_event(settings, event, task_id, domain, timeout, as_json=as_json)


def claim(
    task_id: TaskId,
    domain: DomainName = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Make somebody the owner of a task, who alone may finish it then.

    [bold]Example[/bold]

      runner task claim t-1 --as ann --roles manager
    """
    _verb("ClaimTask", {}, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


def release(
    task_id: TaskId,
    domain: DomainName = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Give a task back to its roles, as its owner or as an admin.

    [bold]Example[/bold]

      runner task release t-1 --as ann
    """
    _verb("ReleaseTask", {}, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


def assign(
    task_id: TaskId,
    domain: DomainName = None,
    to: Annotated[str | None, typer.Option(metavar="USER", help="Who gets the task.")] = None,
    to_roles: Annotated[
        str | None, typer.Option(metavar="ROLE,ROLE", help="Roles of which one may take the task.")
    ] = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    override: Annotated[bool, typer.Option("--override", help="Also where somebody has claimed it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a task to a user, to roles, or to both, as an admin.

    [bold]Example[/bold]

      runner task assign t-1 --to bob --override --as root --roles admin
    """
    named = {"user": to, "roles": roles_option(to_roles, "--to-roles")}
    values: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if override:
        values["override"] = True
    _verb("AssignTask", values, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


def comment(
    task_id: TaskId,
    text: Annotated[str | None, typer.Argument(metavar="[TEXT]", help="What is to be said.")] = None,
    domain: DomainName = None,
    number: Annotated[
        int | None, typer.Option("--edit", "--id", min=1, metavar="ID", help="The comment to edit.")
    ] = None,
    delete: Annotated[int | None, typer.Option(min=1, metavar="ID", help="The comment to delete.")] = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Comment on a task, or edit or delete a comment of one's own.

    [bold]Example[/bold]

      runner task comment t-1 "Waiting for the invoice" --as ann
    """
    values: dict[str, Any] = {"text": text, "commentId": number}
    if delete is not None:
        values = {"commentId": delete, "delete": True}
    _verb("CommentTask", values, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


def save(
    task_id: TaskId,
    data: Annotated[
        str, typer.Option(metavar="JSON|@FILE|-", help="The answers so far, a JSON object: a field for each.")
    ],
    domain: DomainName = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    ignore_claim: Annotated[
        bool, typer.Option("--ignore-claim", help="Also where somebody else has claimed it.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    r"""Save answers to a task without finishing it: a draft, merged into what was saved before.

    Names and types of the answers must be those of the task's definition;
    what is missing may come later. A FAIL shows a row for each thing that is
    wrong.

    [bold]Examples[/bold]

      runner task save t-1 --data '{"name": "Ada"}' --as ann
      echo '{"name": null}' | runner task save t-1 --data - --as ann
    """
    values: dict[str, Any] = {"data": object_option("--data", data)}
    if ignore_claim:
        values["ignoreClaim"] = True
    _verb("SaveTask", values, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


class Changeable(StrEnum):
    """What ``runner task update`` changes, as it is typed."""

    TIMEOUT = "timeout"
    DUE_ON = "due-on"
    FOLLOW_UP_ON = "follow-up-on"
    PRIORITY = "priority"
    NOTES = "notes"

    @property
    def parameter(self) -> str:
        """Its name in the event."""
        first, *others = self.value.split("-")
        return first + "".join(map(str.capitalize, others))


def update(
    task_id: TaskId,
    domain: DomainName = None,
    timeout_in: Annotated[
        str | None, typer.Option(metavar="SPAN", help="New deadline, so long from now: 90s, 15min, 2h, 3d.")
    ] = None,
    timeout_on: Annotated[
        str | None, typer.Option(metavar="TIME", help="New deadline, as a time: 2026-11-22T08:30.")
    ] = None,
    due_on: Annotated[
        str | None, typer.Option(metavar="TIME", help="By when it should be done: a time, or 3d from now.")
    ] = None,
    follow_up_on: Annotated[
        str | None, typer.Option(metavar="TIME", help="When to look at it again: a time, or 3d from now.")
    ] = None,
    priority: Annotated[
        int | None, typer.Option(min=0, max=MAX_PRIORITY, metavar="N", help="How urgent, 0 to 100.")
    ] = None,
    notes: Annotated[str | None, typer.Option(metavar="TEXT", help="New notes, for whoever has it.")] = None,
    clear: Annotated[
        list[Changeable] | None, typer.Option(help="Take this away; may be repeated.", show_default=False)
    ] = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Change the deadline of a task, its dates, priority or notes, as its owner or as an admin.

    What is not named stays. Without a deadline a task waits for ever; a
    priority that is taken away is 50 again.

    [bold]Examples[/bold]

      runner task update t-1 --timeout-in 2h --priority 80 --as ann
      runner task update t-1 --due-on 3d --notes "call first" --as ann
      runner task update t-1 --clear timeout --clear notes --as ann
    """
    values: dict[str, Any] = {
        "timeout": None if timeout_in is None else span_option("--timeout-in", timeout_in),
        "timeoutOn": _moment("--timeout-on", timeout_on),
        "dueOn": _moment("--due-on", due_on),
        "followUpOn": _moment("--follow-up-on", follow_up_on),
        "priority": priority,
        "notes": notes,
    }
    values = {name: value for name, value in values.items() if value is not None}
    _verb(
        "UpdateTask",
        changes_of(values, clear or []),
        (task_id, domain),
        (user, roles),
        config,
        timeout,
        as_json=as_json,
    )


def _moment(name: str, text: str | None) -> int | None:
    return None if text is None else moment_option(name, text, is_ahead=True)


def changes_of(values: dict[str, Any], clear: Sequence[Changeable]) -> dict[str, Any]:
    """Return the values of an UpdateTask; null clears. Wrong usage for none, and for two that disagree."""
    if not values and not clear:
        raise typer.BadParameter("what is to be changed? name a new value, or --clear an old one")
    if {"timeout", "timeoutOn"} <= values.keys():
        raise typer.BadParameter("--timeout-in and --timeout-on are two deadlines; name one")
    if not values.get("notes", "-").strip():
        raise typer.BadParameter("--notes is blank; --clear notes takes them away")
    for each in clear:
        both = {"timeout", "timeoutOn"} if each is Changeable.TIMEOUT else {each.parameter}
        if not values.keys().isdisjoint(both):
            raise typer.BadParameter(f"--clear {each.value} takes away what is set beside it; do one of them")
    return values | {each.parameter: None for each in clear}


def cancel(
    task_id: TaskId,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why; the saga hears it.")],
    domain: DomainName = None,
    user: User = None,
    roles: Roles = None,
    timeout: Patience = 30.0,
    config: ConfigFile = None,
    *,
    as_json: AsJson = False,
) -> None:
    """End a task without an answer: its saga goes on with CANCELLED.

    [bold]Example[/bold]

      runner task cancel t-1 --reason "the customer has called" --as ann
    """
    values = {"reason": reason}
    _verb("CancelTask", values, (task_id, domain), (user, roles), config, timeout, as_json=as_json)


def _verb(
    action: str,
    values: dict[str, Any],
    task: tuple[str, str | None],
    caller: tuple[str | None, str | None],
    config: Path | None,
    timeout: float,
    *,
    as_json: bool,
) -> None:
    """Send a verb with these values about a task (id, domain) as a caller (user, roles)."""
    settings = read_config(config)
    named = caller_of(settings, caller[0], roles_option(caller[1]))
    event = event_of(settings, action, None, named, values)
    send_event(settings, event, *task, timeout, as_json=as_json)
