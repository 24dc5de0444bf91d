"""The ``runner`` program: its commands, its exit codes, and what a person sees when something is wrong.

A user's mistake is a line that names the thing, the place and the way out, never a traceback. What
nobody foresaw is a line as well; RUNNER_DEBUG=1 shows the traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections import UserDict
from collections.abc import Sequence
from importlib import import_module
from typing import Any, Final, cast

import typer
from rich.text import Text
from typer.core import TyperGroup
from typer.main import get_install_completion_arguments

from runner.cli import streams
from runner.cli.screen import plain, stderr
from runner.embedded import EmbeddedUnavailable
from runner.errors import FatalError, RunnerError

PROGRAM: Final = "runner"
FAILED: Final = 1
MISUSED: Final = 2
INTERRUPTED: Final = 130
DEBUG: Final = "RUNNER_DEBUG"

_NO_TEXT: Final = "surrogates not allowed"
_BESIDE: Final = 40
"""Characters that are shown on either side of what is no text."""

ABOUT: Final = """
User tasks for sagas: start, proceed and time out, exactly once.

A saga engine sends StartTask to the Kafka topic requests and gets ACK at once
on responses, while the task waits in Redis. When a person's ProceedTask
arrives, or the deadline passes, the stored event goes to responses as
PROCEEDED or TIMEOUT, and the saga branches on that.

[bold]Begin with[/bold]

  runner demo                       two sagas that wait for people, to the end
  runner dev                        broker, Redis and a worker to play with
  runner topics create              the topics, on your Kafka
  runner worker -c runner.yaml      one worker; start as many as you like
  runner notify -c runner.yaml      mail and chat for people with tasks
  runner web -c runner.yaml         lists and tasks over HTTP

[bold]Configuration[/bold]

  Defaults, then a file (--config, else RUNNER_CONFIG, else
  config/runner.yaml if there is one), then the environment:
  RUNNER_KAFKA__BROKERS sets kafka.brokers. "runner config check" shows all.

[bold]Exit codes[/bold]

    0  all is well          4  Redis belongs to another group or topic
    1  something failed     5  nobody knows where to begin reading
    2  wrong usage          6  fenced: start the worker again
    3  configuration        7  stopped before the batch was finished
  130  interrupted          8  Redis differs from the changelog
"""


_COMMANDS: Final = {
    "worker": "worker_command:worker",
    "notify": "notify_command:notify",
    "web": "web_command:web",
    "dev": "dev.dev_command:dev",
    "demo": "demo.demo_command:demo",
    "restore": "restore.restore_command:restore",
    "send": "send_command:send",
    "tail": "tail_command:tail",
}
_GROUPS: Final = {
    "task": (
        "Tasks as they stand in Redis, and events that change or end one.",
        {
            "list": "task.list_command:list_",
            "show": "task.show_command:show",
            "history": "task.history_command:history",
            "claim": "task.verb_command:claim",
            "release": "task.verb_command:release",
            "assign": "task.verb_command:assign",
            "comment": "task.verb_command:comment",
            "save": "task.verb_command:save",
            "update": "task.verb_command:update",
            "proceed": "task.verb_command:proceed",
            "cancel": "task.verb_command:cancel",
            "timeout": "task.verb_command:time_out",
        },
    ),
    "definitions": (
        "Definitions: the forms of tasks, by taskSpec.",
        {
            "put": "definitions.put_command:put",
            "list": "definitions.list_command:list_",
            "show": "definitions.show_command:show",
        },
    ),
    "dlq": (
        "Dead letters: messages that could never be handled.",
        {
            "list": "dlq.list_command:list_",
            "show": "dlq.show_command:show",
            "replay": "dlq.replay_command:replay",
        },
    ),
    "projection": (
        "The lists of tasks in SQL.",
        {
            "rebuild": "projection.rebuild_command:rebuild",
            "status": "projection.status_command:status",
        },
    ),
    "topics": ("The topics in Kafka.", {"create": "topics_command:create"}),
    "config": ("The configuration.", {"check": "config_command:check"}),
}


def main() -> None:
    """Run the command line of this process and exit with its code."""
    streams.prepare()
    sys.exit(streams.finish(run(sys.argv[1:])))


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code; what is wrong has been shown on standard error."""
    try:
        code = _ended(arguments)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        return FAILED
    except Exception as error:  # noqa: BLE001 - the last line of defence: a person reads one line
        return report(error, with_traceback=os.environ.get(DEBUG) == "1")
    return code


def _ended(arguments: Sequence[str]) -> int:
    try:
        build_app()(args=list(arguments), prog_name=PROGRAM)
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return 0


def report(error: Exception, *, with_traceback: bool) -> int:
    """Show what went wrong on standard error, and return the exit code for it.

    What a person can mend is shown in its own words. ``with_traceback`` is for what nobody foresaw.
    """
    if isinstance(error, RunnerError | EmbeddedUnavailable):
        _show(str(error))
    elif isinstance(error, UnicodeEncodeError) and error.reason == _NO_TEXT:
        # Bytes of the command line that are no text stand for themselves, as in the name of a file.
        text = error.object[max(0, error.start - _BESIDE) : error.end + _BESIDE]
        _show(f"{text.encode(errors='replace').decode()!r} is no text in UTF-8")
        return MISUSED
    elif with_traceback:
        traceback.print_exception(error)
    elif isinstance(error, OSError):
        # A temporary folder that is full, too many open files: the surroundings, not the program.
        where = f" ({error.filename})" if error.filename else ""
        _show(f"the system refuses: {error.strerror or error}{where}; {DEBUG}=1 shows where")
    else:
        first = next(iter(str(error).splitlines()), "no text")
        _show(f"{type(error).__name__}: {first} (not foreseen, so a bug; {DEBUG}=1 shows where)")
    return error.exit_code if isinstance(error, FatalError) else FAILED


def build_app() -> TyperGroup:
    """Return the program with all its commands; each is imported when it is looked up."""
    groups = {name: _group(name, about, _Commands(commands)) for name, (about, commands) in _GROUPS.items()}
    program = _group(PROGRAM, ABOUT, _Commands(_COMMANDS, **groups))
    program.params += get_install_completion_arguments()
    return program


class _Commands(UserDict[str, Any]):
    """Commands by their names; of one that was not looked up yet, where it is: ``module:function``."""

    def __getitem__(self, name: str) -> Any:
        command = super().__getitem__(name)
        if isinstance(command, str):
            module, _, function = command.partition(":")
            alone = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
            alone.command(name)(getattr(import_module(f"runner.cli.{module}"), function))
            self[name] = command = typer.main.get_command(alone)
        return command


def _group(name: str, about: str, commands: _Commands) -> TyperGroup:
    return TyperGroup(
        name=name,
        help=about.strip(),
        commands=cast(dict[str, Any], commands),
        rich_markup_mode="rich",
        no_args_is_help=True,
    )


def _show(message: str) -> None:
    console = stderr()
    text = "\n".join(plain(line) for line in message.splitlines())
    console.print(Text("error: ", style="bold red") + Text(text), soft_wrap=True)
