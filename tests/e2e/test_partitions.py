"""Partitions are added to ``requests`` while workers run: no worker ends, nothing is lost or replayed."""

import json
from collections.abc import Callable
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import check
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

FEW: Final = 3
MANY: Final = 8
OFTEN: Final = {"RUNNER_KAFKA__PROPERTIES": json.dumps({"topic.metadata.refresh.interval.ms": "500"})}


@pytest.fixture
def growing_site(make_site: Callable[..., Site]) -> Site:
    made = make_site(partitions=FEW, settings=OFTEN)
    made.create_topics()
    return made


def test_partitions_added_under_load_lose_and_replay_nothing(
    growing_site: Site, fleets: Callable[..., Fleet]
) -> None:
    """The load sends to the new partitions at once, long before a worker can know of them."""
    site, fleet = growing_site, fleets(growing_site)
    workers = [fleet.start(), fleet.start()]
    with Load(site, seed=21, tasks=400, mix=BRISK, window=150) as load:
        load.run(fleet.tend, stop=lambda: load.answered > 200)
        site.widen(MANY)
        load.widen(MANY)
        load.run(fleet.tend)
        wait_until_drained(site)
        assert sorted(site.committed()) == list(range(MANY))
        assert fleet.slots == workers, "no worker ended"
        assert fleet.stop() == [0, 0]
        # The next worker takes all of them over, and finds nothing that was not answered.
        fleet.slots = [fleet.start()]
        fleet.slots[0].wait_for("homes", open=list(range(MANY)))
        assert fleet.stop() == [0]
        report = check(load.sent, read_all(site, site.responses))
    assert not report.findings, report.say()


def test_a_task_started_before_the_change_is_answered_at_its_home(
    growing_site: Site, fleets: Callable[..., Fleet]
) -> None:
    site, fleet = growing_site, fleets(growing_site)
    worker = fleet.start()
    with requester_at(site) as requester:
        requester.put(start_event("old"), partition=1)
        task = requester.reply_to("old").event["result"]["task"]
        site.widen(MANY)
    with requester_at(site) as requester:
        # Its key leads elsewhere now; and what is started there may be answered from the old partitions.
        requester.put(proceed_event("answer-old", task["id"]), partition=MANY - 1)
        requester.put(start_event("new"), partition=MANY - 2)
        assert requester.reply_to("answer-old").status == "SUCCESS"
        assert requester.resume_of("old").status == "PROCEEDED"
        started = requester.reply_to("new").event["result"]["task"]
        assert (task["partition"], started["partition"]) == (1, MANY - 2)
        requester.put(proceed_event("answer-new", started["id"]), partition=0)
        assert requester.reply_to("answer-new").status == "SUCCESS"
    assert worker.events("partitions_added")[0]["now"] == MANY
    assert fleet.stop() == [0]
