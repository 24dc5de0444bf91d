"""Event streams go on where they were, are read anew where that cannot be said, and outlast outages."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import Any

import pytest

from runner.projection.changes import Positions
from runner.projection.database import DatabaseUnavailable
from runner.projection.sight import Sight, Viewer
from runner.web.changes import Hub, NotReady, Timing
from runner.web.stream import MOST, Stream
from tests.unit.web.stepped_hub import ADMIN, ANNA, OUTSIDER, SteppedHub, parsed
from tests.unit.web.worlds import DOMAIN, Replica, World


def drive(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Let a story happen in an event loop of its own, and leave no task behind."""

    async def told() -> None:
        await story()
        mine = asyncio.current_task()
        for task in asyncio.all_tasks() - {mine}:
            assert task.get_name() == "changes", task
            task.cancel()

    with asyncio.Runner() as runner:
        runner.run(told())


def world_with(*sights: Sight | None) -> tuple[World, Replica]:
    world = World()
    for number, sight in enumerate(sights):
        world.change(number, sight)
    replica = Replica(world)
    replica.advance()
    return world, replica


def heard(hub: Hub, stream: Stream) -> tuple[str, Any]:
    """Return kind and data of the next message."""
    assert stream.has_message
    kind, _, data = parsed(stream.message(hub.where(stream)))
    return kind, data


def test_a_stream_goes_on_where_it_was_on_another_replica_that_has_just_begun() -> None:
    async def story() -> None:
        world, first = world_with(Sight(DOMAIN), Sight(DOMAIN, roles=("clerk",)))
        hub = SteppedHub(first)
        stream = await hub.join(ANNA, None)
        last = hub.where(stream)
        world.change(0, None)
        world.change(1, Sight(DOMAIN, roles=("clerk",)))
        world.change(2, Sight(DOMAIN, roles=("boss",)))
        second = Replica(world)
        second.advance()
        again = SteppedHub(second)
        resumed = await again.join(ANNA, last)
        changed = [{"domain": DOMAIN, "key": "task-1", "version": "1;1"}]
        gone = [{"domain": DOMAIN, "key": "task-0"}]
        assert heard(again, resumed) == ("changes", {"changed": changed, "gone": gone})
        assert not resumed.has_message

    drive(story)


def test_a_stream_waits_for_a_replica_that_has_not_read_as_far() -> None:
    async def story() -> None:
        world, ahead = world_with(Sight(DOMAIN))
        behind = Replica(world)
        last = await place_of(SteppedHub(ahead), ANNA)
        hub = SteppedHub(behind)
        coming = asyncio.create_task(hub.join(ANNA, last))
        for _ in range(5):
            await asyncio.sleep(0)
        assert hub._ring is not None
        behind.advance()
        world.change(0, Sight(DOMAIN, owner="anna"))
        await hub._poll()
        stream = await coming
        assert not stream.has_message
        behind.advance()
        await hub._poll()
        assert heard(hub, stream)[1]["changed"] == [{"domain": DOMAIN, "key": "task-0", "version": "1;0"}]

    drive(story)


def test_what_is_never_reached_is_read_anew() -> None:
    async def story() -> None:
        world, ahead = world_with(Sight(DOMAIN))
        last = await place_of(SteppedHub(ahead), ANNA)
        hub = SteppedHub(Replica(world), Timing(ahead=0))
        assert heard(hub, await hub.join(ANNA, last)) == ("reload", {"reason": "expired"})

    drive(story)


async def place_of(hub: Hub, viewer: Viewer) -> str:
    stream = await hub.join(viewer, None)
    hub.leave(stream)
    return hub.where(stream)


def test_other_rights_are_told_by_reading_lists_anew() -> None:
    async def story() -> None:
        _, replica = world_with(Sight(DOMAIN))
        hub = SteppedHub(replica)
        last = await place_of(hub, ANNA)
        promoted = replace(ANNA, roles=ANNA.roles | {"boss"})
        assert heard(hub, await hub.join(promoted, last)) == ("reload", {"reason": "rights"})
        assert not (await hub.join(ANNA, last)).has_message

    drive(story)


@pytest.mark.parametrize("what", ["build", "topic"])
def test_another_build_or_topic_is_read_anew_by_who_listens_and_who_comes_back(what: str) -> None:
    async def story() -> None:
        _, replica = world_with(Sight(DOMAIN))
        hub = SteppedHub(replica)
        stream = await hub.join(ANNA, None)
        last = hub.where(stream)
        setattr(replica, what, {"build": 2, "topic": "topic-2"}[what])
        await hub._poll()
        assert heard(hub, stream) == ("reload", {"reason": "build"})
        assert heard(hub, await hub.join(ANNA, last)) == ("reload", {"reason": "build"})

    drive(story)


def test_a_database_that_has_gone_back_is_read_anew() -> None:
    async def story() -> None:
        world, replica = world_with(Sight(DOMAIN))
        hub = SteppedHub(replica)
        stream = await hub.join(ANNA, None)
        replica.next = dict.fromkeys(world.ends, 0)
        await hub._poll()
        assert heard(hub, stream) == ("reload", {"reason": "build"})

    drive(story)


def test_a_hub_that_slept_while_changes_were_removed_says_so() -> None:
    async def story() -> None:
        world, replica = world_with(Sight(DOMAIN))
        hub = SteppedHub(replica)
        stream = await hub.join(ANNA, None)
        world.change(0, None)
        replica.advance()
        replica.trim()
        await hub._poll()
        assert heard(hub, stream) == ("reload", {"reason": "expired"})
        world.change(0, Sight(DOMAIN))
        replica.advance()
        await hub._poll()
        assert heard(hub, stream)[0] == "changes"

    drive(story)


def test_a_stream_with_too_much_to_tell_is_read_anew_and_goes_on() -> None:
    async def story() -> None:
        world, replica = world_with()
        hub = SteppedHub(replica)
        stream = await hub.join(ANNA, None)
        for number in range(MOST + 1):
            world.change(number, Sight(DOMAIN))
        replica.advance()
        await hub._poll()
        assert heard(hub, stream) == ("reload", {"reason": "many"})
        assert not stream.has_message
        world.change(0, None)
        replica.advance()
        await hub._poll()
        assert heard(hub, stream)[1]["gone"] == [{"domain": DOMAIN, "key": "task-0"}]

    drive(story)


def test_a_stream_that_missed_too_much_is_read_anew() -> None:
    async def story() -> None:
        world, replica = world_with(Sight(DOMAIN))
        last = await place_of(SteppedHub(replica), ANNA)
        for number in range(3 * MOST):
            world.change(number, Sight(DOMAIN))
        replica.advance()
        hub = SteppedHub(replica)
        assert heard(hub, await hub.join(ANNA, last)) == ("reload", {"reason": "many"})
        assert not (await hub.join(OUTSIDER, await place_of(hub, OUTSIDER))).has_message

    drive(story)


def test_who_comes_back_from_far_leaves_time_for_others() -> None:
    async def story() -> None:
        world, replica = world_with(Sight(DOMAIN))
        last = await place_of(SteppedHub(replica), OUTSIDER)
        for number in range(500):
            world.change(number, Sight(DOMAIN))
        replica.advance()
        hub = SteppedHub(replica, chunk=10)
        coming = [asyncio.create_task(hub.join(OUTSIDER, last)) for _ in range(4)]
        turns = 0
        while not all(each.done() for each in coming):
            await asyncio.sleep(0)
            turns += 1
        assert turns >= 4 * 500 / 10

    drive(story)


def test_an_old_id_is_not_read_for_if_it_lies_too_far_back() -> None:
    async def story() -> None:
        world, replica = world_with(Sight(DOMAIN))
        last = await place_of(SteppedHub(replica), ANNA)
        for _ in range(20):
            world.change(0, Sight(DOMAIN))
        replica.advance()
        hub = SteppedHub(replica, most=10)
        assert heard(hub, await hub.join(ANNA, last)) == ("reload", {"reason": "expired"})
        roomy = SteppedHub(replica, most=20)
        assert heard(roomy, await roomy.join(ANNA, last))[0] == "changes"

    drive(story)


def test_a_task_that_came_and_went_between_two_messages_is_told_to_be_gone() -> None:
    """Whoever has read a list meanwhile knows it."""

    async def story() -> None:
        world, replica = world_with()
        hub = SteppedHub(replica)
        stream = await hub.join(ANNA, None)
        world.change(0, Sight(DOMAIN))
        world.change(0, Sight(DOMAIN, roles=("boss",)))
        replica.advance()
        await hub._poll()
        assert heard(hub, stream)[1] == {"changed": [], "gone": [{"domain": DOMAIN, "key": "task-0"}]}

    drive(story)


def test_ids_that_are_none_are_read_anew_and_never_asked_for() -> None:
    async def story() -> None:
        _, replica = world_with(Sight(DOMAIN))
        hub = SteppedHub(replica, Timing(ahead=3600))
        last = await place_of(hub, ANNA)
        asked = replica.asked
        for wrong in ("x", last + ".5", last.replace(".", ".1.2."), "-".join(last.split("-")[:3]) + "-", "é"):
            assert heard(hub, await hub.join(ANNA, wrong))[0] in {"reload", "changes"}
        assert replica.asked == asked

    drive(story)


class LazyReplica(Replica):
    """A projection that has nothing yet, or does not answer."""

    state = "empty"

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._asked = threading.Semaphore(0)

    async def asked_times(self, times: int) -> None:
        for _ in range(times):
            await asyncio.to_thread(self._asked.acquire)

    def positions(self) -> Positions | None:
        self._asked.release()
        if self.state == "down":
            raise DatabaseUnavailable("down")
        return None if self.state == "empty" else super().positions()


def test_a_stream_begins_when_there_are_lists() -> None:
    async def story() -> None:
        replica = LazyReplica(World())
        hub = Hub(replica, Timing(first=0, poll=0.001))
        with pytest.raises(NotReady, match="not ready"):
            await hub.join(ANNA, None)
        patient = Hub(replica, Timing(first=60, poll=0.001))
        coming = asyncio.create_task(patient.join(ANNA, None))
        await replica.asked_times(3)
        replica.state = "ready"
        await coming
        hub.close()
        patient.close()

    drive(story)


def test_an_outage_of_the_database_is_outlasted() -> None:
    async def story() -> None:
        replica = LazyReplica(World())
        replica.state = "ready"
        hub = Hub(replica, Timing(poll=0.001, outage=0.001))
        stream = await hub.join(ANNA, None)
        replica.state = "down"
        await replica.asked_times(3)
        replica.world.change(0, Sight(DOMAIN))
        replica.advance()
        replica.state = "ready"
        await stream.news.wait()
        assert heard(hub, stream)[0] == "changes"
        hub.close()

    drive(story)


def test_nobody_is_asked_for_long_when_nobody_listens() -> None:
    async def story() -> None:
        world, replica = world_with()
        hub = Hub(replica, Timing(poll=0.001, linger=0.003))
        stream = await hub.join(ANNA, None)
        hub.leave(stream)
        reader = hub._reader
        assert reader is not None
        await reader
        assert hub._ring is None
        world.change(0, Sight(DOMAIN))
        replica.advance()
        resumed = await hub.join(ANNA, "0" * 12)
        assert heard(hub, resumed)[0] == "reload"
        assert hub._reader is not reader
        hub.close()

    drive(story)


class BrokenReplica(Replica):
    def positions(self) -> Positions | None:
        if self.asked > 1:
            raise ZeroDivisionError
        return super().positions()


def test_streams_end_and_may_begin_again_after_an_error_that_nobody_foresaw() -> None:
    async def story() -> None:
        replica = BrokenReplica(World())
        hub = Hub(replica, Timing(poll=0.001))
        stream = await hub.join(ANNA, None)
        await stream.news.wait()
        assert stream.over == "changes cannot be read"
        replica.asked = 0
        assert (await hub.join(ANNA, None)).over is None
        hub.close()

    drive(story)


def test_a_closed_hub_has_ended_all_streams_and_begins_none() -> None:
    async def story() -> None:
        _, replica = world_with()
        hub = Hub(replica)
        stream = await hub.join(ANNA, None)
        hub.close()
        assert stream.over is not None
        with pytest.raises(NotReady):
            await hub.join(ANNA, None)

    drive(story)


def test_who_leaves_is_told_nothing_and_forgotten() -> None:
    async def story() -> None:
        world, replica = world_with()
        hub = SteppedHub(replica)
        stream = await hub.join(ADMIN, None)
        hub.leave(stream)
        hub.leave(stream)
        world.change(0, Sight(DOMAIN))
        replica.advance()
        await hub._poll()
        assert not stream.has_message
        assert len(hub) == 0
        assert not hub._audience.seers(Sight(DOMAIN))

    drive(story)
