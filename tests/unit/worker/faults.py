"""Faults on order: which call raises what, and how often; and what happens just before a call."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable


class Faults:
    """What is to go wrong, by the name of the call; each fault strikes once, in order."""

    def __init__(self) -> None:
        self._errors: dict[str, deque[BaseException]] = defaultdict(deque)
        self._before: dict[str, deque[Callable[[], object]]] = defaultdict(deque)
        self._down: dict[str, BaseException] = {}

    def once(self, call: str, *errors: BaseException) -> None:
        """The next calls raise these, one each."""
        self._errors[call] += errors

    def before(self, call: str, action: Callable[[], object]) -> None:
        """Do this before the next call is carried out."""
        self._before[call].append(action)

    def always(self, error: BaseException, *calls: str) -> None:
        """Every one of these calls raises, until ``mend``."""
        self._down |= dict.fromkeys(calls, error)

    def mend(self) -> None:
        """End what was to be for ever."""
        self._down.clear()

    def strike(self, call: str) -> None:
        """Do to this call what was ordered for it."""
        if self._before[call]:
            self._before[call].popleft()()
        if call in self._down:
            raise self._down[call]
        if self._errors[call]:
            raise self._errors[call].popleft()
