"""What was opened by a session ends with it."""

from __future__ import annotations

import asyncio

from runner.errors import StoreUnavailable
from runner.web.sign_in.session_watch import SessionWatch


class KnownSessions:
    """Sessions that end when the test says so; ``trouble`` while Redis is away."""

    def __init__(self, *digests: str) -> None:
        self.there = {*digests}
        self.trouble = False
        self.asked: list[list[str]] = []
        self.wanted = 0
        self.enough = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    def there_are(self, digests: list[str]) -> set[str]:
        self.asked.append(digests)
        if len(self.asked) >= self.wanted:
            self._loop.call_soon_threadsafe(self.enough.set)
        if self.trouble:
            raise StoreUnavailable("it is away")
        return self.there & {*digests}


class Opened:
    """Something that ends with a session."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.why = ""

    def end(self, why: str) -> None:
        self.why = why
        self.over.set()


async def looked(known: KnownSessions, times: int) -> None:
    """Wait until there were so many looks more."""
    known.wanted = len(known.asked) + times
    known.enough.clear()
    await known.enough.wait()


def test_a_stream_ends_with_its_session_and_no_other() -> None:
    async def story() -> None:
        known = KnownSessions("a", "b")
        watch = SessionWatch(known, look_seconds=0.001)
        first, again, other = Opened(), Opened(), Opened()
        with watch.ending("a", first.end), watch.ending("a", again.end), watch.ending("b", other.end):
            await looked(known, 2)
            assert not first.over.is_set()
            assert known.asked[-1] == ["a", "b"]
            known.there.discard("a")
            await asyncio.gather(first.over.wait(), again.over.wait())
            await looked(known, 2)
            assert (first.why, other.over.is_set()) == ("the session has ended", False)
        assert watch._looking is not None
        # Nobody is watched: it does not look any more.
        await asyncio.wait([watch._looking])
        third = Opened()
        with watch.ending("c", third.end):
            await third.over.wait()

    asyncio.run(story())


def test_streams_outlast_a_redis_that_is_away() -> None:
    async def story() -> None:
        known = KnownSessions("a")
        known.trouble = True
        opened = Opened()
        with SessionWatch(known, look_seconds=0.001).ending("a", opened.end):
            await looked(known, 3)
            assert not opened.over.is_set()
            known.trouble = False
            known.there.clear()
            await opened.over.wait()

    asyncio.run(story())
