"""Writing the lists, over SQLite and PostgreSQL: rows and positions are one, whoever writes and dies."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest
from sqlalchemy import Connection, Engine, select, text

from runner.projection.builds import begin, drop_old, list_builds
from runner.projection.changes import KEPT_MS
from runner.projection.completing import complete, is_filled
from runner.projection.database import connect
from runner.projection.tables import BUILDS, KEPT, LIVE, OLD
from runner.projection.writing import BuildEnded, Passage, Writer, WriterTimes, _moved
from tests.contract.histories import ATTRIBUTES, Line, history
from tests.contract.lists import SETTINGS, TOPIC, Cut, Lists, Reader, dying_at
from tests.e2e.projection_check import Settings, findings
from tests.servers.postgres_server import PostgresServer
from tests.unit.worker.rig import NOW

DAY_MS: Final = 86_400_000
KEEPING: Final = WriterTimes(keep_ms=36_500 * DAY_MS)
JUDGED: Final = Settings(ATTRIBUTES)
ANY_SEED: Final = Random().randrange(2**32)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lists.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def make_lists(url: str) -> Iterator[Callable[..., Lists]]:
    """Make lists on the database, with a connection of their own."""
    engines: list[Engine] = []

    def make(lines: Collection[Line], times: WriterTimes | None = None) -> Lists:
        engines.append(connect(url))
        return Lists(engines[-1], list(lines), times)

    yield make
    for engine in engines:
        engine.dispose()


def lines_of(seed: int, events: int = 120) -> list[Line]:
    return history(Random(seed), events)


@pytest.mark.parametrize("seed", [1, 2, pytest.param(ANY_SEED, id="any")])
def test_a_build_that_was_filled_holds_what_the_changelog_says(
    url: str, make_lists: Callable[..., Lists], seed: int
) -> None:
    lines = lines_of(seed)
    lists = make_lists(lines)
    assert not is_filled(lists.engine, lists.build)
    lists.read_all(Random(seed))
    lists.complete()
    assert findings(url, lines, JUDGED) == []


@pytest.mark.parametrize("seed", [1, 2, pytest.param(ANY_SEED, id="any")])
def test_so_does_one_that_goes_on(url: str, make_lists: Callable[..., Lists], seed: int) -> None:
    lines, random = lines_of(seed), Random(seed)
    lists = make_lists(lines)
    lists.written = 40
    lists.read_all(random)
    lists.complete()
    lists.written = len(lines)
    lists.read_all(random)
    assert findings(url, lines, JUDGED) == []


@pytest.mark.parametrize("seed", [1, 2, pytest.param(ANY_SEED, id="any")])
def test_several_writers_and_their_deaths_change_nothing(
    url: str, make_lists: Callable[..., Lists], seed: int
) -> None:
    lines, random = lines_of(seed), Random(seed)
    lists = make_lists(lines)
    overtaken = _disturbed(lists, random)
    lists.complete()
    assert findings(url, lines, JUDGED) == []
    assert overtaken > 0, "nobody was overtaken: nothing is shown"


def _disturbed(lists: Lists, random: Random, kind: type[Writer] = Writer) -> int:
    """Read to the end, beside zombies that write what they had in hand; return how many were overtaken."""
    reader, overtaken, oldest = Reader(lists, kind), 0, Reader(lists, kind)
    held = oldest.next(max(lists.lines, key=lambda shard: len(lists.lines[shard])), 3)
    while not (reader.has_read_all and lists.is_read):
        zombie, shard = Reader(lists, kind), random.randrange(len(reader.at))
        late = zombie.next(shard, 3)
        for _ in range(3):
            some = reader.next(random.randrange(len(reader.at)), random.choice((1, 3)))
            with suppress(Cut), dying_at(lists.engine, random.choice((3, 4, 5, 7, 100))):
                reader.write(some)
                continue
            # The process has died: the next one begins where the database says.
            reader.begin()
        overtaken += not zombie.write(late)
    return overtaken + (not oldest.write(held))


class _Blind(Writer):
    """A writer with a fault: it does not compare the positions."""

    def _required_positions(
        self,
        connection: Connection,
        passages: Collection[Passage],  # noqa: ARG002 - that is the fault
    ) -> dict[int, Any]:
        positions = self._tables.positions
        return {row.shard: row for row in connection.execute(select(positions))}


class _Hasty(Writer):
    """A writer with a fault: the positions are moved in a transaction of their own, before the rows."""

    def _required_positions(self, connection: Connection, passages: Collection[Passage]) -> dict[int, Any]:
        found = super()._required_positions(connection, passages)
        numbers = {shard: row.next_no for shard, row in found.items()}
        self._move(connection, _moved(passages, found, numbers, NOW, is_live=False))
        connection.execute(text("COMMIT"))
        connection.execute(text("BEGIN"))
        return found


@pytest.mark.parametrize("kind", [_Blind, _Hasty])
def test_the_judge_sees_a_writer_with_a_fault(
    url: str, make_lists: Callable[..., Lists], kind: type[Writer]
) -> None:
    lines, random = lines_of(3, 200), Random(3)
    lists = make_lists(lines)
    _disturbed(lists, random, kind)
    lists.complete()
    assert findings(url, lines, JUDGED)


@pytest.mark.parametrize("seed", [1, 2, pytest.param(ANY_SEED, id="any")])
def test_finished_tasks_are_kept_once_their_records_are_gone_and_every_rebuild_has_them(
    url: str, make_lists: Callable[..., Lists], seed: int
) -> None:
    lines, random = lines_of(seed), Random(seed)
    judged = Settings(ATTRIBUTES, keeps=True)
    lists = make_lists(lines, KEEPING)
    lists.read_all(random)
    lists.complete()
    assert findings(url, lines, judged) == []
    with lists.engine.begin() as connection:
        kept = len(connection.execute(select(KEPT)).all())
    assert kept > 0
    # The changelog may have forgotten what was removed.
    last = {(line.partition, line.key): line for line in lines}
    lists.lines = {
        shard: [line for line in lists.lines[shard] if last[line.partition, line.key] is line and line.value]
        for shard in lists.lines
    }
    lists.build = begin(lists.engine, SETTINGS, TOPIC, NOW)
    lists.writer = lists.another()
    lists.read_all(random)
    lists.complete()
    assert [each.state for each in list_builds(lists.engine)] == [OLD, LIVE]
    assert [each for each in findings(url, lines, judged) if "was read to" not in each] == []


def test_what_was_kept_for_long_enough_goes_from_every_table(
    url: str, make_lists: Callable[..., Lists]
) -> None:
    lines = lines_of(5, 300)
    lists = make_lists(lines, WriterTimes(keep_ms=DAY_MS))
    lists.read_all(Random(5))
    lists.complete()
    assert findings(url, lines, Settings(ATTRIBUTES, keeps=True)) == []
    later = max(line.time_ms for line in lines) + DAY_MS + 1
    lists.writer.tidy(later)
    assert findings(url, lines, JUDGED) == []


def test_changes_are_told_for_five_minutes(url: str, make_lists: Callable[..., Lists]) -> None:
    lines = lines_of(4, 300)
    lists = make_lists(lines)
    lists.written = 0
    lists.read_all(Random(4))
    lists.complete()
    lists.written = len(lines)
    lists.read_all(Random(4))
    changes = select(lists.build.tables.changes)

    def told() -> int:
        with lists.engine.begin() as connection:
            return len(connection.execute(changes).all())

    assert told() > 10
    assert findings(url, lines, JUDGED) == []
    lists.writer.tidy(NOW + KEPT_MS)
    assert told() > 10
    lists.writer.tidy(NOW + KEPT_MS + 1)
    assert told() == 0


def test_of_two_who_complete_a_build_one_does(make_lists: Callable[..., Lists]) -> None:
    lists = make_lists(lines_of(1))
    assert not complete(lists.engine, lists.build, NOW), "not all was read"
    lists.read_all(Random(1))
    lists.complete()
    assert not complete(lists.engine, lists.build, NOW)


def test_a_completion_that_dies_leaves_a_build_that_is_filled(
    url: str, make_lists: Callable[..., Lists]
) -> None:
    lines = lines_of(1)
    lists = make_lists(lines)
    lists.read_all(Random(1))
    with dying_at(lists.engine, 10_000) as statements:
        pass
    for at in (3, 5, 8, 12):
        with suppress(Cut), dying_at(lists.engine, at) as statements:
            complete(lists.engine, lists.build, NOW)
        assert len(statements) == at
    lists.complete()
    assert findings(url, lines, JUDGED) == []


def test_nothing_is_written_to_a_build_that_has_ended(make_lists: Callable[..., Lists]) -> None:
    lists = make_lists(lines_of(1))
    begin(lists.engine, SETTINGS, TOPIC, NOW, instead_of=[lists.build.number])
    with pytest.raises(BuildEnded, match="no longer used"):
        lists.read(Random(1))
    drop_old(lists.engine, NOW + 1)
    with pytest.raises(BuildEnded, match="no longer used"):
        lists.writer.write([lists.passage(0, 0, 1)], NOW)
    with lists.engine.begin() as connection:
        assert len(connection.execute(select(BUILDS)).all()) == 1


def test_an_end_that_was_not_reached_for_too_long_ends_a_build(make_lists: Callable[..., Lists]) -> None:
    lists = make_lists(lines_of(1), WriterTimes(patience_ms=DAY_MS))
    lists.read_all(Random(1))
    position = lists.positions()[0].next_offset
    lists.writer.write([Passage(0, position, position, (), reached_end=True)], NOW + DAY_MS)
    lists.writer.write([Passage(0, position, position, (), reached_end=True)], NOW + 2 * DAY_MS)
    with pytest.raises(BuildEnded, match="removals may not be told"):
        lists.writer.write([Passage(0, position, position, (), reached_end=True)], NOW + 3 * DAY_MS + 1)


HOSTILE: Final = (
    "\x00",
    "\x01",
    "a\x00b",
    "x" * 5000,
    "é" * 700,
    "\x010",
    "'; DROP TABLE builds; --",
    "%s ? :x",
)


def test_any_text_can_be_stored_and_is_found_again(url: str, make_lists: Callable[..., Lists]) -> None:
    """A zero byte, or a name that no index takes, would hold up a partition for ever."""
    lines = list(_hostile(HOSTILE))
    lists = make_lists(lines)
    lists.written = 0
    lists.read_all(Random(4))
    lists.complete()
    lists.written = len(lines)
    lists.read_all(Random(4))
    assert [each for each in findings(url, lines, JUDGED) if not each.startswith("texts")] == []
    bodies = lists.build.tables.bodies
    with lists.engine.begin() as connection:
        for name in HOSTILE:
            found = connection.execute(select(bodies).where(bodies.c.id == name)).all()
            assert len(found) == 1, name[:20]


def _hostile(texts: Iterable[str]) -> Iterator[Line]:
    for number, name in enumerate(texts):
        state: Mapping[str, Any] = {
            "status": "OPEN",
            "home": 0,
            "source": f"1/0@{number}",
            "created_ms": NOW,
            "user": name,
            "roles": [name, "clerk"],
        }
        event = {"requestMeta": {"id": "r", "claims": {"sub": name}}, "payload": {"customer": {"city": name}}}
        start = {"event": event, "name": name, "spec": name, "action": name}
        value = {"format": 1, "domain": "orders", "id": name, "revision": 1, "state": state, "start": start}
        yield Line(0, number, NOW, f"orders:{name}".encode(), json.dumps(value).encode())
