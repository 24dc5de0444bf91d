"""The projector: keeps the lists of a database up to date, and makes them anew where they cannot be trusted.

A follower in a thread of its own keeps each build up to date: the one that is read, and the one that is being
filled beside it. A build is made anew where the settings are others than those it was filled with, where the
changelog is another topic, has other partitions, or does not hold the next offset any more, and where its end
was not reached for so long that what was removed meanwhile may not be told any more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from runner import log
from runner.errors import LogUnavailable, RunnerError
from runner.projection.builds import (
    Build,
    BuildPosition,
    ChangelogTopic,
    begin,
    drop_old,
    format_of,
    list_builds,
    live_build,
    positions,
    prepare,
)
from runner.projection.completing import complete, is_filled
from runner.projection.database import DatabaseUnavailable, empty_log
from runner.projection.folding import FoldSettings
from runner.projection.following import Clocks, Follower, FollowerStanding
from runner.projection.source import KafkaSource
from runner.projection.tables import FILLING, LIVE, OLD
from runner.projection.writing import Writer, WriterTimes

LOOK_SECONDS: Final = 0.5
TOPIC_SECONDS: Final = 30.0
OLD_MS: Final = 60_000
"""How long an old build stays for those who are reading it."""

_DAY_MS: Final = 86_400_000
_log: Final = log.get("projection")


@dataclass(frozen=True, slots=True)
class ProjectorSettings:
    """What the projector is told."""

    fold: FoldSettings
    keep_days: int = 0
    """How long finished tasks are listed once their records are gone; 0: not at all."""


@dataclass(frozen=True, slots=True)
class ProjectionStanding:
    """How the lists stand, as this process knows."""

    live: int | None
    """The build that is read; None: there is none yet."""
    filling: int | None
    """The build that is being filled."""
    behind: int | None
    """Offsets of its partitions that the live build has not read yet; None: not known yet."""
    trouble: str | None
    """What is waited for; None: all is well."""


class Projector:
    """Keeps the builds of one database; several processes may do so at once."""

    def __init__(
        self, engine: Engine, source: KafkaSource, settings: ProjectorSettings, clocks: Clocks
    ) -> None:
        self._engine = engine
        self._source = source
        self._settings = settings
        self._clocks = clocks
        self._format = format_of(settings.fold)
        self._followers: dict[int, _Following] = {}
        self._builds: list[Build] = []
        self._stale: dict[int, str] = {}
        """Builds that cannot be followed any further, with the reasons."""
        self._topic: ChangelogTopic | None = None
        self._next_look = clocks.ticker()
        self._trouble: str | None = None

    def run(self, should_stop: Callable[[], bool]) -> None:
        """Work until told to stop. Raises FatalError and ChangelogUnreadable; outages are waited for."""
        try:
            while not should_stop():
                try:
                    self._tend()
                except (DatabaseUnavailable, LogUnavailable) as error:
                    self._note(error)
                else:
                    self._trouble = None
                self._clocks.pause(LOOK_SECONDS)
        finally:
            for following in self._followers.values():
                following.stop()

    def standing(self) -> ProjectionStanding:
        """Return how the lists stand. May be called from any thread."""
        numbers = {build.state: build.number for build in self._builds if build.state != OLD}
        live = numbers.get(LIVE)
        following = None if live is None else self._followers.get(live)
        known = FollowerStanding() if following is None else following.standing
        trouble = self._trouble or known.trouble or known.gone
        return ProjectionStanding(live, numbers.get(FILLING), known.behind, trouble)

    def _tend(self) -> None:
        """Look at the builds, and do what is to be done for them."""
        for following in self._followers.values():
            if following.standing.failed is not None:
                raise following.standing.failed
        if self._topic is None:
            prepare(self._engine)
        self._builds = list_builds(self._engine)
        live_build(self._builds)
        gone = self._gone()
        if gone or self._topic is None or self._clocks.ticker() >= self._next_look:
            self._examine(self._ours(), gone)
            self._next_look = self._clocks.ticker() + TOPIC_SECONDS
        ours = [build for build in self._ours() if build.number not in self._stale]
        self._follow(ours)
        for build in ours:
            if build.state == FILLING and is_filled(self._engine, build):
                self._complete(build)
        empty_log(self._engine)
        if any(build.state == OLD for build in self._builds):
            drop_old(self._engine, self._clocks.now_ms() - OLD_MS)

    def _ours(self) -> list[Build]:
        """Return the builds with our settings that are in use."""
        return [each for each in self._builds if each.format == self._format and each.state != OLD]

    def _gone(self) -> dict[int, str]:
        """Return the builds that their followers cannot follow any further, with the reasons."""
        said = {number: each.standing.gone for number, each in self._followers.items()}
        return {number: reason for number, reason in said.items() if reason is not None}

    def _examine(self, ours: list[Build], gone: Mapping[int, str]) -> None:
        """Find out which of our builds can be followed; begin one where there is none."""
        is_first, topic, now_ms = self._topic is None, self._source.describe(), self._clocks.now_ms()
        self._topic = topic
        self._stale |= gone
        for build in ours:
            reason = why_stale(positions(self._engine, build), topic)
            if reason is not None:
                self._stale[build.number] = reason
        if any(build.number not in self._stale for build in ours):
            return
        if not is_first and not ours and self._builds:
            # Others have other settings: who was started last has the last word.
            self._note_other_settings()
            return
        build = begin(self._engine, self._settings.fold, topic, now_ms, self._stale)
        reasons = [self._stale[each.number] for each in ours if each.number in self._stale]
        _log.info("filling", build=build.number, because=reasons or ["there is no such build yet"])
        self._builds = list_builds(self._engine)

    def _follow(self, ours: Collection[Build]) -> None:
        """Have a follower for each of these builds, and for no other."""
        wanted = {build.number: build for build in ours}
        for number in [each for each in self._followers if each not in wanted]:
            self._followers.pop(number).stop()
        for number, build in wanted.items():
            if number not in self._followers or not self._followers[number].is_alive:
                writer = Writer(self._engine, build, self._settings.fold, self._times())
                follower = Follower(self._engine, build, self._source, writer, self._clocks)
                self._followers[number] = _Following(follower, number)

    def _times(self) -> WriterTimes:
        retention_ms = None if self._topic is None else self._topic.retention_ms
        patience_ms = None if retention_ms is None else retention_ms // 2
        return WriterTimes(self._settings.keep_days * _DAY_MS, patience_ms)

    def _complete(self, build: Build) -> None:
        begun = self._clocks.ticker()
        if complete(self._engine, build, self._clocks.now_ms()):
            seconds = round(self._clocks.ticker() - begun, 3)
            _log.info("live", build=build.number, completed_in_seconds=seconds)

    def _note(self, error: RunnerError) -> None:
        if self._trouble is None:
            _log.warning("waiting", reason=str(error))
        self._trouble = str(error)

    def _note_other_settings(self) -> None:
        trouble = (
            "another process has taken over the lists with other settings (projection.attributes, caller)"
        )
        if self._trouble != trouble:
            _log.warning("not_followed", reason=trouble)
        self._trouble = trouble


class _Following:
    """A follower in its thread."""

    def __init__(self, follower: Follower, number: int) -> None:
        self._asked = threading.Event()
        self._follower = follower
        self._thread = threading.Thread(
            target=follower.run, args=(self._asked.is_set,), name=f"projection-{number}", daemon=True
        )
        self._thread.start()

    @property
    def standing(self) -> FollowerStanding:
        return self._follower.standing

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._asked.set()
        self._thread.join()


def why_stale(known: Mapping[int, BuildPosition], topic: ChangelogTopic) -> str | None:
    """Return why a build cannot be followed any further; None where it can."""
    if any(position.topic_id != topic.id for position in known.values()):
        return "the changelog is another topic than the one that was read"
    if known.keys() != topic.low.keys():
        return f"the changelog has {len(topic.low)} partitions, {len(known)} were read"
    beyond = [shard for shard, position in known.items() if topic.low[shard] > position.next_offset]
    if beyond:
        return f"partition {beyond[0]} of the changelog does not hold the next offset any more"
    return None
