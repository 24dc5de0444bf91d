"""Other ways in: people's commands come as payloads on a topic of their own, whatever dies meanwhile."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import check
from tests.e2e.desk import Desk, desk_at, error_code, start_event
from tests.e2e.faulty_worker import (
    AFTER_BEGIN,
    AFTER_SEND_OFFSETS,
    BETWEEN_TRANSACTIONS,
    INPUT_FAULT,
    INPUT_RULE,
    OFFSETS_FIRST,
    STUCK_SECONDS,
    WATCH_SECONDS,
)
from tests.e2e.load import BRISK, Load, Mix
from tests.e2e.site import Site
from tests.e2e.trouble import FENCED, Killer
from tests.e2e.way_in import NAME, command, headers, topic_of, with_way_in
from tests.e2e.workers import Fleet, Worker
from tests.waiting import until

TASKS: Final = 800
KILLS: Final = 5
LEAST_KILLS: Final = 3
FEW: Final = 60
KILLED: Final = -9
NOT_STARTED: Final = 1
GIVEN_UP: Final = 6
ROUNDS: Final = 20
ALL_AT_ONCE: Final = Mix(again=0.0, racing=0.0, safety_ms=BRISK.safety_ms)


@pytest.fixture
def desk_site(make_site: Callable[..., Site]) -> Site:
    made = make_site(partitions=4, settings={"RUNNER_WORKER__BATCHSIZE": "200"})
    made.create_topics()
    return with_way_in(made)


def say(desk: Desk, site: Site, task_id: str, request_id: str, partition: int = 0) -> None:
    """Send a command as a payload."""
    payload = command(task_id, request_id)["payload"]
    desk.put(payload, partition, task_id.encode(), headers(request_id), topic_of(site))


def test_kill_9_again_and_again_leaves_one_event_for_every_payload(
    desk_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(desk_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(desk_site, 7, TASKS, window=200, desk=topic_of(desk_site)) as load:
        killer = Killer(fleet, load, Random(7), wanted=KILLS)
        load.run(killer)
        wait_until_drained(desk_site)
        assert set(fleet.stop()) == {0}
        report = check(load.sent, read_all(desk_site, desk_site.responses))
    print(f"{killer.kills} kills, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert report.counts["resume PROCEEDED"] > TASKS / 4
    assert killer.kills >= LEAST_KILLS


def test_a_worker_that_dies_in_the_transaction_of_an_input_loses_and_doubles_nothing(
    desk_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(desk_site)
    with Load(desk_site, 1, FEW, ALL_AT_ONCE, desk=topic_of(desk_site)) as load:
        first = fleet.one({INPUT_FAULT: f"{AFTER_SEND_OFFSETS}/1/kill"}, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        fleet.start()
        load.run()
        wait_until_drained(desk_site)
        assert fleet.stop() == [0]
        report = check(load.sent, read_all(desk_site, desk_site.responses))
    assert not report.findings, report.say()


def test_with_offsets_committed_before_the_events_payloads_are_lost_and_the_checker_finds_it(
    desk_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(desk_site)
    with Load(desk_site, 1, FEW, ALL_AT_ONCE, desk=topic_of(desk_site)) as load:
        broken = {INPUT_RULE: OFFSETS_FIRST, INPUT_FAULT: f"{BETWEEN_TRANSACTIONS}/1/kill"}
        first = fleet.one(broken, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        fleet.start()
        # What is lost never comes: the end is when the tasks have ended and nothing is left to read.
        until(lambda: desk_site.open_tasks() == 0, "the end of every task")
        wait_until_drained(desk_site)
        assert fleet.stop() == [0]
        report = check(load.sent, read_all(desk_site, desk_site.responses))
    assert any(f.startswith("ProceedTask") and "only 0 answered" in f for f in report.findings), report.say()
    assert not any("replies" in finding for finding in report.findings), report.say()


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_payloads_are_answered_and_poison_is_buried_with_its_place(
    desk_site: Site, fleets: Callable[..., Fleet], delivery: str
) -> None:
    worker = fleets(desk_site).one({"RUNNER_DELIVERY": delivery})
    with desk_at(desk_site) as desk, desk_at(desk_site, desk_site.dead_letters) as graves:
        desk.put(start_event("start-1", {"taskId": "t-1"}, taskRoles="director"), 3)
        desk.reply_to("start-1")
        desk.put(b"no json", 1, b"k", headers("bad"), topic_of(desk_site))
        say(desk, desk_site, "t-1", "desk-1", partition=1)
        say(desk, desk_site, "nobody", "desk-2", partition=1)
        assert desk.resume_of("start-1").event["payload"]["approval"] == {"by": "desk-1", "approved": True}
        assert desk.reply_to("desk-1").status == "SUCCESS"
        assert error_code(desk.reply_to("desk-2")) == 10118
        grave = graves.wait_for("the dead letter", lambda letter: letter.value == b"no json")
        assert grave.headers["dead-letter-topic"] == topic_of(desk_site)
        assert (grave.headers["dead-letter-partition"], grave.headers["dead-letter-offset"]) == ("1", "0")
        assert grave.headers["request-id"] == "bad"
    worker.terminate()
    assert worker.wait() == 0


def test_a_missing_topic_is_told_at_the_start(desk_site: Site, fleets: Callable[..., Fleet]) -> None:
    desk_site.delete_topic(topic_of(desk_site))
    worker = fleets(desk_site).one()
    assert worker.wait() == NOT_STARTED
    assert f"there is no topic {topic_of(desk_site)}, which inputs.{NAME} reads; create it" in worker.log
    assert "Traceback" not in worker.log


def test_a_topic_that_goes_away_holds_nothing_up_and_is_read_again_when_it_is_back(
    desk_site: Site, fleets: Callable[..., Fleet]
) -> None:
    worker = fleets(desk_site).one({WATCH_SECONDS: "0.5"}, faulty=True)
    with desk_at(desk_site) as desk:
        _start_and_say(desk, desk_site, worker, "before")
        desk_site.delete_topic(topic_of(desk_site))
        worker.wait_for("input_failed", input=NAME)
        desk.put(start_event("meanwhile", {"taskId": "meanwhile"}), 2)
        desk.reply_to("meanwhile")
        desk_site.kafka.create_topics({topic_of(desk_site): desk_site.partitions})
        # In the new topic it stands where the first one stood, and is another message all the same.
        _start_and_say(desk, desk_site, worker, "after")
    worker.terminate()
    assert worker.wait() == 0


def test_an_input_that_hangs_holds_nothing_up_and_its_worker_is_given_up(
    desk_site: Site, fleets: Callable[..., Fleet]
) -> None:
    hanging = {INPUT_FAULT: f"{AFTER_BEGIN}/1/hang", STUCK_SECONDS: "4"}
    worker = fleets(desk_site).one(hanging, faulty=True)
    with desk_at(desk_site) as desk:
        worker.wait_for("partitions", input=NAME)
        say(desk, desk_site, "nobody", "hangs")
        answered_ms = 0
        for number in range(ROUNDS):
            desk.put(start_event(f"task-{number}", {"taskId": f"task-{number}"}), 1)
            answered_ms = desk.reply_to(f"task-{number}").time_ms
    assert worker.wait() == GIVEN_UP
    (stuck,) = worker.events("stuck")
    given_up_ms = datetime.fromisoformat(stuck["time"]).timestamp() * 1000
    assert answered_ms > given_up_ms - stuck["seconds"] * 1000, "tasks were answered while it hung"


def _start_and_say(desk: Desk, site: Site, worker: Worker, task_id: str) -> None:
    desk.put(start_event(task_id, {"taskId": task_id}), 1)
    desk.reply_to(task_id)
    say(desk, site, task_id, f"{task_id}-done")
    assert desk.reply_to(f"{task_id}-done").status == "SUCCESS", worker.last_lines()
    desk.resume_of(task_id)
