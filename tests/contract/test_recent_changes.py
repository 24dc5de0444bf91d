"""Changes as event streams read them from a database: all of them, or the word that some are gone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec
import pytest
from sqlalchemy import Engine

from runner.projection.builds import Build, ChangelogTopic, begin, prepare, replace_live
from runner.projection.changes import KEPT_MS, Change, Recent, trim
from runner.projection.database import DatabaseUnavailable, connect, writing
from runner.projection.folding import FoldSettings
from runner.projection.sight import Sight
from runner.projection.writing import Passage, Writer, WriterTimes
from tests.servers.postgres_server import PostgresServer

SETTINGS: Final = FoldSettings()
SHARDS: Final = (0, 1)
TOPIC: Final = ChangelogTopic("topic-1", dict.fromkeys(SHARDS, 5), None)
NOW: Final = 1_795_000_000_000
SEEN: Final = Sight(
    "orders", owner="anna", user="bert", roles=("clerk", "bo\x00ss"), took_part=("é",), starter="c"
)


class Lists:
    """The tables of a build, written as the projector does, with changes that a test makes up."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        prepare(engine)
        self.build = self.begin()
        self.recent = Recent(engine)

    def begin(self, instead_of: tuple[int, ...] = ()) -> Build:
        return begin(self.engine, SETTINGS, TOPIC, NOW, instead_of)

    def go_live(self) -> None:
        with writing(self.engine) as connection:
            replace_live(connection, self.build.number, NOW)

    def read(self, shard: int, start: int, end: int) -> None:
        """Read a stretch in which nothing is about tasks."""
        writer = Writer(self.engine, self.build, SETTINGS, WriterTimes())
        writer.write([Passage(shard, start, end)], NOW)

    def note(self, shard: int, place: int, at_ms: int = NOW, after: Sight | None = SEEN) -> Change:
        written = None if after is None else msgspec.json.encode(after).decode()
        version = None if after is None else f"{place};1/0@1"
        values = {"shard": shard, "place": place, "at_ms": at_ms, "domain": "orders", "key": f"k-{place}"}
        with writing(self.engine) as connection:
            changes = self.build.tables.changes
            connection.execute(changes.insert().values(**values, version=version, before=None, after=written))
        return Change(shard, place, "orders", f"k-{place}", version, None, after)

    def trim(self, now_ms: int) -> None:
        with writing(self.engine) as connection:
            trim(connection, self.build.tables, now_ms)

    def since(self) -> Mapping[int, int]:
        found = self.recent.positions()
        assert found is not None
        return found.since


@pytest.fixture(params=["sqlite", "postgresql"])
def lists(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Lists]:
    if request.param == "sqlite":
        engine = connect(f"sqlite:///{tmp_path / 'lists.db'}")
    else:
        server: PostgresServer = request.getfixturevalue("postgres")
        engine = connect(server.new_database())
    yield Lists(engine)
    engine.dispose()


def test_there_are_no_positions_until_a_build_is_live(lists: Lists) -> None:
    assert lists.recent.positions() is None
    lists.go_live()
    found = lists.recent.positions()
    assert found is not None
    assert (found.build, found.topic, found.next, found.since) == (1, "topic-1", {0: 5, 1: 5}, {0: 5, 1: 5})


def test_a_build_keeps_changes_from_where_it_was_when_it_took_over(lists: Lists) -> None:
    lists.read(0, 5, 100)
    lists.read(1, 5, 6)
    lists.go_live()
    lists.read(0, 100, 120)
    found = lists.recent.positions()
    assert found is not None
    assert (found.next, found.since) == ({0: 120, 1: 6}, {0: 100, 1: 6})
    assert lists.recent.changes(1, {0: 100, 1: 6}, found.next, 10) == []
    assert lists.recent.changes(1, {0: 99, 1: 6}, found.next, 10) is None
    assert lists.recent.changes(1, {1: 6}, found.next, 10) is None


def test_another_build_that_takes_over_is_told(lists: Lists) -> None:
    lists.go_live()
    lists.build = lists.begin()
    assert lists.recent.positions() is not None
    lists.read(0, 5, 9)
    lists.go_live()
    found = lists.recent.positions()
    assert found is not None
    assert (found.build, found.since) == (2, {0: 9, 1: 5})


def test_changes_come_as_they_were_written_within_the_asked_places(lists: Lists) -> None:
    lists.go_live()
    written = [lists.note(shard, place) for shard in SHARDS for place in (5, 7, 11)]
    gone = lists.note(1, 12, after=None)
    recent = lists.recent
    assert recent.changes(1, {0: 5, 1: 5}, {0: 12, 1: 13}, 10) == [*written, gone]
    assert recent.changes(1, {0: 6, 1: 11}, {0: 11, 1: 12}, 10) == [written[1], written[5]]
    assert recent.changes(1, {0: 5, 1: 5}, {0: 12, 1: 13}, 4) == written[:4]
    assert recent.changes(1, {0: 5, 1: 5}, {1: 8}, 10) == written[3:5]
    assert recent.changes(1, {0: 12, 1: 14}, {0: 12, 1: 13}, 10) == []


def test_old_changes_are_removed_and_where_they_were_is_told(lists: Lists) -> None:
    lists.go_live()
    for place in (5, 7, 9):
        lists.note(0, place, at_ms=NOW + place)
    kept = lists.note(1, 6, at_ms=NOW + 9)
    lists.trim(NOW + 7 + KEPT_MS)
    assert lists.since() == {0: 6, 1: 5}
    lists.trim(NOW + 8 + KEPT_MS)
    lists.trim(NOW + 8 + KEPT_MS)
    assert lists.since() == {0: 8, 1: 5}
    assert lists.recent.changes(1, {0: 7, 1: 5}, {0: 10, 1: 7}, 10) is None
    found = lists.recent.changes(1, {0: 8, 1: 5}, {0: 10, 1: 7}, 10)
    assert found is not None
    assert [change.place for change in found] == [9, 6]
    assert found[1] == kept


def test_a_change_of_a_clock_that_went_back_goes_with_those_before_it(lists: Lists) -> None:
    lists.go_live()
    lists.note(0, 5, at_ms=NOW + 100)
    lists.note(0, 6, at_ms=NOW)
    lists.trim(NOW + 1 + KEPT_MS)
    assert lists.since()[0] == 7
    assert lists.recent.changes(1, {0: 7, 1: 5}, {0: 9}, 10) == []


def test_tidying_a_build_removes_old_changes(lists: Lists) -> None:
    lists.go_live()
    lists.note(0, 5)
    Writer(lists.engine, lists.build, SETTINGS, WriterTimes()).tidy(NOW + 1 + KEPT_MS)
    assert lists.since() == {0: 6, 1: 5}


def test_tables_that_were_dropped_are_an_outage(lists: Lists) -> None:
    lists.go_live()
    lists.build.tables.metadata.drop_all(lists.engine)
    with pytest.raises(DatabaseUnavailable):
        lists.recent.changes(1, {}, {0: 9}, 10)
