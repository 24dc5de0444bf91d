"""Builds: which set of tables is read, which is being filled, and how one takes over from another.

filling ── read to all ends; narrow rows and indexes made ──▶ live ──▶ old ──▶ dropped
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Engine, select
from sqlalchemy.schema import CreateTable

from runner.errors import FatalError
from runner.projection.database import changing_catalog, reading
from runner.projection.folding import FoldSettings
from runner.projection.tables import BUILDS, CATALOG, FILLING, FORMAT, LIVE, OLD, Tables, tables_of


@dataclass(frozen=True, slots=True)
class Build:
    """One set of tables."""

    number: int
    format: str
    """``format_of`` the settings that it is filled with."""
    attributes: tuple[str, ...]
    state: str
    """``filling``, ``live`` or ``old``."""
    begun_ms: int

    @property
    def tables(self) -> Tables:
        return tables_of(self.number, self.attributes)


@dataclass(frozen=True, slots=True)
class BuildPosition:
    """How far a build has read one partition."""

    next_offset: int
    reached_ms: int
    """When its end was last reached, epoch ms; 0: never."""
    topic_id: str


@dataclass(frozen=True, slots=True)
class ChangelogTopic:
    """The changelog as the broker describes it."""

    id: str
    low: Mapping[int, int]
    """Offset of the first message of each partition."""
    retention_ms: int | None
    """How long it keeps tombstones (delete.retention.ms); None: the broker does not say."""


def format_of(settings: FoldSettings) -> str:
    """Return the version of the tables, and a digest of the settings that rows depend on."""
    policy = settings.policy
    trusting = sorted(name for name, domain in policy.domains.items() if domain.trust_payload)
    given = [sorted(settings.attributes.items()), policy.caller_user, policy.caller_roles, trusting]
    return f"{FORMAT}:{sha256(json.dumps(given).encode()).hexdigest()[:16]}"


def prepare(engine: Engine) -> None:
    """Make the tables that all builds share, where they are not there. Raises DatabaseUnavailable."""
    with changing_catalog(engine) as connection:
        CATALOG.create_all(connection)


def list_builds(engine: Engine) -> list[Build]:
    """Return the builds that are there, oldest first. Raises DatabaseUnavailable."""
    with reading(engine) as connection:
        return _builds(connection)


def live_build(builds: Collection[Build]) -> Build | None:
    """Return the build that is read; None: none is there yet. FatalError where a later version made it."""
    live = next((build for build in builds if build.state == LIVE), None)
    if live is not None and int(live.format.partition(":")[0]) > FORMAT:
        raise FatalError(
            "a later version of the runner has taken over the lists of this database (projection.url); start "
            "that version, or give this one a database of its own"
        )
    return live


def positions(engine: Engine, build: Build) -> dict[int, BuildPosition]:
    """Return how far a build has read each partition. Raises DatabaseUnavailable."""
    with reading(engine) as connection:
        return _positions(connection, build.tables)


def begin(
    engine: Engine,
    settings: FoldSettings,
    topic: ChangelogTopic,
    now_ms: int,
    instead_of: Collection[int] = (),
) -> Build:
    """Return the build that is being filled with these settings, a new one where there is none.

    ``instead_of``: builds that are of no use, and are given up if they are being filled. Raises
    DatabaseUnavailable.
    """
    wanted = format_of(settings)
    with changing_catalog(engine) as connection:
        known = _builds(connection)
        for build in known:
            if build.state != FILLING:
                continue
            if build.format == wanted and build.number not in instead_of:
                return build
            _set_state(connection, build.number, OLD, now_ms)
        number = 1 + max((build.number for build in known), default=0)
        build = Build(number, wanted, tuple(sorted(settings.attributes)), FILLING, now_ms)
        _make(connection, build, topic)
    return build


def drop_old(engine: Engine, ended_before_ms: int) -> None:
    """Drop the tables of builds that were given up or replaced before this time."""
    with changing_catalog(engine) as connection:
        is_over = (BUILDS.c.state == OLD) & (BUILDS.c.ended_ms < ended_before_ms)
        for build in _builds(connection, is_over):
            build.tables.metadata.drop_all(connection)
            connection.execute(BUILDS.delete().where(BUILDS.c.number == build.number))


def replace_live(connection: Connection, number: int, now_ms: int) -> None:
    """Make a build the one that is read, and the one that was so an old one."""
    for build in _builds(connection, BUILDS.c.state == LIVE):
        _set_state(connection, build.number, OLD, now_ms)
    _set_state(connection, number, LIVE, None)


def _make(connection: Connection, build: Build, topic: ChangelogTopic) -> None:
    tables = build.tables
    for table in tables.metadata.sorted_tables:
        # Without its indexes, which are made after the rows.
        connection.execute(CreateTable(table))
    connection.execute(
        BUILDS.insert().values(
            number=build.number,
            format=build.format,
            attributes=json.dumps(build.attributes),
            state=build.state,
            begun_ms=build.begun_ms,
        )
    )
    connection.execute(
        tables.positions.insert(),
        [
            {
                "shard": shard,
                "topic_id": topic.id,
                "next_offset": low,
                "reached_ms": 0,
                "next_no": shard,
                "changes_from": low,
            }
            for shard, low in topic.low.items()
        ],
    )


def _builds(connection: Connection, where: Any = None) -> list[Build]:
    asked = select(BUILDS).order_by(BUILDS.c.number)
    rows = connection.execute(asked if where is None else asked.where(where))
    return [
        Build(row.number, row.format, tuple(json.loads(row.attributes)), row.state, row.begun_ms)
        for row in rows
    ]


def _positions(connection: Connection, tables: Tables) -> dict[int, BuildPosition]:
    rows = connection.execute(select(tables.positions).order_by(tables.positions.c.shard))
    return {row.shard: BuildPosition(row.next_offset, row.reached_ms, row.topic_id) for row in rows}


def _set_state(connection: Connection, number: int, state: str, ended_ms: int | None) -> None:
    changed = BUILDS.update().where(BUILDS.c.number == number)
    connection.execute(changed.values(state=state, ended_ms=ended_ms))
