"""Whoever listens knows in the end exactly what it sees, wherever its stream was cut and went on."""

from __future__ import annotations

import asyncio
from typing import Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from runner.projection.sight import Sight, Viewer, sees
from runner.web.changes import Timing
from runner.web.stream import Stream
from tests.unit.web.stepped_hub import ADMIN, ANNA, BERT, OUTSIDER, SteppedHub, parsed
from tests.unit.web.worlds import DOMAIN, Replica, World

VIEWERS: Final = (ANNA, BERT, ADMIN, OUTSIDER)

SIGHTS: Final = (
    None,
    Sight(DOMAIN),
    Sight(DOMAIN, roles=("clerk",)),
    Sight(DOMAIN, roles=("boss",)),
    Sight(DOMAIN, owner="anna", roles=("boss",)),
    Sight(DOMAIN, user="bert", took_part=("anna",)),
)


class Reader:
    """A client: what it has read and heard, as a page would show it."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.shown: dict[str, str] = {}
        self.last: str | None = None
        self.at: int | None = None
        self.stream: Stream | None = None


class Streams(RuleBasedStateMachine):
    """Two replicas of a projection, and a listener of each kind that moves between them."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.world = World()
        self.replicas = [Replica(self.world), Replica(self.world)]
        self.readers = [Reader(viewer) for viewer in VIEWERS]
        self.hubs = [self.new_hub(number) for number in range(2)]

    def new_hub(self, number: int) -> SteppedHub:
        return SteppedHub(self.replicas[number], Timing(ahead=0), most=6, chunk=2)

    @rule(number=st.integers(0, 2), sight=st.sampled_from(SIGHTS), gap=st.integers(0, 2))
    def change(self, number: int, sight: Sight | None, gap: int) -> None:
        self.world.change(number, sight, gap)

    @rule(at=st.integers(0, 1))
    def advance(self, at: int) -> None:
        self.replicas[at].advance()

    @rule(at=st.integers(0, 1))
    def poll(self, at: int) -> None:
        if self.hubs[at]._ring is not None:
            self.runner.run(self.hubs[at]._poll())

    @rule(who=st.sampled_from(range(len(VIEWERS))), at=st.integers(0, 1), steps=st.integers(0, 4))
    def connect(self, who: int, at: int, steps: int) -> None:
        """Come, or come back somewhere, while more is read there."""
        reader = self.readers[who]
        self.cut(who)

        async def come() -> None:
            coming = asyncio.create_task(self.hubs[at].join(reader.viewer, reader.last))
            for _ in range(steps):
                await asyncio.sleep(0)
            if self.hubs[at]._ring is not None:
                self.replicas[at].advance()
                await self.hubs[at]._poll()
            reader.stream = await coming

        self.runner.run(come())
        reader.at = at
        if reader.last is None:
            self.read_lists(reader)

    @rule(who=st.sampled_from(range(len(VIEWERS))))
    def cut(self, who: int) -> None:
        reader = self.readers[who]
        if reader.stream is not None and reader.at is not None:
            self.hubs[reader.at].leave(reader.stream)
            reader.stream = None

    @rule(who=st.sampled_from(range(len(VIEWERS))), is_lost=st.booleans())
    def hear(self, who: int, is_lost: bool) -> None:
        """Take a message, or lose it with the connection."""
        reader = self.readers[who]
        stream, at = reader.stream, reader.at
        if stream is None or at is None:
            return
        message = stream.message(self.hubs[at].where(stream)) if stream.has_message else b""
        if is_lost:
            self.cut(who)
        elif message:
            self.take(reader, message)

    @rule(at=st.integers(0, 1))
    def restart(self, at: int) -> None:
        """Another process begins where one has ended."""
        for who, reader in enumerate(self.readers):
            if reader.at == at:
                self.cut(who)
        self.hubs[at] = self.new_hub(at)

    @rule(at=st.integers(0, 1))
    def trim(self, at: int) -> None:
        self.replicas[at].trim()

    @precondition(lambda self: self.replicas[0].build < 3)
    @rule(at=st.integers(0, 1))
    def rebuild(self, at: int) -> None:
        self.replicas[at].build += 1
        self.replicas[at].trim()

    @invariant()
    def nobody_hears_what_it_never_saw(self) -> None:
        for reader in self.readers:
            pending = {} if reader.stream is None else reader.stream._pending
            for _, key in pending:
                sights = [each.after for each in self.world.changes if each.key == key]
                assert any(sight is not None and sees(reader.viewer, sight) for sight in sights)

    def teardown(self) -> None:
        """Let all come back and hear all there is."""
        try:
            for who, reader in enumerate(self.readers):
                if reader.stream is None:
                    self.connect(who, who % 2, 0)
            for at in (0, 1):
                self.replicas[at].advance()
                self.poll(at)
            for who, reader in enumerate(self.readers):
                self.hear(who, is_lost=False)
                self.hear(who, is_lost=False)
                assert reader.shown == self.world.seen(reader.viewer, self.world.ends)
        finally:
            self.runner.close()

    def read_lists(self, reader: Reader) -> None:
        assert reader.at is not None
        assert reader.stream is not None
        reader.shown = self.world.seen(reader.viewer, self.replicas[reader.at].next)
        reader.last = self.hubs[reader.at].where(reader.stream)

    def take(self, reader: Reader, message: bytes) -> None:
        kind, last, data = parsed(message)
        reader.last = last
        if kind == "reload":
            self.read_lists(reader)
            reader.last = last
            return
        for each in data["changed"]:
            reader.shown[each["key"]] = each["version"]
            shard, place = each["version"].split(";")[::-1]
            told = next(c for c in self.world.changes if (c.shard, c.place) == (int(shard), int(place)))
            assert told.after is not None
            assert sees(reader.viewer, told.after)
        for each in data["gone"]:
            reader.shown.pop(each["key"], None)


TestStreams = Streams.TestCase
TestStreams.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
