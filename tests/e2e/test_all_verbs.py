"""All verbs in one run: people of several kinds work on every task, on a real Kafka and a real Redis.

Workers are killed with a batch that is applied and not committed; later all of Redis is lost.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final

from tests.e2e.answers import read_all
from tests.e2e.faulty_worker import AFTER_APPLY, FAULT
from tests.e2e.final_check import end_and_check
from tests.e2e.load import Load
from tests.e2e.mix import BRISK, Mix
from tests.e2e.people_check import VERBS
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.servers.redis_server import RedisServer

TASKS: Final = 90
BATCHES_OF_DEATH: Final = (15, 8, 8)
"""Which batch a worker dies with, one worker after the other."""

ANSWERS_BEFORE_LOSS: Final = 900
KILLED: Final = -9
CROWDED: Final = Mix(lived=0.9, formed=0.6, safety_ms=BRISK.safety_ms)
DONE: Final = {*VERBS, "DefineTask", "ProceedTask"}
REFUSED: Final = {14, 10119, 10120, 10131, 10134, 10135}


def test_all_verbs_in_one_run_with_workers_killed_and_all_of_redis_lost(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(appendonly=True)
    site = told_site(redis_url=server.url)
    fleet = fleets(site)
    with Load(site, seed=14, tasks=TASKS, mix=CROWDED) as load:
        for batch in BATCHES_OF_DEATH:
            worker = fleet.one({FAULT: f"{AFTER_APPLY}/{batch}/kill"}, faulty=True)
            load.run(stop=lambda: worker.exit_code is not None)  # noqa: B023
            assert worker.exit_code == KILLED, worker.last_lines()
        fleet.start()
        load.run(fleet.tend, stop=lambda: load.answered > ANSWERS_BEFORE_LOSS)
        with server.client() as client:
            client.flushall()
        load.run(fleet.tend)
        end_and_check(site, fleet, load)
    answers = [each.event for each in read_all(site, site.responses) if each.kind == "reply"]
    done = Counter(each["eventMeta"]["action"] for each in answers if each["result"]["status"] == "SUCCESS")
    refused = Counter(each["result"]["error"]["code"] for each in answers if "error" in each["result"])
    print(f"done {dict(done)}, refused {dict(refused)}")
    assert done.keys() == DONE
    assert refused.keys() >= REFUSED
