"""Servers and processes of the API that go away: clear answers meanwhile, and nothing done twice."""

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from runner.config import load
from runner.kafka.reader import read_topics
from runner.kafka.topic_message import RESUME
from tests.e2e.site import Site, session_ms
from tests.e2e.web import Web, create_topics, office, web_settings
from tests.servers.fixtures import REQUIRE_KAFKA
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.own_kafka import OwnBroker
from tests.servers.redis_server import RedisServer
from tests.waiting import until

TASKS: Final = 60
AT_ONCE: Final = 6
COMMENTS: Final = 3
KILLS: Final = 6
AGAIN: Final = frozenset({502, 503, 504})


@pytest.fixture
def own_broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker that nobody else uses."""
    try:
        broker = OwnBroker(tmp_path_factory.mktemp("broker"))
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)
    broker.start()
    yield broker
    broker.stop()


def test_an_outage_of_redis_is_503_and_lists_go_on(
    make_site: Callable[..., Site], start_redis: Callable[..., RedisServer]
) -> None:
    server = start_redis(appendonly=True)
    site = make_site(settings=web_settings(), redis_url=server.url)
    create_topics(site)
    with office(site) as desk:
        web = desk.open()
        path = desk.started(web)
        desk.listed(web, "ann", path)

        server.kill()

        away = web.get("ann", path)
        assert (away.status_code, away.headers["content-type"]) == (503, "application/problem+json")
        assert away.headers["retry-after"]
        assert web.post("ann", f"{path}/claim").status_code == 503
        assert len(web.get("ann", "/tasks").json()["tasks"]) == 1
        until(lambda: web.get("ann", "/health/ready").status_code == 503, "the outage to be told")
        assert "Redis" in web.get("ann", "/health/ready").text
        server.restart()
        until(lambda: web.get("ann", path).status_code == 200, "the task")
        assert again(web, "ann", f"{path}/claim", None, "k")["task"]["owner"] == "ann"
        until(lambda: web.get("ann", "/health/ready").status_code == 200, "the process to be ready")


@pytest.mark.thorough("a broker of its own is stopped and started")
def test_an_outage_of_kafka_is_503_or_504_and_the_same_key_asks_again(
    own_broker: OwnBroker, valkey: RedisServer, tmp_path: Path
) -> None:
    settings = web_settings(RUNNER_WEB__COMMANDSECONDS="5")
    kafka = own_broker.server
    site = Site(kafka, valkey.url, tmp_path, session_ms(kafka), settings=settings)
    create_topics(site)
    with office(site) as desk:
        web = desk.open()
        path = desk.started(web)

        own_broker.stop()

        lost = web.post("ann", f"{path}/comments", {"text": "once"}, key="k")
        assert lost.status_code in {503, 504}, lost.text
        until(lambda: web.post("ann", f"{path}/claim").status_code == 503, "the outage to be noticed")
        assert web.get("ann", path).status_code == 200
        own_broker.start()

        def is_answered() -> dict[str, Any] | None:
            # A worker that is stuck in a call into its client ends, and is started again.
            desk.fleet.tend()
            return _answered(web, "ann", f"{path}/comments", {"text": "once"}, "k")

        assert until(is_answered, "the comment")["task"]["comments"] == 1
        assert len(web.get("ann", f"{path}/comments").json()["comments"]) == 1


@pytest.mark.thorough("processes are killed again and again under load")
def test_killed_again_and_again_no_command_is_lost_or_doubled(make_site: Callable[..., Site]) -> None:
    site = make_site(settings=web_settings(RUNNER_WEB__COMMANDSECONDS="5"))
    create_topics(site)
    with office(site) as desk:
        desk.open()
        desk.open()
        living = desk.pair
        crowd = _Crowd(living)
        with ThreadPoolExecutor(AT_ONCE) as people:
            stories = [people.submit(crowd.story, number) for number in range(TASKS)]
            for kill in range(KILLS):
                until(lambda k=kill: crowd.done > TASKS * k // (KILLS + 2), "the stories to go on")  # type: ignore[misc]
                living[kill % 2].kill()
                living[kill % 2] = desk.open()
            paths = [each.result() for each in stories]
        for path in paths:
            texts = Counter(
                each["text"] for each in living[0].get("root", f"{path}/comments").json()["comments"]
            )
            assert texts == {f"comment {number}": 1 for number in range(COMMENTS)}, path
            assert living[0].get("root", path).json()["status"] == "DONE"
        assert _resumed(site) == Counter({path.rsplit("/", 1)[1]: 1 for path in paths})


class _Crowd:
    """People who ask until they are answered, whichever process is there."""

    def __init__(self, living: list[Web]) -> None:
        self._living = living
        self._lock = threading.Lock()
        self.done = 0

    def story(self, number: int) -> str:
        """Start a task, comment on it and finish it; return its path."""
        seeded = random.Random(number)
        body = {"domain": "default", "taskId": f"story-{number}", "roles": ["manager"]}
        path = "/tasks/default/story-" + str(number)
        self._ask(seeded, "sam", "/tasks", body, f"start-{number}")
        for comment in range(COMMENTS):
            self._ask(seeded, "ann", f"{path}/comments", {"text": f"comment {comment}"}, f"c-{comment}")
        self._ask(seeded, "bob", f"{path}/proceed", {"answers": {"n": number}}, "end")
        with self._lock:
            self.done += 1
        return path

    def _ask(self, seeded: random.Random, who: str, path: str, body: Any, key: str) -> None:
        until(lambda: _answered(seeded.choice(self._living), who, path, body, key), f"{key} of {path}")


def again(web: Web, who: str, path: str, body: Any, key: str) -> dict[str, Any]:
    """Return the answer to a command, which is asked again until there is one."""
    return until(lambda: _answered(web, who, path, body, key), f"{key} of {path}")


def _answered(web: Web, who: str, path: str, body: Any, key: str) -> dict[str, Any] | None:
    try:
        answer = web.post(who, path, body, key=key)
    except (httpx.TransportError, AssertionError):
        return None  # it was killed
    if answer.status_code in AGAIN:
        return None
    assert answer.status_code in {200, 201}, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _resumed(site: Site) -> Counter[str]:
    """Return how often each task has gone on, by the topic of replies."""
    settings = {name: value for name, value in site.environment().items() if name.startswith("RUNNER_")}
    config = load(None, settings)
    with read_topics(config, [str(config.topics.replies)], from_beginning=True) as reader:
        return Counter(each.task_id for each in reader.rest() if each.kind == RESUME)
