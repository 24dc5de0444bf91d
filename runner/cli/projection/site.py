"""The lists that a configuration names, and the changelog that they are made from, for commands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine, func, select

from runner.cli.wiring.projection import connect_projection
from runner.config import Config
from runner.projection.builds import Build, list_builds, positions
from runner.projection.database import reading
from runner.projection.source import KafkaSource
from runner.projection.tables import KEPT, OLD


@dataclass(frozen=True, slots=True)
class BuildStanding:
    """How far one build is."""

    build: Build
    behind: int
    """Offsets that it has not read yet."""
    total: int
    """Offsets there are, read or not."""
    partitions: int
    reached: int
    """Partitions whose end was reached."""
    reached_ms: int
    """When the end of the last of all partitions was reached, epoch ms; 0: not yet of all."""
    tasks: int


@contextmanager
def open_lists(config: Config) -> Iterator[tuple[Engine, KafkaSource]]:
    """Give the database and the changelog, for the length of the block."""
    source, engine = KafkaSource(config), connect_projection(config)
    try:
        yield engine, source
    finally:
        engine.dispose()


def standings(engine: Engine, source: KafkaSource) -> list[BuildStanding]:
    """Return how far the builds that are in use are. Raises LogUnavailable, DatabaseUnavailable."""
    topic = source.describe()
    ends = source.ends(topic.low)
    return [_standing(engine, build, ends, topic.low) for build in list_builds(engine) if build.state != OLD]


def kept_tasks(engine: Engine) -> int:
    """Return how many finished tasks are kept whose records are gone."""
    with reading(engine) as connection:
        return int(connection.execute(select(func.count()).select_from(KEPT)).scalar_one())


def _standing(engine: Engine, build: Build, ends: Mapping[int, int], low: Mapping[int, int]) -> BuildStanding:
    known = positions(engine, build)
    behind = sum(max(0, ends.get(shard, 0) - each.next_offset) for shard, each in known.items())
    total = sum(max(0, end - low.get(shard, 0)) for shard, end in ends.items())
    reached = [each.reached_ms for each in known.values() if each.reached_ms]
    with reading(engine) as connection:
        tasks = connection.execute(select(func.count()).select_from(build.tables.bodies)).scalar_one()
    first = min(reached) if len(reached) == len(known) else 0
    return BuildStanding(build, behind, total, len(known), len(reached), first, int(tasks))
