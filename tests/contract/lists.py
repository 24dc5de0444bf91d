"""A build on the bench: a history is read into it in passages, by one writer or by several."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from sqlalchemy import Engine, event

from runner.projection.builds import BuildPosition, ChangelogTopic, begin, list_builds, positions, prepare
from runner.projection.completing import complete
from runner.projection.folding import FoldSettings, read_message
from runner.projection.tables import LIVE
from runner.projection.writing import Overtaken, Passage, Writer, WriterTimes
from tests.contract.histories import ATTRIBUTES, POLICY, SHARDS, Line
from tests.unit.worker.rig import NOW

SETTINGS: Final = FoldSettings(POLICY, ATTRIBUTES)
TOPIC: Final = ChangelogTopic("topic-1", dict.fromkeys(range(SHARDS), 0), None)


class Lists:
    """The lists of one database, filled from lines that a test gives."""

    def __init__(self, engine: Engine, lines: Sequence[Line], times: WriterTimes | None = None) -> None:
        self.engine = engine
        self.times = times or WriterTimes()
        self.lines = {shard: [line for line in lines if line.partition == shard] for shard in range(SHARDS)}
        self.written = len(lines)
        """How many lines are there by now."""
        self._order = {(line.partition, line.offset): number for number, line in enumerate(lines)}
        prepare(engine)
        self.build = begin(engine, SETTINGS, TOPIC, NOW)
        self.writer = self.another()

    def another(self, kind: type[Writer] = Writer) -> Writer:
        """Return one more writer of the same build, as another process has it."""
        return kind(self.engine, self.build, SETTINGS, self.times)

    def positions(self) -> dict[int, BuildPosition]:
        return positions(self.engine, self.build)

    def passage(self, shard: int, begin: int, count: int) -> Passage:
        """Return so many messages from a position on, as they are read."""
        left = self.left(shard, begin)
        messages = [read_message(line.offset, line.time_ms, line.key, line.value) for line in left[:count]]
        is_end = count >= len(left)
        end = messages[-1].offset + 1 if messages else begin
        # A mark of a transaction may stand behind the last message.
        is_free = all(line.offset != end for line in self.lines[shard])
        return Passage(shard, begin, end + (is_end and is_free), messages, reached_end=is_end)

    def read(self, random: Random, writer: Writer | None = None) -> None:
        """Read a random passage of some partitions."""
        known = self.positions()
        shards = random.sample(range(SHARDS), random.randint(1, SHARDS))
        passages = [
            self.passage(shard, known[shard].next_offset, random.choice((0, 1, 3, 20))) for shard in shards
        ]
        (writer or self.writer).write(passages, NOW)

    def read_all(self, random: Random) -> None:
        """Read to the end, in random passages."""
        while not self.is_read:
            self.read(random)

    @property
    def is_read(self) -> bool:
        return all(
            each.reached_ms > 0 and not self.left(shard, each.next_offset)
            for shard, each in self.positions().items()
        )

    def left(self, shard: int, begin: int) -> list[Line]:
        """Return the lines from an offset on, as far as they are written."""
        return [
            line
            for line in self.lines[shard]
            if line.offset >= begin and self._order.get((shard, line.offset), 0) < self.written
        ]

    def complete(self) -> None:
        assert complete(self.engine, self.build, NOW)
        self.build = next(build for build in list_builds(self.engine) if build.state == LIVE)
        self.writer = self.another()


class Reader:
    """A process that reads on from where it has come to, and looks at the positions only where it has to."""

    def __init__(self, lists: Lists, kind: type[Writer] = Writer) -> None:
        self._lists = lists
        self._writer = lists.another(kind)
        self.at: dict[int, int] = {}
        self.begin()

    def begin(self) -> None:
        """Look at the positions."""
        self.at = {shard: each.next_offset for shard, each in self._lists.positions().items()}

    def next(self, shard: int, count: int) -> Passage:
        """Return the next messages of a partition."""
        return self._lists.passage(shard, self.at[shard], count)

    def write(self, passage: Passage) -> bool:
        """Write a passage; False where somebody else was quicker."""
        try:
            self._writer.write([passage], NOW)
        except Overtaken:
            self.begin()
            return False
        self.at[passage.shard] = passage.end
        return True

    @property
    def has_read_all(self) -> bool:
        return all(not self._lists.left(shard, offset) for shard, offset in self.at.items())


class Cut(Exception):
    """The process has died here."""


@contextmanager
def dying_at(engine: Engine, statement: int) -> Iterator[list[str]]:
    """Let nothing but so many statements of the block reach the database; give those that did."""
    done: list[str] = []

    def before(_connection: Any, _cursor: Any, text: str, *_rest: Any) -> None:
        if len(done) >= statement:
            raise Cut
        done.append(text)

    event.listen(engine, "before_cursor_execute", before)
    try:
        yield done
    finally:
        event.remove(engine, "before_cursor_execute", before)
