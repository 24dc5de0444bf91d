"""A hub of event streams that reads when it is told, and who listens to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, Final, TypeVar

from anyio import CapacityLimiter

from runner.projection.sight import Viewer
from runner.web.changes import Hub
from tests.unit.web.worlds import DOMAIN

_Found = TypeVar("_Found")

ANNA: Final = Viewer("anna", frozenset({"clerk"}), frozenset({DOMAIN}))
BERT: Final = Viewer("bert", frozenset({"clerk", "boss"}), frozenset({DOMAIN}))
ADMIN: Final = Viewer("root", frozenset(), frozenset({DOMAIN}), admin_of=frozenset({DOMAIN}))
OUTSIDER: Final = Viewer("anna", frozenset({"clerk"}), frozenset({"elsewhere"}))


class SteppedHub(Hub):
    """A hub that reads when it is told."""

    async def _ask(self, call: Callable[[], _Found], limiter: CapacityLimiter) -> _Found:
        del limiter
        return call()

    async def _read_on(self) -> None:
        await self._poll()
        await asyncio.Event().wait()


def parsed(message: bytes) -> tuple[str, str, Any]:
    """Return kind, id and data of a message."""
    fields = dict(line.split(": ", 1) for line in message.decode().strip().split("\n"))
    return fields["event"], fields["id"], json.loads(fields["data"])
