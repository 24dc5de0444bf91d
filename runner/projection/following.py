"""Following: one build is kept at the end of the changelog, a passage of it in every transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from runner import log
from runner.clock import Ticker
from runner.errors import LogUnavailable, RunnerError
from runner.projection.builds import Build, positions
from runner.projection.database import DatabaseUnavailable, is_shared
from runner.projection.source import KafkaSource, PartitionRead, PartitionReader, PositionGone
from runner.projection.writing import BuildEnded, Overtaken, Passage, Writer

CONFIRM_SECONDS: Final = 30.0
"""How often a quiet partition is looked at: whether it has really no more than was read."""

_WAIT_SECONDS: Final = 0.1
_APART_SECONDS: Final = 0.05
"""Two transactions begin at least so far apart; a change that comes after a pause is written at once."""
_LOOK_SECONDS: Final = 0.5
_IDLE_WRITE_SECONDS: Final = 1.0
"""How long marks of transactions alone wait to be written."""
_AGAIN_SECONDS: Final = 0.5
_TIDY_SECONDS: Final = 10.0
_log: Final = log.get("projection")


@dataclass(frozen=True, slots=True)
class Clocks:
    """Where the projection has its time from."""

    now_ms: Callable[[], int]
    """Epoch ms."""
    ticker: Ticker
    pause: Callable[[float], object]
    """Waits so many seconds, at most until the process is told to stop."""


@dataclass(slots=True)
class FollowerStanding:
    """How a follower stands, for whoever asks from another thread."""

    behind: int | None = None
    """Offsets before the ends of its partitions; None: not known yet."""
    partitions: int = 0
    """How many it reads."""
    trouble: str | None = None
    """What it waits for; None: it works."""
    gone: str | None = None
    """Why this build cannot be followed any further; None: it can."""
    failed: BaseException | None = None
    """What ended it for good."""


class Follower:
    """Reads the changelog for one build and writes it, until it is told to stop or cannot go on."""

    def __init__(
        self,
        engine: Engine,
        build: Build,
        source: KafkaSource,
        writer: Writer,
        clocks: Clocks,
    ) -> None:
        self._engine = engine
        self._build = build
        self._source = source
        self._writer = writer
        self._clocks = clocks
        self.standing = FollowerStanding()
        self._stored: dict[int, int] = {}
        """Positions as the database has them."""
        self._read: dict[int, int] = {}
        """How far was read: at least to there."""
        self._unreached: set[int] = set()
        """Partitions whose end was never reached."""
        self._at_end: set[int] = set()
        self._next_write = self._next_confirm = self._next_tidy = self._next_look = clocks.ticker()
        self._last_write = clocks.ticker() - _APART_SECONDS

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Follow. What goes wrong for good is in ``standing``; nothing is raised."""
        try:
            while not should_stop() and self.standing.gone is None:
                self._follow(should_stop)
        except BuildEnded as error:
            self.standing.gone = str(error)
        except Exception as error:  # noqa: BLE001 - raised again by whoever asks for it
            self.standing.failed = error

    def _follow(self, should_stop: Callable[[], bool]) -> None:
        """Follow with one consumer, until it is of no use any more."""
        try:
            shards = list(positions(self._engine, self._build))
            with closing(
                self._source.reader(self._build.number, is_shared=is_shared(self._engine))
            ) as reader:
                reader.open(shards)
                while not should_stop():
                    self._go_on(reader)
        except PositionGone as error:
            self.standing.gone = str(error)
        except (LogUnavailable, DatabaseUnavailable) as error:
            self._note(error)
            self._clocks.pause(_AGAIN_SECONDS)

    def _go_on(self, reader: PartitionReader) -> None:
        """Take a step; begin again where somebody else was quicker, or the database is away."""
        try:
            self._step(reader)
        except Overtaken:
            reader.is_changed = True
        except DatabaseUnavailable as error:
            self._note(error)
            reader.rest(_AGAIN_SECONDS)

    def _step(self, reader: PartitionReader) -> None:
        """Read once, and write what was read."""
        if reader.is_changed:
            self._begin(reader)
        found = reader.read(_WAIT_SECONDS, self._apart())
        if reader.is_changed:
            return  # It belongs to somebody else by now: what was read is dropped.
        for shard, read in found.items():
            if read.end is not None:
                self._at_end.add(shard)
            elif read.messages:
                self._at_end.discard(shard)
        self._write(reader, found)
        now = self._clocks.ticker()
        if now >= self._next_look:
            self._next_look = now + _LOOK_SECONDS
            self.standing.behind, self.standing.partitions = reader.behind(), len(reader.owned)
        if now >= self._next_confirm:
            self._next_confirm = now + CONFIRM_SECONDS
            self._confirm()
        if now >= self._next_tidy:
            self._next_tidy = now + _TIDY_SECONDS
            self._writer.tidy(self._clocks.now_ms())

    def _apart(self) -> float:
        """Return for how long more is waited for: a transaction costs much, and many changes little more."""
        return max(0.0, self._last_write + _APART_SECONDS - self._clocks.ticker())

    def _begin(self, reader: PartitionReader) -> None:
        """Read from where the database says."""
        owned = reader.owned
        stored = {
            shard: each for shard, each in positions(self._engine, self._build).items() if shard in owned
        }
        self._stored = {shard: each.next_offset for shard, each in stored.items()}
        self._read = dict(self._stored)
        self._unreached = {shard for shard, each in stored.items() if each.reached_ms == 0}
        self._at_end = set()
        reader.read_from(self._stored)
        _log.info("reading", build=self._build.number, partitions=sorted(owned))

    def _write(self, reader: PartitionReader, found: Mapping[int, PartitionRead]) -> None:
        """Write messages at once; where a partition ends, where that is new or some time has passed."""
        for shard, read in found.items():
            last = [read.messages[-1].offset + 1] if read.messages else []
            self._read[shard] = max(self._read[shard], read.end or 0, *last)
        is_due = self._clocks.ticker() >= self._next_write
        passages = [
            self._passage(shard, found.get(shard))
            for shard in sorted(reader.owned)
            if self._is_to_be_written(shard, found.get(shard), is_due=is_due)
        ]
        if not passages:
            return
        self._writer.write(passages, self._clocks.now_ms())
        self._last_write = self._clocks.ticker()
        self._next_write = self._last_write + _IDLE_WRITE_SECONDS
        self.standing.trouble = None
        for passage in passages:
            self._stored[passage.shard] = passage.end
            if passage.reached_end:
                self._unreached.discard(passage.shard)

    def _is_to_be_written(self, shard: int, read: PartitionRead | None, *, is_due: bool) -> bool:
        if read is not None and (read.messages or (read.end is not None and shard in self._unreached)):
            return True
        return is_due and self._read[shard] != self._stored[shard]

    def _passage(self, shard: int, read: PartitionRead | None) -> Passage:
        messages = () if read is None else tuple(read.messages)
        return Passage(shard, self._stored[shard], self._read[shard], messages, shard in self._at_end)

    def _confirm(self) -> None:
        """Note of quiet partitions that their ends are still where reading has come to."""
        quiet = self._at_end - self._unreached
        if not quiet:
            return
        ends = self._source.ends(quiet)
        passages = [
            Passage(shard, self._stored[shard], self._read[shard], (), reached_end=True)
            for shard, end in sorted(ends.items())
            if end <= self._read[shard]
        ]
        self._writer.write(passages, self._clocks.now_ms())
        self._stored |= {passage.shard: passage.end for passage in passages}

    def _note(self, error: RunnerError) -> None:
        """Say once what is waited for."""
        if self.standing.trouble is None:
            _log.warning("waiting", build=self._build.number, reason=str(error))
        self.standing.trouble = str(error)
