"""What says where to read on is lost, or says something else than it did; on real servers.

Group offsets are deleted or moved, the topic is made again, Redis is emptied or belongs to another:
nothing is replayed and nothing is lost, or the worker ends and says what to do.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import Report, check
from tests.e2e.faulty_worker import WATCH_SECONDS
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.site import Site
from tests.e2e.workers import Fleet, Worker
from tests.servers.redis_server import RedisServer

TASKS: Final = 150
PARTLY: Final = 150
"""Answers after which a load is interrupted: tasks are open, and messages unread."""

MISMATCH: Final = 4
POSITION_UNKNOWN: Final = 5

FORGET: Final = Site.forget_offsets


def _move_to_start(site: Site) -> None:
    site.move_offsets(dict.fromkeys(range(site.partitions), 0))


@pytest.mark.parametrize("lose", [FORGET, _move_to_start], ids=["deleted", "moved-back"])
def test_without_its_group_offsets_a_worker_reads_on_from_what_redis_knows(
    site: Site, fleets: Callable[..., Fleet], lose: Callable[[Site], None]
) -> None:
    fleet = fleets(site)
    with Load(site, seed=3, tasks=TASKS, mix=BRISK, window=60) as load:
        _interrupt(load, fleet)
        lose(site)
        fleet.slots = [fleet.one()]
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_offsets_moved_forward_by_an_operator_skip_what_lies_before_them(
    site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(site)
    fleet.start().wait_for("homes")
    assert fleet.stop() == [0]
    with Load(site, seed=4, tasks=20, mix=BRISK, window=1000) as load:
        load.run(stop=lambda: not load.idle)
        site.move_offsets(site.ends(site.requests))
    fleet.slots = [fleet.one()]
    fleet.slots[0].wait_for("homes", open=[0, 1, 2, 3])
    assert fleet.stop() == [0]
    assert read_all(site, site.responses) == []


def test_tasks_outlive_the_topic_and_new_events_are_not_taken_for_redelivered_ones(
    site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(site)
    with Load(site, seed=5, tasks=TASKS, mix=BRISK, window=60) as load:
        _interrupt(load, fleet, when_idle=True)
        assert site.open_tasks() > 0
        _make_again(site)
        fleet.slots = [fleet.one()]
        assert fleet.slots[0].wait_for("started")["incarnation"] == 2
        load.holding = False
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_a_worker_that_sees_its_topic_made_again_ends_and_the_next_one_goes_on(
    site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(site)
    with Load(site, seed=6, tasks=TASKS, mix=BRISK, window=60) as load:
        watching = fleet.one({WATCH_SECONDS: "0.2"}, faulty=True)
        fleet.slots = [watching]
        load.run(fleet.tend, stop=lambda: load.answered > PARTLY)
        load.holding = True
        load.run(fleet.tend, stop=lambda: load.idle)
        _make_again(site)
        assert watching.wait() == POSITION_UNKNOWN
        assert "made again" in watching.log
        assert "restart" in watching.log
        fleet.slots = [fleet.one()]
        load.holding = False
        load.run(fleet.tend)
        _assert_kept(_closed(site, fleet, load))


def test_offsets_that_were_committed_for_an_earlier_topic_are_not_read_on_from(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    """The client reads on in the new topic at the old offset, and commits there, until the worker ends.

    What it answered there is answered again by its successor, which begins at the beginning: repeats of
    replies, but no second end, as long as no id is used twice. Nothing is lost.
    """
    site = make_site(partitions=1)
    site.create_topics()
    fleet = fleets(site)
    fleet.start()
    with Load(site, seed=7, tasks=5, mix=BRISK) as before:
        before.run(fleet.tend)
    wait_until_drained(site)
    position = site.committed()[0]
    _make_again(site)
    one_generation = replace(BRISK, again=0.0, intruded=0.0)
    with Load(site, seed=8, tasks=position + 20, mix=one_generation, window=10_000) as load:
        # Where it notices before it has read anything, it has ended by itself: the rest is the same.
        (worker,) = fleet.slots
        load.run(stop=lambda: worker.exit_code is not None or site.committed().get(0, 0) > position)
        assert fleet.stop() in ([0], [POSITION_UNKNOWN])
        fleet.slots = [fleet.one()]
        load.run(fleet.tend)
        fleet.slots[0].wait_for("started", incarnation=2)
        report = _closed(site, fleet, load, before)
    assert all("replies" in finding for finding in report.findings), report.say()


@pytest.mark.parametrize("kept", [True, False], ids=["all is kept", "retention has passed"])
def test_with_its_group_offsets_lost_and_redis_as_well_the_changelog_still_has_the_tasks(
    told_site: Callable[..., Site],
    fleets: Callable[..., Fleet],
    start_redis: Callable[..., RedisServer],
    *,
    kept: bool,
) -> None:
    """What is left of requests is read again, and answered again; no task is lost, and none ends twice."""
    server = start_redis()
    site = told_site(redis_url=server.url)
    fleet = fleets(site)
    one_generation = replace(BRISK, again=0.0, intruded=0.0)
    with Load(site, seed=11, tasks=TASKS, mix=one_generation, window=60) as load:
        _interrupt(load, fleet, when_idle=True)
        assert site.open_tasks() > 0
        if not kept:
            site.cut(site.requests, site.committed())
        site.forget_offsets()
        with server.client() as client:
            client.flushall()
        fleet.slots = [fleet.one()]
        assert fleet.slots[0].wait_for("started")["incarnation"] > 1
        load.holding = False
        load.run(fleet.tend)
        report = _closed(site, fleet, load)
    assert kept or not report.findings, report.say()
    assert all("replies" in finding for finding in report.findings), report.say()


def test_an_empty_changelog_tells_nothing_of_what_a_group_has_read(
    told_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    site = told_site()
    with Load(site, seed=12, tasks=20, mix=BRISK) as load:
        load.run(stop=lambda: len(load.sent) > 10)
    site.move_offsets(site.ends(site.requests))
    refused = fleets(site).one()
    assert refused.wait() == POSITION_UNKNOWN
    _assert_says(refused, "tasks", "delete the offsets")
    assert "startEmpty" not in refused.log


def test_another_group_on_the_same_key_space_is_refused(site: Site, fleets: Callable[..., Fleet]) -> None:
    fleet = fleets(site)
    fleet.start().wait_for("homes")
    folder = site.folder / "stranger"
    folder.mkdir()
    stranger = replace(site, folder=folder, settings={"RUNNER_KAFKA__GROUP": f"other-{site.group}"})
    refused = fleets(stranger).one()
    assert refused.wait() == MISMATCH
    _assert_says(refused, site.group, "redis.prefix")
    assert fleet.stop() == [0]


def test_an_empty_redis_under_a_group_that_has_read_before_is_refused_until_that_is_accepted(
    site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(site)
    fleet.start()
    with Load(site, seed=9, tasks=10, mix=BRISK) as load:
        load.run(fleet.tend)
    assert fleet.stop() == [0]
    answered = len(read_all(site, site.responses))
    empty: dict[str, Any] = {"RUNNER_REDIS__PREFIX": f"{site.prefix}-empty"}
    refused = fleets(replace(site, settings=empty)).one()
    assert refused.wait() == POSITION_UNKNOWN
    _assert_says(refused, "tasks", "redis.startEmpty")
    accepting = replace(site, settings={**empty, "RUNNER_REDIS__STARTEMPTY": "true"})
    after = fleets(accepting)
    after.start()
    with Load(site, seed=10, tasks=10, mix=BRISK) as more:
        more.run(after.tend)
        wait_until_drained(site)
        assert after.stop() == [0]
    answers = read_all(site, site.responses)
    _assert_kept(check([*load.sent, *more.sent], answers))
    assert len(answers) > answered


def _interrupt(load: Load, fleet: Fleet, *, when_idle: bool = False) -> None:
    """Run a load for a while, with one worker, and stop the worker."""
    fleet.start()
    load.run(fleet.tend, stop=lambda: load.answered > PARTLY)
    assert not load.done
    if when_idle:
        load.holding = True
        load.run(fleet.tend, stop=lambda: load.idle)
    assert fleet.stop() == [0]


def _make_again(site: Site) -> None:
    site.delete_topic(site.requests)
    site.kafka.create_topics({site.requests: site.partitions})


def _closed(site: Site, fleet: Fleet, *loads: Load) -> Report:
    wait_until_drained(site)
    assert fleet.stop() == [0]
    sent = [message for load in loads for message in load.sent]
    return check(sent, read_all(site, site.responses))


def _assert_kept(report: Report) -> None:
    assert not report.findings, report.say()


def _assert_says(worker: Worker, *words: str) -> None:
    said = worker.log
    assert "Traceback" not in said
    for word in words:
        assert word in said, said
