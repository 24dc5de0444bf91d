"""Hooks on real servers: every level once and every reminder as often as asked, whatever dies meanwhile."""

import json
import secrets
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import pytest

from tests.e2e.answers import Answer
from tests.e2e.changelog_check import changelog_findings
from tests.e2e.requester import Requester, requester_at
from tests.e2e.site import NOTIFICATIONS, Site
from tests.e2e.workers import Fleet
from tests.servers.redis_server import RedisServer

TASKS: Final = 12
LEVELS: Final = ("lead", "director", "board")
LEVEL_MS: Final = 2500
TIMES: Final = 3
FENCED: Final = 6
WORKED_ON: Final = [f"task-{number}" for number in range(4)]
"""Tasks with a comment and a draft."""

HOOKS: Final = [
    {"on": "arrival", "after": 400, "do": "remind", "repeatEvery": 1500, "times": TIMES},
    *(
        {"on": "arrival", "after": LEVEL_MS * level, "do": "reassign", "roles": [role]}
        for level, role in enumerate(LEVELS, 1)
    ),
]
SETTINGS: Final = {
    "RUNNER_DOMAINS__DEFAULT__ADMINROLE": "admin",
    "RUNNER_DOMAINS__DEFAULT__NOTIFY": '["created", "reminded", "escalated", "commented", "cancelled"]',
    "RUNNER_LIMITS__HOOKSECONDS": "1",
    "RUNNER_TIMERS__LEASEMS": "1500",
}


@pytest.fixture
def hook_site(
    told_site: Callable[..., Site], start_redis: Callable[..., RedisServer]
) -> tuple[Site, RedisServer]:
    """A site with a changelog, notifications, and a Redis of its own, which may lose everything."""
    server = start_redis(appendonly=True)
    told = {NOTIFICATIONS: f"notifications-{secrets.token_hex(5)}"}
    return told_site({**SETTINGS, **told}, redis_url=server.url, partitions=4), server


def asked(action: str, request_id: str, task_id: str, **parameters: Any) -> dict[str, Any]:
    """An event of an admin who has every role; its id is that of the request."""
    claims = {"sub": "olga", "roles": ["admin", "clerk", *LEVELS]}
    return {
        "requestMeta": {"id": request_id, "claims": claims},
        "sagaMeta": [{"sagaId": f"saga-{task_id}", "stepId": "step"}],
        "eventMeta": {"action": action, "domain": "default", "parameters": parameters},
        "payload": {"taskId": task_id},
    }


class Heard:
    """What people heard, by task, in the order in which it was decided."""

    def __init__(self, messages: Iterable[Answer]) -> None:
        self.all = [message.event for message in messages]
        self._by_task: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for event in sorted(self.all, key=lambda event: (event["time"], event["id"])):
            self._by_task[event["subject"]].append(event)

    def of(self, task_id: str, event: str) -> list[dict[str, Any]]:
        return [each for each in self._by_task[task_id] if each["type"] == f"saga.task.{event}"]

    def is_done(self, task_id: str) -> bool:
        """Whether all hooks of a task were done."""
        counts = [each["data"]["count"] for each in self.of(task_id, "reminded")]
        return TIMES in counts and len(self.of(task_id, "escalated")) == len(LEVELS)


class Stage:
    """The tasks, who acts on them, and what is heard of them."""

    def __init__(self, site: Site, requester: Requester, hearer: Requester) -> None:
        self._site, self._requester, self._hearer = site, requester, hearer

    def start(self, names: Iterable[str]) -> None:
        for number, name in enumerate(names):
            start = asked("StartTask", f"start-{name}", name, taskRoles="clerk", hooks=HOOKS)
            self._requester.put(start, number % self._site.partitions)
            self._requester.reply_to(f"start-{name}")

    def ask(self, action: str, request_id: str, task_id: str, **parameters: Any) -> Answer:
        """Send a verb to any partition: it finds its home."""
        self._requester.put(asked(action, request_id, task_id, **parameters), 0)
        answer = self._requester.reply_to(request_id)
        assert answer.status == "SUCCESS", answer.event["result"]
        return answer

    def hear(self, what: str, task_id: str, event: str, at_least: int = 1) -> None:
        """Wait until so much was heard of a task."""
        self._hearer.wait_for(what, lambda _: len(self.told.of(task_id, event)) >= at_least)

    def hear_all(self, names: Iterable[str]) -> None:
        """Wait until all hooks of tasks were done."""
        waited = list(names)
        self._hearer.wait_for(f"all hooks of {waited}", lambda _: all(map(self.told.is_done, waited)))

    @property
    def told(self) -> Heard:
        return Heard(self._hearer.answers)


def test_every_level_comes_once_and_every_reminder_as_often_as_asked_whatever_dies(
    hook_site: tuple[Site, RedisServer], fleets: Callable[..., Fleet]
) -> None:
    site, server = hook_site
    assert site.notifications is not None
    fleet = fleets(site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    names = [f"task-{number}" for number in range(TASKS)]
    with requester_at(site) as requester, requester_at(site, site.notifications) as hearer:
        stage = Stage(site, requester, hearer)
        stage.start(names)
        for name in WORKED_ON:
            stage.ask("CommentTask", f"comment-{name}", name, text=f"of {name}")
            stage.ask("SaveTask", f"save-{name}", name, data={"of": name})
        stage.hear("a reminder", names[0], "reminded")
        fleet.replace(0)
        stage.hear("a level", names[-1], "escalated")
        with server.client() as client:
            assert client.dbsize() > 0
            client.flushall()
        stage.hear("another level", names[1], "escalated", at_least=2)
        fleet.replace(1)
        stage.hear_all(names)
        calm = [f"calm-{number}" for number in range(4)]
        stage.start(calm)
        stage.hear_all(calm)

        histories = {name: _history(stage, name) for name in (*names, *calm)}
        for name in (*names, *calm):
            stage.ask("CancelTask", f"cancel-{name}", name, reason="seen enough")
        restored = [event for slot in fleet.slots for event in slot.events("restored")]
        assert fleet.stop() == [0, 0]
        requester.read_to_the_end()
        hearer.read_to_the_end()
        told, answers = stage.told, requester.answers

    assert restored, "Redis was filled again"
    _check_ids(told)
    for name in (*names, *calm):
        _check_task(told, name)
        _check_history(told, name, histories[name])
    for name in calm:
        counts = [each["data"]["count"] for each in told.of(name, "reminded")]
        assert counts == [1, 2, 3], "nothing was missed: three reminders, one by one"
    ends = Counter(answer.key for answer in answers if answer.kind == "resume")
    assert ends == {f"start-{name}".encode(): 1 for name in (*names, *calm)}
    assert changelog_findings(site) == []


def _history(stage: Stage, name: str) -> list[dict[str, Any]]:
    task = stage.ask("GetTask", f"get-{name}", name).event["result"]["task"]
    assert (task["level"], task["roles"]) == (len(LEVELS), [LEVELS[-1]])
    if name in WORKED_ON:
        assert [each["text"] for each in task["commentList"]] == [f"of {name}"]
        assert task["draft"] == {"of": name}
    history: list[dict[str, Any]] = task["history"]
    return history


def _check_ids(told: Heard) -> None:
    """Each was sent once, also in a batch that was decided twice."""
    ids = Counter(event["id"] for event in told.all)
    assert max(ids.values()) == 1, [event for event, count in ids.items() if count > 1]


def _check_task(told: Heard, name: str) -> None:
    levels = told.of(name, "escalated")
    assert [each["data"]["task"]["level"] for each in levels] == [1, 2, 3]
    assert [each["data"]["recipients"]["roles"] for each in levels] == [[role] for role in LEVELS]
    moments = [datetime.fromisoformat(each["time"]).timestamp() * 1000 for each in levels]
    distances = [later - earlier for earlier, later in pairwise(moments)]
    assert all(distance >= LEVEL_MS - 1 for distance in distances), "each level had its time"
    # Reminders that came too late for the next one are one, with their number.
    counts = [each["data"]["count"] for each in told.of(name, "reminded")]
    assert counts == sorted(set(counts)), "none twice"
    assert counts[-1] == TIMES, "and none beyond"
    assert len(told.of(name, "created")) == len(told.of(name, "cancelled")) == 1


def _check_history(told: Heard, name: str, history: list[dict[str, Any]]) -> None:
    """What people heard is what the task remembers."""
    for event in ("created", "reminded", "escalated", "commented"):
        assert len(told.of(name, event)) == sum(each["event"] == event for each in history)
    reminded = [each["data"] for each in history if each["event"] == "reminded"]
    counts = [each["data"]["count"] for each in told.of(name, "reminded")]
    assert counts == [each["count"] for each in reminded]
    assert sum(1 + each.get("missed", 0) for each in reminded) == TIMES


def test_a_worker_without_the_topic_it_should_tell_ends_and_says_what_to_do(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    site = make_site()
    site.create_topics()
    fleet = fleets(site)
    worker = fleet.one({NOTIFICATIONS: f"absent-{site.name}"})
    assert worker.wait() == 1
    [said] = worker.events("exiting")
    assert f"there is no topic absent-{site.name}; run `runner topics create`" in json.dumps(said)


def test_a_topic_that_goes_away_or_becomes_too_small_holds_nothing_up(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    told = f"notifications-{secrets.token_hex(5)}"
    site = make_site(settings={**SETTINGS, NOTIFICATIONS: told})
    site.create_topics()
    site.set_limit(told, 300)
    fleet = fleets(site)
    worker = fleet.start()
    worker.wait_for("started")
    with requester_at(site) as requester:
        requester.put(asked("StartTask", "small", "task-1", taskRoles="clerk"))
        assert requester.reply_to("small").status == "ACK"
        said = worker.wait_for("notifications_left_out")
        assert said["events"] == {"created": 1}
        site.delete_topic(told)
        requester.put(asked("StartTask", "gone", "task-2", taskRoles="clerk"))
        assert requester.reply_to("gone").status == "ACK"
