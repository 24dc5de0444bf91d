"""The ``runner`` program: its commands, its exit codes, and what a person sees when something is wrong.

A user's mistake is a line that names the thing, the place and the way out, never a traceback. What
nobody foresaw is a line as well; RUNNER_DEBUG=1 shows the traceback.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Final

import typer
from rich.text import Text

from runner import log
from runner.cli import (
    config_command,
    dev_command,
    send_command,
    streams,
    tail_command,
    topics_command,
)
from runner.cli.demo import demo_command
from runner.cli.dlq import list_command as dlq_list
from runner.cli.dlq import replay_command
from runner.cli.dlq import show_command as dlq_show
from runner.cli.options import ConfigFile, read_config
from runner.cli.restore import restore_command
from runner.cli.screen import plain, stderr
from runner.cli.task import end_command, list_command, show_command
from runner.cli.worker_command import run_worker
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

_log: Final = log.get("runner")

ABOUT: Final = """
User tasks for sagas: start, proceed and time out, exactly once.

A saga engine sends StartTask to the Kafka topic requests and gets ACK at once
on responses, while the task waits in Redis. When a person's ProceedTask
arrives, or the deadline passes, the stored event goes to responses as
PROCEEDED or TIMEOUT, and the saga branches on that.

[bold]Begin with[/bold]

  runner demo                       a purchase approval from start to end
  runner dev                        broker, Redis and a worker to play with
  runner topics create              the topics, on your Kafka
  runner worker -c runner.yaml      one worker; start as many as you like

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
        typer.main.get_command(build_app())(args=list(arguments), prog_name=PROGRAM)
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
    return _exit_code(error)


def build_app() -> typer.Typer:
    """Return the program with all its commands."""
    app = _group(ABOUT, completes=True)
    app.command()(worker)
    app.command()(dev_command.dev)
    app.command()(demo_command.demo)
    app.command()(restore_command.restore)
    app.command()(send_command.send)
    app.command()(tail_command.tail)
    tasks = _group("Tasks as they stand in Redis, and events that end one.")
    tasks.command("list")(list_command.list_)
    tasks.command()(show_command.show)
    tasks.command()(end_command.proceed)
    tasks.command("timeout")(end_command.time_out)
    letters = _group("Dead letters: messages that could never be handled.")
    letters.command("list")(dlq_list.list_)
    letters.command()(dlq_show.show)
    letters.command()(replay_command.replay)
    topics = _group("The topics in Kafka.")
    topics.command()(topics_command.create)
    configuration = _group("The configuration.")
    configuration.command()(config_command.check)
    groups = {"task": tasks, "dlq": letters, "topics": topics, "config": configuration}
    for name, group in groups.items():
        app.add_typer(group, name=name)
    return app


def worker(config: ConfigFile = None) -> None:
    """Run one worker until SIGTERM or Ctrl-C.

    It joins the consumer group; start several, here or elsewhere, and they
    share the partitions. The first signal finishes the batch in hand, within
    worker.shutdownSeconds; a second one ends it at once. Nothing is lost.
    Logs go to standard error, /metrics and /health to http.port.

    [bold]Example[/bold]

      RUNNER_KAFKA__BROKERS=kafka-1:9092 runner worker --config config/runner.yaml
    """
    settings = read_config(config)
    log.configure(settings.log.format, settings.log.level)
    is_for_programs = settings.log.format == "json" or (
        settings.log.format == "auto" and not sys.stderr.isatty()
    )
    try:
        code = run_worker(settings)
    except RunnerError as error:
        if not is_for_programs:
            raise
        code = _exit_code(error)
        _log.error("exiting", label=error.label, reason=str(error), exit_code=code)
    except Exception:
        if not is_for_programs:
            raise
        code = FAILED
        _log.exception("crashed", exit_code=code)
    raise typer.Exit(code)


def _exit_code(error: Exception) -> int:
    return error.exit_code if isinstance(error, FatalError) else FAILED


def _group(about: str, *, completes: bool = False) -> typer.Typer:
    return typer.Typer(
        help=about,
        no_args_is_help=True,
        add_completion=completes,
        rich_markup_mode="rich",
        pretty_exceptions_enable=False,
    )


def _show(message: str) -> None:
    console = stderr()
    text = "\n".join(plain(line) for line in message.splitlines())
    console.print(Text("error: ", style="bold red") + Text(text), soft_wrap=True)
