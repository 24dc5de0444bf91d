"""Redis loses everything under load, and no task is lost: it is filled again from the changelog."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import redis

from tests.e2e.final_check import end_and_check
from tests.e2e.load import Load
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.servers.redis_server import RedisServer

SEED: Final = 7
TASKS: Final = 1500
LOSSES: Final = 3
ANSWERS_BETWEEN: Final = 900
FENCED: Final = 6


@dataclass(slots=True)
class Loser:
    """Takes everything from Redis, again and again, whenever so much was answered since."""

    fleet: Fleet
    load: Load
    lose: Callable[[], object]
    losses: int = 0
    _answered: int = 300

    def __call__(self) -> None:
        self.fleet.tend()
        if self.losses < LOSSES and self.load.answered > self._answered:
            self.lose()
            self.losses += 1
            self._answered = self.load.answered + ANSWERS_BETWEEN


def test_nothing_is_lost_or_doubled_when_redis_is_emptied_under_load(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(appendonly=True)
    with server.client() as client:
        _lose_under_load(told_site(redis_url=server.url), fleets, lambda: _flush(client))


def test_nothing_is_lost_or_doubled_when_a_redis_without_persistence_is_killed_and_comes_back_empty(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(appendonly=False)

    def lose() -> None:
        server.kill()
        server.start()

    _lose_under_load(told_site(redis_url=server.url), fleets, lose)


def _flush(client: redis.Redis) -> None:
    assert client.dbsize() > 0
    client.flushall()


def _lose_under_load(site: Site, fleets: Callable[..., Fleet], lose: Callable[[], object]) -> None:
    fleet = fleets(site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(site, SEED, TASKS) as load:
        loser = Loser(fleet, load, lose)
        load.run(loser)
        end_and_check(site, fleet, load)
    restored = [event for slot in fleet.slots for event in slot.events("restored")]
    print(f"{loser.losses} losses, {fleet.ended} workers ended; {restored}")
    assert loser.losses == LOSSES
    assert restored
    assert site.open_tasks() == 0
