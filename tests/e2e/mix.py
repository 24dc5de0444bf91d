"""How often what happens in a load, and one task of its plan."""

from dataclasses import dataclass, field
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Mix:
    """How often what happens; shares of the tasks."""

    named: float = 0.5
    """The event names the task; otherwise the id is generated."""
    repeated: float = 0.15
    """The StartTask comes twice."""
    intruded: float = 0.03
    """Another StartTask with the id of this one follows."""
    again: float = 0.1
    """The saga comes round once more when the task has ended."""
    waiting: float = 0.25
    """Nobody acts: the deadline ends it."""
    racing: float = 0.25
    """Somebody acts at the deadline."""
    astray: float = 0.4
    """A command is sent to another partition than the task's home."""
    lived: float = 0.12
    """People claim the task, comment on it, save answers …, before it ends and after."""
    formed: float = 0.4
    """Such a task has a definition."""
    far: float = 0.1
    """The deadline of such a task is far away until somebody moves it."""
    safety_ms: tuple[int, int] = (4_000, 9_000)
    """Deadline of tasks that somebody is going to proceed: whatever is refused, the task ends."""
    short_ms: tuple[int, int] = (200, 2_500)
    """Deadline of tasks that nobody acts on, or somebody at the last moment."""


BRISK: Final = Mix(safety_ms=(800, 2_500))
"""For short loads: nothing waits long for its end."""


@dataclass(slots=True)
class Task:
    """One task of the plan, and how far it has come."""

    number: int
    home: int
    named: bool
    racing: bool
    waiting: bool
    once: bool
    """Commands come once only: a repeat could meet the generation of another."""
    rounds: int
    lived: bool = False
    has_form: bool = False
    far: bool = False
    owner: str | None = None
    """Who had it, by the reply that was read last."""
    task_id: str = ""
    start: dict[str, Any] = field(default_factory=dict)
    unreachable: int = 0
    ends: int = 0
    acknowledged: set[str] = field(default_factory=set)
