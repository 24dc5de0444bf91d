"""Other ways in: people's commands come as payloads on a topic of their own, whatever dies meanwhile."""

from collections.abc import Callable
from datetime import datetime
from random import Random
from typing import Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import check
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
from tests.e2e.load import Load
from tests.e2e.mix import BRISK, Mix
from tests.e2e.requester import Requester, error_code, requester_at, start_event
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
ALL_AT_ONCE: Final = Mix(again=0.0, racing=0.0, lived=0.0, safety_ms=BRISK.safety_ms)


@pytest.fixture
def input_site(make_site: Callable[..., Site]) -> Site:
    made = make_site(partitions=4, settings={"RUNNER_WORKER__BATCHSIZE": "200"})
    made.create_topics()
    return with_way_in(made)


def say(requester: Requester, site: Site, task_id: str, request_id: str, partition: int = 0) -> None:
    """Send a command as a payload."""
    payload = command(task_id, request_id)["payload"]
    requester.put(payload, partition, task_id.encode(), headers(request_id), topic_of(site))


def test_kill_9_again_and_again_leaves_one_event_for_every_payload(
    input_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(input_site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(input_site, 7, TASKS, window=200, input_topic=topic_of(input_site)) as load:
        killer = Killer(fleet, load, Random(7), wanted=KILLS)
        load.run(killer)
        wait_until_drained(input_site)
        assert set(fleet.stop()) == {0}
        report = check(load.sent, read_all(input_site, input_site.responses))
    print(f"{killer.kills} kills, {fleet.ended} ended by themselves; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert report.counts["resume PROCEEDED"] > TASKS / 4
    assert killer.kills >= LEAST_KILLS


def test_a_worker_that_dies_in_the_transaction_of_an_input_loses_and_doubles_nothing(
    input_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(input_site)
    with Load(input_site, 1, FEW, ALL_AT_ONCE, input_topic=topic_of(input_site)) as load:
        first = fleet.one({INPUT_FAULT: f"{AFTER_SEND_OFFSETS}/1/kill"}, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        fleet.start()
        load.run()
        wait_until_drained(input_site)
        assert fleet.stop() == [0]
        report = check(load.sent, read_all(input_site, input_site.responses))
    assert not report.findings, report.say()


def test_with_offsets_committed_before_the_events_payloads_are_lost_and_the_checker_finds_it(
    input_site: Site, fleets: Callable[..., Fleet]
) -> None:
    fleet = fleets(input_site)
    with Load(input_site, 1, FEW, ALL_AT_ONCE, input_topic=topic_of(input_site)) as load:
        broken = {INPUT_RULE: OFFSETS_FIRST, INPUT_FAULT: f"{BETWEEN_TRANSACTIONS}/1/kill"}
        first = fleet.one(broken, faulty=True)
        load.run(stop=lambda: first.exit_code is not None)
        assert first.exit_code == KILLED, first.last_lines()
        fleet.start()
        # What is lost never comes: the end is when the tasks have ended and nothing is left to read.
        until(lambda: input_site.open_tasks() == 0, "the end of every task")
        wait_until_drained(input_site)
        assert fleet.stop() == [0]
        report = check(load.sent, read_all(input_site, input_site.responses))
    assert any(f.startswith("ProceedTask") and "only 0 answered" in f for f in report.findings), report.say()
    assert not any("replies" in finding for finding in report.findings), report.say()


@pytest.mark.parametrize("delivery", ["exactly_once", "at_least_once"])
def test_payloads_are_answered_and_poison_is_buried_with_its_place(
    input_site: Site, fleets: Callable[..., Fleet], delivery: str
) -> None:
    worker = fleets(input_site).one({"RUNNER_DELIVERY": delivery})
    with requester_at(input_site) as requester, requester_at(input_site, input_site.dead_letters) as graves:
        requester.put(start_event("start-1", {"taskId": "t-1"}, taskRoles="director"), 3)
        requester.reply_to("start-1")
        requester.put(b"no json", 1, b"k", headers("bad"), topic_of(input_site))
        say(requester, input_site, "t-1", "desk-1", partition=1)
        say(requester, input_site, "nobody", "desk-2", partition=1)
        assert requester.resume_of("start-1").event["payload"]["approval"] == {
            "by": "desk-1",
            "approved": True,
        }
        assert requester.reply_to("desk-1").status == "SUCCESS"
        assert error_code(requester.reply_to("desk-2")) == 10118
        grave = graves.wait_for("the dead letter", lambda letter: letter.value == b"no json")
        assert grave.headers["dead-letter-topic"] == topic_of(input_site)
        assert (grave.headers["dead-letter-partition"], grave.headers["dead-letter-offset"]) == ("1", "0")
        assert grave.headers["request-id"] == "bad"
    worker.terminate()
    assert worker.wait() == 0


def test_a_missing_topic_is_told_at_the_start(input_site: Site, fleets: Callable[..., Fleet]) -> None:
    input_site.delete_topic(topic_of(input_site))
    worker = fleets(input_site).one()
    assert worker.wait() == NOT_STARTED
    assert f"there is no topic {topic_of(input_site)}, which inputs.{NAME} reads; create it" in worker.log
    assert "Traceback" not in worker.log


def test_a_topic_that_goes_away_holds_nothing_up_and_is_read_again_when_it_is_back(
    input_site: Site, fleets: Callable[..., Fleet]
) -> None:
    worker = fleets(input_site).one({WATCH_SECONDS: "0.5"}, faulty=True)
    with requester_at(input_site) as requester:
        _start_and_say(requester, input_site, worker, "before")
        input_site.delete_topic(topic_of(input_site))
        worker.wait_for("input_failed", input=NAME)
        requester.put(start_event("meanwhile", {"taskId": "meanwhile"}), 2)
        requester.reply_to("meanwhile")
        input_site.kafka.create_topics({topic_of(input_site): input_site.partitions})
        # In the new topic it stands where the first one stood, and is another message all the same.
        _start_and_say(requester, input_site, worker, "after")
    worker.terminate()
    assert worker.wait() == 0


def test_an_input_that_hangs_holds_nothing_up_and_its_worker_is_given_up(
    input_site: Site, fleets: Callable[..., Fleet]
) -> None:
    hanging = {INPUT_FAULT: f"{AFTER_BEGIN}/1/hang", STUCK_SECONDS: "4"}
    worker = fleets(input_site).one(hanging, faulty=True)
    with requester_at(input_site) as requester:
        worker.wait_for("partitions", input=NAME)
        say(requester, input_site, "nobody", "hangs")
        answered_ms = 0
        for number in range(ROUNDS):
            requester.put(start_event(f"task-{number}", {"taskId": f"task-{number}"}), 1)
            answered_ms = requester.reply_to(f"task-{number}").time_ms
    assert worker.wait() == GIVEN_UP
    (stuck,) = worker.events("stuck")
    given_up_ms = datetime.fromisoformat(stuck["time"]).timestamp() * 1000
    assert answered_ms > given_up_ms - stuck["seconds"] * 1000, "tasks were answered while it hung"


def _start_and_say(requester: Requester, site: Site, worker: Worker, task_id: str) -> None:
    requester.put(start_event(task_id, {"taskId": task_id}), 1)
    requester.reply_to(task_id)
    say(requester, site, task_id, f"{task_id}-done")
    assert requester.reply_to(f"{task_id}-done").status == "SUCCESS", worker.last_lines()
    requester.resume_of(task_id)
