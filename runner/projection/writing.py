"""Writing: what was read of the changelog becomes rows, in one transaction with the positions.

In a transaction, in this order:

  1 the build is still filled or read, and stays so until the end of the transaction
  2 the positions are those from which was read; somebody else's transaction on them is waited for
  3 the stored tasks that the messages are about are read, and folded
  4 rows are written: all of them where the build is live, bodies and definitions alone while it is filled
  5 the positions are moved

Whoever finds another position at 2 writes nothing, and reads on from there: so nothing is written twice or
left out, whoever else writes and wherever a process dies.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from sqlalchemy import Connection, Engine, func, select

from runner.errors import TransientError
from runner.projection.builds import Build
from runner.projection.changes import trim
from runner.projection.database import Row, delete, insert, look_up, update, writing
from runner.projection.folding import (
    FoldSettings,
    TaskMessage,
    decode_folded,
    definition_version,
    version_number,
)
from runner.projection.generations import Generation, TaskGenerations
from runner.projection.rows import RowMaker, TableChanges, body_row, kept_row, sight_json
from runner.projection.stored_text import stored
from runner.projection.tables import BUILDS, FILLING, KEPT, LIVE, Tables
from runner.tasks.keys import TaskKey, domain_of_definition, is_definition
from runner.tasks.path_key import path_key

_AT_ONCE: Final = 500
_STORED: Final = ("no", "id", "source", "gone_ms", "folded")
_CHANGED: Final = ("revision", "folded", "row")
"""What of a body differs from one state of a generation to the next."""


class Overtaken(TransientError):
    """Somebody else has moved the position of a partition: read on from there."""

    label = "OVERTAKEN"


class BuildEnded(TransientError):
    """The build was given up, or another has taken over."""

    label = "BUILD_ENDED"


@dataclass(frozen=True, slots=True)
class Passage:
    """What was read of one partition."""

    shard: int
    begin: int
    """The position before."""
    end: int
    """The position after: behind the last message, or where the partition ends."""
    messages: Sequence[TaskMessage] = ()
    reached_end: bool = False
    """Whether the partition ends there, just now."""


@dataclass(frozen=True, slots=True)
class WriterTimes:
    """How long things may take or stay."""

    keep_ms: int = 0
    """How long finished tasks are kept once their records are gone; 0: not at all."""
    patience_ms: int | None = None
    """For how long the end of a partition may not be reached: then removals may not be told any more."""


class Writer:
    """Writes one build."""

    def __init__(self, engine: Engine, build: Build, settings: FoldSettings, times: WriterTimes) -> None:
        self._engine = engine
        self._build = build
        self._tables = build.tables
        self._settings = settings
        self._keep_ms = times.keep_ms
        self._patience_ms = times.patience_ms
        self._maker = RowMaker(self._tables, build.attributes)

    def write(self, passages: Collection[Passage], now_ms: int) -> None:
        """Write what was read, all of it or nothing.

        Raises Overtaken, BuildEnded, DatabaseUnavailable (then it may have been written), and
        ChangelogUnreadable for a message of nobody's.
        """
        with writing(self._engine) as connection:
            is_live = _require_used(connection, self._build) == LIVE
            found = self._required_positions(connection, passages)
            self._require_in_time(found.values(), now_ms)
            numbers = {shard: row.next_no for shard, row in found.items()}
            step = _step(connection, self._tables)
            batch = _Batch(self._tables, self._maker, numbers, step, is_live=is_live)
            oldest_ms = now_ms - self._keep_ms
            for passage in passages:
                tasks = self._folded(connection, passage)
                batch.add(passage.shard, tasks, now_ms, oldest_ms)
                _write_definitions(connection, self._tables, passage)
            batch.write(connection)
            for passage in passages:
                if passage.reached_end and found[passage.shard].reached_ms == 0:
                    self._copy_kept(connection, passage.shard, numbers, step, oldest_ms)
            self._move(connection, _moved(passages, found, numbers, now_ms, is_live=is_live))

    def tidy(self, now_ms: int) -> None:
        """Remove changes that are too old, and tasks that were kept for long enough. Raises as ``write``."""
        bodies = self._tables.bodies
        oldest_ms = now_ms - self._keep_ms
        with writing(self._engine) as connection:
            _require_used(connection, self._build)
            trim(connection, self._tables, now_ms)
            connection.execute(KEPT.delete().where(KEPT.c.gone_ms < oldest_ms))
            over = connection.execute(
                select(bodies.c.no, bodies.c.folded).where(bodies.c.gone_ms < oldest_ms).limit(_AT_ONCE * 10)
            ).all()
            plans = [TableChanges(table) for table in self._maker.narrow]
            for no, text in over:
                before = self._maker.rows(decode_folded(text), no)
                for plan, rows in zip(plans, before, strict=True):
                    plan.compare(rows, {})
            for plan in plans:
                plan.write(connection)
            delete(connection, bodies, [(no,) for no, _ in over])

    def _required_positions(self, connection: Connection, passages: Collection[Passage]) -> dict[int, Any]:
        """Return the stored positions, and hold them; Overtaken unless the passages begin there."""
        positions = self._tables.positions
        shards = [passage.shard for passage in passages]
        asked = select(positions).where(positions.c.shard.in_(shards)).order_by(positions.c.shard)
        found = {row.shard: row for row in connection.execute(asked.with_for_update())}
        moved = [each.shard for each in passages if found[each.shard].next_offset != each.begin]
        if moved:
            raise Overtaken(f"somebody else has read partitions {moved} further")
        return found

    def _move(self, connection: Connection, positions: list[Row]) -> None:
        update(connection, self._tables.positions, positions)

    def _require_in_time(self, found: Iterable[Any], now_ms: int) -> None:
        reached_ms = min((row.reached_ms or self._build.begun_ms for row in found), default=now_ms)
        if self._patience_ms is not None and now_ms - reached_ms > self._patience_ms:
            raise BuildEnded(
                f"build {self._build.number} of the lists has not reached the end of the changelog for "
                f"{(now_ms - reached_ms) // 3_600_000} hours: removals may not be told any more"
            )

    def _folded(self, connection: Connection, passage: Passage) -> dict[TaskKey, TaskGenerations]:
        messages = [each for each in passage.messages if not is_definition(each.key)]
        tasks = _stored_tasks(connection, self._tables, {each.key for each in messages})
        for message in messages:
            tasks[message.key].take(message, self._settings, keeps=self._keep_ms > 0)
        return tasks

    def _copy_kept(
        self, connection: Connection, shard: int, numbers: dict[int, int], step: int, oldest_ms: int
    ) -> None:
        """Give a build that has read a partition for the first time what is kept of earlier tasks."""
        bodies = self._tables.bodies
        same = (bodies.c.domain == KEPT.c.domain, bodies.c.id == KEPT.c.id, bodies.c.source == KEPT.c.source)
        missing = (
            select(KEPT.c.gone_ms, KEPT.c.folded)
            .where(KEPT.c.shard % step == shard, KEPT.c.gone_ms >= oldest_ms)
            .where(~select(bodies.c.no).where(*same).exists())
        )
        rows = []
        for gone_ms, text in connection.execute(missing).all():
            rows.append(body_row(decode_folded(text), numbers[shard], shard, gone_ms))
            numbers[shard] += step
        insert(connection, bodies, rows)


class _Batch:
    """The rows of one transaction."""

    def __init__(
        self, tables: Tables, maker: RowMaker, numbers: dict[int, int], step: int, *, is_live: bool
    ) -> None:
        self._maker = maker
        self._numbers = numbers
        self._step = step
        self._is_live = is_live
        self._bodies = TableChanges(tables.bodies)
        self._narrow_changes = [TableChanges(table) for table in maker.narrow]
        self._kept: list[Row] = []
        self._changes = TableChanges(tables.changes)

    def add(self, shard: int, tasks: Mapping[TaskKey, TaskGenerations], now_ms: int, oldest_ms: int) -> None:
        """Add what became of tasks of a partition."""
        for key, task in tasks.items():
            for generation in task.all:
                if generation.gone_ms is not None and generation.gone_ms < oldest_ms:
                    generation.after = generation.gone_ms = None
                self._add_generation(shard, generation)
            if self._is_live:
                self._add_change(shard, key, task, now_ms)

    def _add_generation(self, shard: int, generation: Generation) -> None:
        before, after, no = generation.before, generation.after, generation.no
        if after is before and generation.gone_ms is None:
            return
        if after is None and no is not None:
            self._bodies.removed.append((no,))
        elif after is not None and no is None:
            no = self._numbers[shard]
            self._numbers[shard] += self._step
            self._bodies.added.append(body_row(after, no, shard, generation.gone_ms))
        elif after is not None and before is not None and no is not None:
            names = _CHANGED if generation.gone_ms is None else (*_CHANGED, "gone_ms")
            self._bodies.set(names, body_row(after, no, shard, generation.gone_ms))
        if after is not None and generation.gone_ms is not None:
            self._kept.append(kept_row(after, shard, generation.gone_ms))
        if self._is_live and no is not None:
            changes = self._maker.changes(before, after, no)
            for plan, (rows_before, rows_after) in zip(self._narrow_changes, changes, strict=True):
                plan.compare(rows_before, rows_after)

    def _add_change(self, shard: int, key: TaskKey, task: TaskGenerations, now_ms: int) -> None:
        before, after = task.before, task.present.after
        sights = (sight_json(before), sight_json(after))
        if before is after or task.is_kept or sights == (None, None):
            return
        version = None if after is None or sights[1] is None else after.version
        named = (stored(key.domain), path_key(key.id), version)
        self._changes.added.append((shard, task.place, now_ms, *named, *sights))

    def write(self, connection: Connection) -> None:
        for plan in (self._bodies, *self._narrow_changes, self._changes):
            plan.write(connection)
        insert(connection, KEPT, self._kept, is_repeated=True)


def _require_used(connection: Connection, build: Build) -> str:
    """Return the state of a build that is filled or read, and hold it so; BuildEnded for any other."""
    asked = select(BUILDS.c.state).where(BUILDS.c.number == build.number).with_for_update(read=True)
    state = connection.execute(asked).scalar()
    if state not in {FILLING, LIVE}:
        raise BuildEnded(f"build {build.number} of the lists is no longer used")
    return str(state)


def _step(connection: Connection, tables: Tables) -> int:
    """Return the distance of the numbers that one partition gives: there are as many partitions."""
    return int(connection.execute(select(func.count()).select_from(tables.positions)).scalar_one())


def _write_definitions(connection: Connection, tables: Tables, passage: Passage) -> None:
    """Write the versions of definitions, each of which is written once; and remove what is gone."""
    definitions = tables.definitions
    removed: list[TaskKey] = []
    written: dict[tuple[TaskKey, int], Row | None] = {}
    for message in passage.messages:
        number = version_number(message.part)
        if not is_definition(message.key):
            continue
        if number is not None:
            row = _definition_row(message, passage.shard)
            written[message.key, number] = row
        elif message.value is None and message.part == "":
            removed.append(message.key)
            written = {place: row for place, row in written.items() if place[0] != message.key}
    for key in removed:
        connection.execute(
            definitions.delete().where(
                definitions.c.domain == domain_of_definition(key), definitions.c.spec == key.id
            )
        )
    places = [(stored(domain_of_definition(key)), stored(key.id), number) for key, number in written]
    delete(connection, definitions, places)
    insert(connection, definitions, [row for row in written.values() if row is not None])


def _definition_row(message: TaskMessage, shard: int) -> Row | None:
    version = definition_version(message)
    if version is None:
        return None
    domain, by = domain_of_definition(message.key), version.by
    return (
        stored(domain),
        stored(message.key.id),
        version.number,
        shard,
        version.at,
        None if by is None else stored(by),
        bytes(version.definition).decode(),
    )


def _moved(
    passages: Iterable[Passage],
    found: Mapping[int, Any],
    numbers: Mapping[int, int],
    now_ms: int,
    *,
    is_live: bool,
) -> list[Row]:
    """Return the positions after these passages; a build that is filled keeps no changes of them."""
    rows: list[Row] = []
    for passage in passages:
        row = found[passage.shard]
        reached_ms = now_ms if passage.reached_end else row.reached_ms
        changes_from = row.changes_from if is_live else passage.end
        rows.append(
            (passage.shard, row.topic_id, passage.end, reached_ms, numbers[passage.shard], changes_from)
        )
    return rows


def _stored_tasks(
    connection: Connection, tables: Tables, keys: Collection[TaskKey]
) -> dict[TaskKey, TaskGenerations]:
    """Return these tasks as they are stored."""
    bodies, by_domain = tables.bodies, defaultdict[str, dict[str, TaskKey]](dict)
    for key in keys:
        by_domain[key.domain][stored(key.id)] = key
    present: dict[TaskKey, Generation] = {}
    kept = defaultdict[TaskKey, list[str]](list)
    for domain, by_id in by_domain.items():
        ids = iter(by_id)
        while part := list(islice(ids, _AT_ONCE)):
            same, one_of = ("domain", stored(domain)), ("id", part)
            for no, task_id, source, gone_ms, text in look_up(connection, bodies, _STORED, same, one_of):
                if gone_ms is None:
                    folded = decode_folded(text)
                    present[by_id[task_id]] = Generation(no, folded, folded)
                else:
                    kept[by_id[task_id]].append(source)
    return {key: TaskGenerations(present.get(key), kept.get(key, ())) for key in keys}
