"""Own writes: a list is not shown before it has what its caller has just changed, or says that it has not."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from time import monotonic
from typing import Final

from runner.tasks.keys import TaskKey
from runner.web.callers import Caller
from runner.web.parts import WebComponents, from_lists
from runner.web.tokens import read_after

PATIENCE_SECONDS: Final = 2.0
_PAUSE_SECONDS: Final = 0.02


async def are_listed(parts: WebComponents, caller: Caller, tokens: Collection[str]) -> bool:
    """Whether lists have these versions, after waiting for them so long at most.

    Refused with 400 for a token that is none. Tasks of other domains than the caller's are nobody's business.
    """
    wanted = [each for each in map(read_after, tokens) if each[0].domain in caller.domains]
    deadline = monotonic() + PATIENCE_SECONDS
    while not await from_lists(lambda: _all_there(parts, wanted)):
        if monotonic() > deadline:
            return False
        await asyncio.sleep(_PAUSE_SECONDS)
    return True


def _all_there(parts: WebComponents, wanted: Collection[tuple[TaskKey, str]]) -> bool:
    return all(parts.lists.has(key, version) for key, version in wanted)
