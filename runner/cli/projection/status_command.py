"""``runner projection status``: which lists there are, and how they stand."""

from __future__ import annotations

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.web_command import not_installed


def status(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Show how the lists of projection.url stand.

    A build is a set of tables. The live one is read; one that is being filled
    takes over once it has read all partitions of topics.tasks to their ends.
    "behind" is how many offsets a build has not read yet. Finished tasks that
    are kept (projection.keepDays) are in no changelog any more: they cannot be
    made again.

    With --json each build is one line, and the last line says how many tasks
    are kept.

    [bold]Examples[/bold]

      runner projection status
      runner projection status --json
    """
    settings = read_config(config)
    try:
        from runner.cli.projection.showing import show_lists  # noqa: PLC0415 - only here is it installed for sure
    except ImportError as error:
        raise not_installed(settings, error) from error
    show_lists(settings, as_json=as_json)
