"""Redis loses everything at the worst moments: within a batch, and while it is filled again."""

from collections.abc import Callable
from typing import Final

import pytest

from tests.e2e.faulty_worker import (
    AFTER_APPLY,
    FAULT,
    FLUSH,
    FLUSH_AND_KILL,
    KILL,
    POINTS,
    RESTORE_BEGUN,
    RESTORE_ENDED,
    RESTORE_WRITTEN,
    STOP,
)
from tests.e2e.final_check import end_and_check
from tests.e2e.load import Load
from tests.e2e.mix import Mix
from tests.e2e.site import Site
from tests.e2e.workers import Fleet, Worker
from tests.servers.redis_server import RedisServer

TASKS: Final = 100_000
"""More than there is time for: the load goes on until the test has seen enough."""
WINDOW: Final = 100
BATCH: Final = {"RUNNER_WORKER__BATCHSIZE": "50"}
MIX: Final = Mix(safety_ms=(2_000, 4_000))
EVERY: Final = 6
"""Batches between two losses."""
KILLED: Final = -9
FENCED: Final = 6


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis(appendonly=False)


def test_redis_emptied_at_every_point_of_a_batch_loses_and_doubles_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], server: RedisServer
) -> None:
    site = told_site(BATCH, redis_url=server.url)
    fleet = fleets(site)
    moments = [f"{point}/{EVERY * number}/{FLUSH}" for number, point in enumerate(POINTS, 1)]
    with Load(site, seed=41, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        fleet.faulty[0] = {FAULT: ",".join(moments)}
        worker = fleet.start()
        load.run(fleet.tend, stop=lambda: len(worker.events("fault")) == len(POINTS))
        end_and_check(site, fleet, load)
    assert worker.events("restored")


def test_a_batch_that_redis_and_its_worker_take_with_them_loses_and_doubles_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], server: RedisServer
) -> None:
    """Applied, then lost with all decisions, and not committed: its events are decided anew."""
    site = told_site(BATCH, redis_url=server.url)
    fleet = fleets(site)
    with Load(site, seed=42, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        first = fleet.one({FAULT: f"{AFTER_APPLY}/{EVERY}/{FLUSH_AND_KILL}"}, faulty=True)
        load.run(stop=_ended(first))
        assert first.exit_code == KILLED, first.last_lines()
        second = fleet.start()
        load.run(fleet.tend, stop=_more(load, 300))
        end_and_check(site, fleet, load)
    assert second.events("restored")


def test_redis_emptied_while_it_is_restored_and_its_restorer_killed_loses_and_doubles_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], server: RedisServer
) -> None:
    site = told_site(BATCH, redis_url=server.url)
    fleet = fleets(site)
    losses = [
        f"{AFTER_APPLY}/{EVERY}/{FLUSH}",
        f"{RESTORE_WRITTEN}/3/{FLUSH}",
        f"{RESTORE_BEGUN}/8/{FLUSH}",
        f"{RESTORE_ENDED}/6/{FLUSH}",
        f"{RESTORE_BEGUN}/18/{KILL}",
    ]
    with Load(site, seed=43, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        first = fleet.one({FAULT: ",".join(losses)}, faulty=True)
        load.run(stop=_ended(first))
        assert first.exit_code == KILLED, first.last_lines()
        assert len(first.events("fault")) == len(losses)
        fleet.start()
        load.run(fleet.tend, stop=_more(load, 300))
        end_and_check(site, fleet, load)


def test_a_restorer_that_sleeps_while_redis_is_killed_and_others_restore_changes_nothing(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], server: RedisServer
) -> None:
    site = told_site(BATCH, redis_url=server.url)
    fleet = fleets(site, frozenset({FENCED}))
    with Load(site, seed=44, tasks=TASKS, mix=MIX, window=WINDOW) as load:
        losses = [f"{AFTER_APPLY}/{EVERY}/{FLUSH}", f"{RESTORE_WRITTEN}/4/{STOP}"]
        sleeper = fleet.one({FAULT: ",".join(losses)}, faulty=True)
        load.run(stop=sleeper.is_suspended)
        server.kill()
        server.start()
        other = fleet.start()
        load.run(fleet.tend, stop=_more(load, 200))
        assert other.events("restored")
        sleeper.resume()
        load.run(fleet.tend, stop=_more(load, 300))
        sleeper.terminate()
        end_and_check(site, fleet, load)


def _more(load: Load, answers: int) -> Callable[[], bool]:
    wanted = load.answered + answers
    return lambda: load.answered >= wanted


def _ended(worker: Worker) -> Callable[[], bool]:
    return lambda: worker.exit_code is not None
