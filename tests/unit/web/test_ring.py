"""The ring has all changes between two places, or says that it has not."""

from __future__ import annotations

from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from runner.projection.changes import Positions
from runner.web.ring import Ring
from tests.unit.web.worlds import SHARDS, TOPIC, Replica, World

MOST: Final = 8
_OFFSETS: Final = st.fixed_dictionaries({shard: st.integers(0, 40) for shard in range(SHARDS)})


class RingBeside:
    """A ring, and the world that it tells of."""

    def __init__(self, data: st.DataObject) -> None:
        self.draw = data.draw
        self.world = World()
        self.replica = Replica(self.world)
        self.grow()
        self.ring = Ring(Positions(1, TOPIC, dict(self.world.ends), dict(self.replica.kept_from)), MOST)

    def grow(self) -> None:
        for _ in range(self.draw(st.integers(0, 5))):
            self.world.change(self.draw(st.integers(0, 3)), None, self.draw(st.integers(0, 2)))

    def add(self) -> None:
        known = dict(self.world.ends)
        self.grow()
        self.ring.add(self.replica.changes(1, known, self.world.ends, 100) or [], dict(self.world.ends))

    def deepen(self) -> None:
        since = self.ring.missing(self.draw(_OFFSETS))
        if since is not None:
            found = self.replica.changes(1, since, self.ring.floor, 100)
            assert found is not None
            self.ring.add_below(found, since)
            assert self.ring.reaches(since)

    def forget(self) -> None:
        last = self.draw(st.integers(0, 40))
        for shard, start in self.replica.kept_from.items():
            self.replica.kept_from[shard] = max(start, min(last, self.world.ends[shard]))
        self.ring.forget(dict(self.replica.kept_from))

    def check(self, offsets: dict[int, int]) -> None:
        if self.ring.reaches(offsets):
            wanted = [each for each in self.world.changes if each.place >= offsets[each.shard]]
            found = self.ring.since(offsets)
            assert sorted(found, key=self.world.changes.index) == wanted
            for shard in range(SHARDS):
                places = [each.place for each in found if each.shard == shard]
                assert places == sorted(places)


@settings(max_examples=200)
@given(st.data())
def test_what_it_reaches_it_has(data: st.DataObject) -> None:
    model = RingBeside(data)
    for step in data.draw(st.lists(st.sampled_from((model.add, model.deepen, model.forget)), max_size=20)):
        step()
        model.check(data.draw(_OFFSETS))
        model.check(dict(model.ring.floor))
        assert model.ring.reaches(model.ring.floor)
        assert len(model.ring) <= MOST
        ends = model.world.ends
        assert model.ring.reaches(ends)
        assert not model.ring.reaches({**ends, 0: ends[0] + 1})


def test_a_partition_that_was_not_there_yet_is_there_from_its_beginning() -> None:
    ring = Ring(Positions(1, TOPIC, {0: 5}, {0: 0}))
    assert ring.lacks(Positions(1, TOPIC, {0: 5, 1: 1}, {0: 0, 1: 0}))
    ring.add([], {1: 1})
    assert ring.reaches({0: 5})
    assert ring.reaches({0: 5, 1: 1})
    assert not ring.lacks(Positions(1, TOPIC, {0: 5, 1: 1}, {0: 0, 1: 0}))


def test_other_positions_do_not_go_on() -> None:
    ring = Ring(Positions(1, TOPIC, {0: 5, 1: 3}, {}))
    assert ring.goes_on(Positions(1, TOPIC, {0: 5, 1: 4}, {}))
    assert not ring.goes_on(Positions(2, TOPIC, {0: 5, 1: 3}, {}))
    assert not ring.goes_on(Positions(1, "topic-2", {0: 5, 1: 3}, {}))
    assert not ring.goes_on(Positions(1, TOPIC, {0: 5, 1: 2}, {}))
    assert not ring.goes_on(Positions(1, TOPIC, {0: 5}, {}))
