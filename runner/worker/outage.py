"""The states of the loop, and the transitions between them (docs/design.md, "When something fails").

  NORMAL      batches are read, decided and committed
  ISOLATING   the same with one event a batch, so that a refused event pauses only its own home
  WAITING     a server did not answer, or refused: servers are pinged at a measured pace
  RESTORING   the store lacks something that was committed: one step of restoring in every round

The loop polls in all of them: a consumer that does not poll is thrown out of its group.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import Enum
from typing import Final

from runner.clock import Ticker
from runner.kafka.message import Message

RESTORING_SECONDS: Final = 0.001
"""Longest wait for events between two steps of restoring."""


class LoopState(Enum):
    """What the loop does with a round."""

    NORMAL = "normal"
    ISOLATING = "isolating"
    WAITING = "waiting"
    RESTORING = "restoring"


class Outage:
    """The state of one loop; begins NORMAL, with a check of the store due at once."""

    def __init__(self, retry_seconds: float, verify_seconds: float, ticker: Ticker) -> None:
        """``verify_seconds`` lie between two checks that the store is complete."""
        self._retry_seconds = retry_seconds
        self._verify_seconds = verify_seconds
        self._ticker = ticker
        self._down: LoopState | None = None
        self._retry_at = 0.0
        self._verify_at = 0.0
        self._isolated_until: dict[int, int] = {}

    @property
    def state(self) -> LoopState:
        if self._down is not None:
            return self._down
        return LoopState.ISOLATING if self._isolated_until else LoopState.NORMAL

    @property
    def is_down(self) -> bool:
        """Whether no events are handled."""
        return self._down is not None

    def wait_seconds(self) -> float:
        """Return the longest wait for messages of a round while the loop is down."""
        return RESTORING_SECONDS if self._down is LoopState.RESTORING else self._retry_seconds

    def is_step_due(self) -> bool:
        """Whether it is time for the next step out of the outage."""
        return self._ticker() >= self._retry_at

    def is_check_due(self) -> bool:
        """Whether it is time to check that the store is complete, although nothing failed."""
        return self._ticker() >= self._verify_at

    # -- transitions -----------------------------------------------------------------------------

    def failed(self) -> None:
        """Any state to WAITING: a batch or a step was aborted."""
        self._down = LoopState.WAITING
        self._retry_at = self._ticker() + self._retry_seconds

    def behind(self) -> None:
        """Any state to RESTORING: the store lacks something that was committed."""
        self._down = LoopState.RESTORING

    def complete(self) -> None:
        """Any state to NORMAL, or ISOLATING: the servers answer, and the store is complete."""
        self._down = None
        self._verify_at = self._ticker() + self._verify_seconds

    def isolate(self, messages: Collection[Message]) -> None:
        """Make NORMAL ISOLATING until these messages are committed: the log has refused one of them."""
        self._isolated_until.update((message.partition, message.offset + 1) for message in messages)

    def committed(self, positions: Mapping[int, int]) -> None:
        """Make ISOLATING NORMAL again once the positions have passed all isolated messages."""
        for home, offset in tuple(self._isolated_until.items()):
            if positions.get(home, offset) >= offset:
                del self._isolated_until[home]

    def forget(self, homes: Collection[int]) -> None:
        """Isolate nothing of these homes any more: they are paused, or revoked."""
        for home in homes:
            self._isolated_until.pop(home, None)
