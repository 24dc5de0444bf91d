"""``runner task proceed``, ``claim``, ``release``, ``assign``, ``comment``, ``cancel`` and ``timeout``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.task.finding import DomainName, TaskId
from runner.cli.task.sending import caller_of, event_of, send_event
from runner.envelope.plain import BYTE_ORDER_MARK, decode
from runner.envelope.values import names_in

_WHOLE: Final = "$"

RequestId = Annotated[
    str | None,
    typer.Option(
        help="requestMeta.id of the event; sent again as it was, it is answered again.", show_default="new"
    ),
]
Patience = Annotated[
    float, typer.Option("--timeout", min=0.1, metavar="SECONDS", help="How long to wait for the reply.")
]
User = Annotated[str | None, typer.Option("--as", "--user", metavar="USER", help="Who does it.")]
Roles = Annotated[str | None, typer.Option(metavar="ROLE,ROLE", help="The roles of the user.")]


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
    for a user or roles needs one that fits. With --json the reply is one
    line, as "runner tail --json" gives it.

    [bold]Example[/bold]

      runner task proceed t-1 --as ann --roles manager \
        --payload '{"decision": "approved"}'
    """
    settings = read_config(config)
    entered = _payload(payload)
    caller = caller_of(settings, user, _split(roles))
    parameters = {} if payload is None else {"enrichPath": enrich}
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
    named = {"user": to, "roles": _split(to_roles, "--to-roles")}
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
    named = caller_of(settings, caller[0], _split(caller[1]))
    event = event_of(settings, action, None, named, values)
    send_event(settings, event, *task, timeout, as_json=as_json)


def _payload(text: str | None) -> dict[str, Any]:
    """Return the object that ``--payload`` gives or names."""
    if text is None:
        return {}
    try:
        if text == "-":
            data = sys.stdin.buffer.read()
        elif text.startswith("@"):
            data = Path(text[1:]).read_bytes()
        else:
            data = text.encode()
        value = decode(data.removeprefix(BYTE_ORDER_MARK))
    except OSError as error:
        raise typer.BadParameter(f"--payload {text} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"--payload is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter("--payload must be a JSON object")
    return value


def _split(roles: str | None, option: str = "--roles") -> list[str] | None:
    names = None if roles is None else names_in(roles)
    if roles and not names:
        raise typer.BadParameter(f"{option} names nobody; write manager,director, or leave it out")
    return names
