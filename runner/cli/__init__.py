"""The command line: ``runner COMMAND``. Puts the parts together and talks to people.

``main`` is the console script. Commands change tasks in one way only: they produce events.
"""

from runner.cli.app import main

__all__ = ["main"]
