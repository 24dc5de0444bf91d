"""The hub of event streams: reads what changed once for all of them, and hands each what it may see.

One task of the event loop asks the projection about ten times a second while somebody listens. What it read
goes into the ring and to the streams in one step of the loop, so that whatever a stream has been told is what
its id says. A stream that goes on somewhere is first put among the listeners and then told what lies between,
from the ring or, below it, from the database.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, TypeVar

import anyio.to_thread
from anyio import CapacityLimiter

from runner import log
from runner.projection.changes import Change, Positions
from runner.projection.database import DatabaseUnavailable
from runner.projection.sight import Sight, Viewer, sees
from runner.web.audience import Audience
from runner.web.event_id import EventId, event_id, read_event_id
from runner.web.ring import MOST, Ring
from runner.web.stream import MOST as MOST_TOLD
from runner.web.stream import Reason, Stream, Task, told_of

CHUNK: Final = 250
"""Changes that are read and told at once; between two chunks the event loop does something else."""

_NOBODY: Final = set[Stream]()

_log: Final = log.get("streams")
_Found = TypeVar("_Found")


class ChangesSource(Protocol):
    """Where changes come from (``runner.projection.changes.Recent``). Calls block."""

    def positions(self) -> Positions | None: ...

    def changes(
        self, build: int, since: Mapping[int, int], until: Mapping[int, int], most: int
    ) -> list[Change] | None: ...


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long, in seconds."""

    poll: float = 0.1
    message: float = 0.25
    """Least time between two messages of a stream."""
    heartbeat: float = 15.0
    stall: float = 20.0
    """A listener that takes nothing for so long is cut off."""
    first: float = 2.0
    """How long a new stream waits for the projection's first answer."""
    ahead: float = 5.0
    """How long a stream from another replica waits until this one has read as far."""
    linger: float = 60.0
    """How long the projection is asked after the last stream has gone."""
    outage: float = 1.0
    """Pause after the projection did not answer."""


class NotReady(Exception):
    """The projection has nothing to stream yet, or the process ends."""


class Hub:
    """Feeds all streams of a process. Belongs to the event loop it is first used in."""

    def __init__(
        self, reader: ChangesSource, timing: Timing | None = None, most: int = MOST, chunk: int = CHUNK
    ) -> None:
        """``most``: changes kept for streams to go on; ``chunk``: changes handled at once."""
        self._source: Final = reader
        self.timing: Final = timing or Timing()
        self._most: Final = most
        self._chunk: Final = chunk
        self._audience: Final = Audience[Stream]()
        self._streams: Final = set[Stream]()
        self._ring: Ring | None = None
        self._reader: asyncio.Task[None] | None = None
        self._moved = asyncio.Event()
        """Set, and replaced, whenever the ring has moved on."""
        self._ending = asyncio.Event()
        self._deepening = asyncio.Lock()
        self._replaying = asyncio.Lock()
        self._limiter: Final = CapacityLimiter(1)
        self._deep_limiter: Final = CapacityLimiter(1)
        self._joining = 0

    def __len__(self) -> int:
        """Return how many streams there are."""
        return len(self._streams)

    async def join(self, viewer: Viewer, last: str | None) -> Stream:
        """Return a stream of all that changes from now on, or from the event id ``last``; ``leave`` ends it.

        Raises NotReady.
        """
        stream = Stream(viewer)
        self._joining += 1
        try:
            await self._ready()
            if last is None:
                self._seat(stream)
            else:
                await self._resume(stream, last)
        except BaseException:
            self.leave(stream)
            raise
        finally:
            self._joining -= 1
        return stream

    def leave(self, stream: Stream) -> None:
        """Forget a stream."""
        if stream in self._streams:
            self._streams.remove(stream)
            self._audience.leave(stream, stream.viewer)

    def where(self, stream: Stream) -> str:
        """Return the id of all that a stream was told, its pending changes included."""
        return event_id(stream.digest, "" if self._ring is None else self._ring.place)

    def close(self) -> None:
        """End all streams, and let none begin. To be called when the process is told to end."""
        self._ending.set()
        self._end_all("the server ends; another one goes on here")

    async def _ready(self) -> None:
        if self._ending.is_set():
            raise NotReady("this server ends; ask again")
        if self._reader is None:
            self._reader = asyncio.create_task(self._read_on(), name="changes")
            self._reader.add_done_callback(self._reader_ended)
        try:
            async with asyncio.timeout(self.timing.first):
                while self._ring is None:
                    await self._moved.wait()
        except TimeoutError:
            raise NotReady("lists are not ready yet, and neither are their changes; ask again") from None

    def _seat(self, stream: Stream) -> None:
        if self._ending.is_set() or self._ring is None:
            raise NotReady("this server ends; ask again")
        self._streams.add(stream)
        self._audience.join(stream, stream.viewer)

    async def _resume(self, stream: Stream, last: str) -> None:
        asked = read_event_id(last)
        reason = self._stranger(stream, asked)
        if asked is not None and reason is None:
            await self._catch_up(asked)
            await self._deepen(asked)
            reason = self._stranger(stream, asked)
        # No other task runs between this look at the ring and the stream's first change.
        ring = self._ring
        self._seat(stream)
        if reason is not None or asked is None or ring is None:
            stream.reload(reason or "unknown")
        elif not ring.reaches(asked.offsets):
            stream.reload("expired")
        else:
            await self._tell_missed(stream, ring.since(asked.offsets))

    async def _tell_missed(self, stream: Stream, changes: Sequence[Change]) -> None:
        """Tell a stream what it missed, before all that it was told since it is among the listeners.

        One stream after the other, a chunk at a time: however many come back at once, and from however far,
        the event loop has time for everybody else.
        """
        replay = _Replay(stream.viewer)
        async with self._replaying:
            for first in range(0, len(changes), self._chunk):
                replay.take(changes[first : first + self._chunk])
                if len(replay.told) > MOST_TOLD:
                    break
                await asyncio.sleep(0)
        stream.note_before(replay.told)

    def _stranger(self, stream: Stream, asked: EventId | None) -> Reason | None:
        """Return why an id means nothing here; None: it is one of this stream, build and topic."""
        ring = self._ring
        if asked is None or ring is None:
            return "unknown"
        if asked.viewer != stream.digest:
            return "rights"
        if not ring.is_of(asked.build, asked.topic):
            return "build"
        return None if asked.offsets.keys() <= ring.known.keys() else "unknown"

    async def _catch_up(self, asked: EventId) -> None:
        """Wait for what another replica has read already."""
        try:
            async with asyncio.timeout(self.timing.ahead):
                while (ring := self._ring_of(asked)) is not None and ring.is_before(asked.offsets):
                    await self._moved.wait()
        except TimeoutError:
            return

    async def _deepen(self, asked: EventId) -> None:
        """Read what lies between an id and the ring, if it is still there and not too much."""
        async with self._deepening:
            ring = self._ring_of(asked)
            since = None if ring is None else ring.missing(asked.offsets)
            if ring is None or since is None:
                return
            floor = dict(ring.floor)
            ask = partial(self._source.changes, ring.build, since, floor, self._most)
            try:
                found = await self._ask(ask, self._deep_limiter)
            except DatabaseUnavailable:
                return
            if found is not None and ring.floor == floor:
                ring.add_below(found, since)

    def _ring_of(self, asked: EventId) -> Ring | None:
        ring = self._ring
        return ring if ring is not None and ring.is_of(asked.build, asked.topic) else None

    async def _read_on(self) -> None:
        is_down, unheard = False, 0.0
        while not self._ending.is_set() and (unheard < self.timing.linger or self._joining):
            try:
                await self._poll()
            except DatabaseUnavailable as error:
                if not is_down:
                    _log.warning("changes_unavailable", error=str(error))
                is_down = True
                await asyncio.sleep(self.timing.outage)
            else:
                is_down = False
                await self._pause()
            unheard = 0.0 if self._streams else unheard + self.timing.poll
        self._reader, self._ring = None, None

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self.timing.poll):
                await self._ending.wait()
        except TimeoutError:
            return

    async def _poll(self) -> None:
        """Bring ring and streams to where the projection is."""
        positions = await self._ask(self._source.positions, self._limiter)
        if positions is None:
            return
        ring = self._ring
        if ring is None or not ring.goes_on(positions):
            self._begin_anew(positions, "build")
            return
        ring.forget(positions.since)
        while ring.lacks(positions):
            ask = partial(self._source.changes, ring.build, dict(ring.known), positions.next, self._chunk)
            found = await self._ask(ask, self._limiter)
            if found is None:
                self._begin_anew(positions, "expired")
                return
            self._tell(ring, found, _reached(ring.known, positions.next, found, self._chunk))
            await asyncio.sleep(0)

    def _begin_anew(self, positions: Positions, reason: Reason) -> None:
        self._ring = Ring(positions, self._most)
        for stream in self._streams:
            stream.reload(reason)
        self._has_moved()

    def _tell(self, ring: Ring, changes: Sequence[Change], until: Mapping[int, int]) -> None:
        """Let ring and streams know what comes next, in one step."""
        ring.add(changes, until)
        seers = _Seers(self._audience)
        for change in changes:
            before, after = seers.of(change.before), seers.of(change.after)
            task = (change.domain, change.key)
            if after and change.version is not None:
                told = told_of(task, change.version)
                for stream in after:
                    stream.note(task, told)
            for stream in before - after:
                stream.note(task, None)
        self._has_moved()

    def _has_moved(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _reader_ended(self, reader: asyncio.Task[None]) -> None:
        """After an error begin afresh with the next stream; whoever listens comes back by itself."""
        if reader.cancelled() or (error := reader.exception()) is None:
            return
        _log.error("changes_ended", exc_info=error)
        self._reader, self._ring = None, None
        self._end_all("changes cannot be read")

    def _end_all(self, why: str) -> None:
        for stream in self._streams:
            stream.end(why)

    async def _ask(self, call: Callable[[], _Found], limiter: CapacityLimiter) -> _Found:
        return await anyio.to_thread.run_sync(call, limiter=limiter)


class _Seers:
    """Who sees the tasks of a chunk: many have the same sight."""

    def __init__(self, audience: Audience[Stream]) -> None:
        self._audience = audience
        self._found: dict[Sight, set[Stream]] = {}

    def of(self, sight: Sight | None) -> set[Stream]:
        if sight is None:
            return _NOBODY
        found = self._found.get(sight)
        if found is None:
            found = self._found[sight] = self._audience.seers(sight)
        return found


class _Replay:
    """What one viewer is told of changes."""

    def __init__(self, viewer: Viewer) -> None:
        self._viewer = viewer
        self._seen: dict[Sight | None, bool] = {None: False}
        self.told: dict[Task, bytes | None] = {}

    def take(self, changes: Sequence[Change]) -> None:
        for change in changes:
            task = (change.domain, change.key)
            if self._is_seen(change.after) and change.version is not None:
                self.told[task] = told_of(task, change.version)
            elif self._is_seen(change.before):
                self.told[task] = None

    def _is_seen(self, sight: Sight | None) -> bool:
        if sight is not None and sight not in self._seen:
            self._seen[sight] = sees(self._viewer, sight)
        return self._seen[sight]


def _reached(
    known: Mapping[int, int], until: Mapping[int, int], found: Sequence[Change], most: int
) -> dict[int, int]:
    """Return how far the changes go that were asked for from ``known`` to ``until``, at most so many."""
    whole = {shard: offset for shard, offset in until.items() if offset > known.get(shard, 0)}
    if len(found) < most:
        return whole
    last = found[-1]
    return {shard: offset for shard, offset in whole.items() if shard < last.shard} | {
        last.shard: last.place + 1
    }
