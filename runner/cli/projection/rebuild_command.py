"""``runner projection rebuild``: lists are made anew."""

from __future__ import annotations

from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.web_command import not_installed


def rebuild(config: ConfigFile = None, *, as_json: AsJson = False) -> None:
    """Make the lists of projection.url anew from topics.tasks.

    A new build is filled beside the one that is read, and takes over once it
    has read all partitions to their ends; until then nothing changes for those
    who read. Processes of runner web may run: with PostgreSQL they help. It
    may be ended and repeated: it goes on with the build that was begun.

    Finished tasks that are kept (projection.keepDays) stay as they are.

    With --json the one line says which build is live now, how many tasks it
    has, and how long it took.

    [bold]Examples[/bold]

      runner projection rebuild
      runner projection rebuild --json
    """
    settings = read_config(config)
    try:
        from runner.cli.projection.rebuilding import rebuild_lists  # noqa: PLC0415 - only here is it installed for sure
    except ImportError as error:
        raise not_installed(settings, error) from error
    rebuild_lists(settings, as_json=as_json)
