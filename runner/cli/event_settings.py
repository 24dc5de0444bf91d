"""Settings that mean something for events, checked at the start by what reads the events.

Beside ``wiring``. A rule that gives a task roles that name nobody would have every StartTask refused, and
an expression for the caller that can never be evaluated would say nothing of anybody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from runner.actions.callers import required_roles, required_user
from runner.config import Config, ConfigError, Problem
from runner.envelope.patterns import fault_of
from runner.errors import EventError

_READERS: Final[Mapping[str, Callable[[Any], object]]] = {
    "taskRoles": required_roles,
    "taskUser": required_user,
}


def check_event_settings(config: Config) -> None:
    """Return only if such settings can be used; raises ConfigError with every one that cannot."""
    problems = [*_rules(config), *_callers(config)]
    if problems:
        raise ConfigError(problems)


def _rules(config: Config) -> Iterator[Problem]:
    for name, reader in _READERS.items():
        value = config.meta.parameters.get(name)
        for kind in ("default", "override"):
            try:
                reader(getattr(value, kind, None))
            except EventError:
                where = f"meta.parameters.{name}.{kind}"
                yield Problem(config.source, where, "names nobody", "name somebody, or remove it")


def _callers(config: Config) -> Iterator[Problem]:
    for key, expressions in (("user", config.caller.user), ("roles", config.caller.roles)):
        for at, expression in enumerate(expressions):
            fault = fault_of(expression)
            if fault is not None:
                yield Problem(config.source, f"caller.{key}[{at}]", fault, "correct the expression")
