"""TLS, SCRAM and permissions on a real broker: who may work does, and who may not learns why, soon.

A case is a worker with something wrong. All cases of a run are started side by side; none of them may
hang, or say a secret.
"""

import dataclasses
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import pytest

from runner.embedded.subprocesses import HOST, free_port
from tests.e2e.health import health_settings
from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import NOTIFICATIONS, TASKS, Site
from tests.e2e.values import single_object
from tests.e2e.workers import Fleet, Worker
from tests.servers.fixtures import REQUIRE_KAFKA
from tests.servers.lanes import LaneMissing, skip_or_fail
from tests.servers.redis_rights import PASSWORD, USER, allow
from tests.servers.redis_server import RedisServer
from tests.servers.secure_kafka import Grant, SecureKafka
from tests.waiting import WAIT_SECONDS, until

OPERATIONS: Final = Path(__file__).parents[2] / "docs" / "operations.md"
ROW: Final = re.compile(r"\| (\w+) \| (topic|group|transactional id) \| ([\w-]+) \| (literal|prefixed) \|")
PROPERTY: Final = "RUNNER_KAFKA__PROPERTIES__"
SIDE_BY_SIDE: Final = 6
QUICK: Final = ("wrong password", "expired certificate", "nobody there", "no such topic")
CASE_TEST: Final = "test_who_may_not_work_is_told_why_and_exits"
# One broker for all of them.
pytestmark = pytest.mark.xdist_group("secure kafka")
IMPATIENT: Final = {"RUNNER_WORKER__STARTSECONDS": "6"}
"""Longer than one try."""


def documented() -> list[Grant]:
    """The permissions that docs/operations.md lists for a worker."""
    rows = ROW.findall(OPERATIONS.read_text())
    names = {"DescribeConfigs": "DESCRIBE_CONFIGS"}
    return [
        Grant(
            names.get(operation, operation.upper()), resource.replace(" ", "_").upper(), name, pattern.upper()
        )
        for operation, resource, name, pattern in rows
    ]


@dataclass(frozen=True, slots=True)
class Place:
    """A site on the secure broker, and the users who come to it."""

    secure: SecureKafka
    site: Site

    def grants(self) -> list[Grant]:
        """The documented permissions, for the names of this site."""
        names = {
            "tasks": str(self.site.tasks),
            "requests": self.site.requests,
            "responses": self.site.responses,
            "dead-letters": self.site.dead_letters,
            "notifications": str(self.site.notifications),
            "saga-task-runner": self.site.group,
            "saga-task-runner-": f"{self.site.group}-",
        }
        return [dataclasses.replace(grant, name=names[grant.name]) for grant in documented()]

    def user(self, without: int | None = None) -> dict[str, str]:
        """Make a user with all permissions, or all but one; return the settings it comes with."""
        name, password = f"user-{secrets.token_hex(4)}", secrets.token_hex(8)
        self.secure.set_password(name, password)
        self.secure.grant(name, [grant for i, grant in enumerate(self.grants()) if i != without])
        return {
            "RUNNER_KAFKA__BROKERS": self.secure.bootstrap,
            f"{PROPERTY}SECURITY_PROTOCOL": "sasl_ssl",
            f"{PROPERTY}SASL_MECHANISM": "SCRAM-SHA-512",
            f"{PROPERTY}SASL_USERNAME": name,
            f"{PROPERTY}SASL_PASSWORD": password,
            f"{PROPERTY}SSL_CA_LOCATION": str(self.secure.ca_file),
        }


@pytest.fixture(scope="module")
def place(valkey: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A secure broker with the five topics."""
    folder = tmp_path_factory.mktemp("secure")
    try:
        secure = SecureKafka(folder)
    except LaneMissing as missing:
        skip_or_fail(missing, REQUIRE_KAFKA)
    secure.start()
    try:
        told = {name: f"told-{secrets.token_hex(5)}" for name in (TASKS, NOTIFICATIONS)}
        site = Site(secure.server, valkey.url, folder, session_ms=6000, partitions=2, settings=told)
        site.create_topics()
        yield Place(secure, site)
    finally:
        secure.stop()


@dataclass(frozen=True, slots=True)
class Case:
    """What is wrong, how it is said in the settings, and what the worker must say of it."""

    name: str
    wrong: Callable[[Place], Mapping[str, str]]
    said: str
    without: int | None = None
    passes: bool = False
    """Whether it may pass by itself, as far as can be told: then it is waited for."""

    def __str__(self) -> str:
        return self.name


def _without(number: int, grant: Grant) -> Case:
    said = {
        "TOPIC": f"{grant.operation.title()} on topic",
        "GROUP": "allow Read on it",
        "TRANSACTIONAL_ID": "no permission for transactional ids",
    }
    name = f"without {grant.operation} on {grant.resource} {grant.name}"
    return Case(name, lambda _: {}, said[grant.resource], without=number)


def _allowed_but_absent(place: Place) -> Mapping[str, str]:
    settings = place.user()
    user = settings[f"{PROPERTY}SASL_USERNAME"]
    place.secure.grant(user, [Grant("READ", "TOPIC", "absent"), Grant("WRITE", "TOPIC", "absent")])
    return {**settings, "RUNNER_TOPICS__REQUESTS": "absent"}


CASES: Final = [
    Case("wrong password", lambda _: {f"{PROPERTY}SASL_PASSWORD": "not-this-one"}, "check sasl.username"),
    Case(
        "unknown authority",
        lambda place: {f"{PROPERTY}SSL_CA_LOCATION": str(place.secure.stranger_file)},
        "unable to get local issuer certificate); check ssl.ca.location",
    ),
    Case(
        "expired certificate",
        lambda place: {"RUNNER_KAFKA__BROKERS": place.secure.expired},
        "certificate has expired",
    ),
    Case(
        "no TLS where there is",
        lambda _: {f"{PROPERTY}SECURITY_PROTOCOL": "plaintext", **IMPATIENT},
        "security.protocol in kafka.properties",
        passes=True,
    ),
    Case(
        "TLS where there is none",
        lambda place: {"RUNNER_KAFKA__BROKERS": place.secure.server.bootstrap, **IMPATIENT},
        "check security.protocol",
        passes=True,
    ),
    Case(
        "nobody there",
        lambda _: {"RUNNER_KAFKA__BROKERS": f"{HOST}:{free_port()}", **IMPATIENT},
        "check kafka.brokers, or start it",
        passes=True,
    ),
    Case("no such topic", _allowed_but_absent, "there is no topic absent"),
    *(_without(i, grant) for i, grant in enumerate(documented()) if grant.operation != "DESCRIBE_CONFIGS"),
]


@pytest.fixture(scope="module")
def refused(
    request: pytest.FixtureRequest, place: Place
) -> Iterator[dict[Case, Future[tuple[int, str, str]]]]:
    """Every case that is to be tested, under way: exit code, log, and the password that may not be in it."""

    def run(number: int, case: Case) -> tuple[int, str, str]:
        settings = {**place.user(case.without), **case.wrong(place)}
        with Worker(place.site, f"refused-{number}", settings) as worker:
            code = worker.wait(WAIT_SECONDS)
            return code, worker.log, settings[f"{PROPERTY}SASL_PASSWORD"]

    wanted = [
        cast(Case, item.callspec.params["case"])
        for item in request.session.items
        if isinstance(item, pytest.Function) and item.originalname == CASE_TEST
    ]
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        yield {case: pool.submit(run, number, case) for number, case in enumerate(wanted)}


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(
            case,
            id=case.name,
            marks=() if case.name in QUICK else pytest.mark.thorough("one more of what may be wrong"),
        )
        for case in CASES
    ],
)
def test_who_may_not_work_is_told_why_and_exits(
    refused: dict[Case, Future[tuple[int, str, str]]], case: Case
) -> None:
    code, log, password = refused[case].result()
    assert code == 1, log
    reason = log.splitlines()[-1]
    assert case.said in reason, log
    assert ('"event": "waiting"' in log) is case.passes, log
    assert "Traceback" not in log
    assert password not in log


def test_the_documented_permissions_are_enough_and_what_is_taken_away_is_waited_for(place: Place) -> None:
    assert len(documented()) >= 6
    settings = place.user()
    user = settings[f"{PROPERTY}SASL_USERNAME"]
    health, port = health_settings()
    with Fleet(place.site) as fleet, requester_at(place.site) as requester:
        worker = fleet.one({**settings, **port})
        worker.wait_for("homes", open=[0, 1])
        requester.put(start_event("one", {"taskId": "task"}), 0)
        requester.reply_to("one")
        # At the other home: sent on, which needs Write on requests.
        requester.put(proceed_event("two", "task"), 1)
        requester.reply_to("two")
        requester.put(b"not an event")
        until(lambda: sum(place.site.ends(place.site.dead_letters).values()) > 0, "a dead letter")
        assert not worker.events("topic_limit_unknown")
        assert worker.events("started")[0]["replies"] is None, "that permission is for runner web alone"
        assert not worker.events("topics_forbidden")

        grant = Grant("WRITE", "TOPIC", place.site.responses)
        place.secure.take_away(user, grant)
        requester.put(start_event("three"))
        refusal = f"no permission: Write on topic {place.site.responses}"
        until(lambda: refusal in worker.log, refusal)
        assert "Kafka does not take" in str(health.wait_until_not_ready()["reasons"])
        assert worker.exit_code is None
        place.secure.grant(user, [grant])
        requester.reply_to("three")
        health.wait_until_ready()
        worker.terminate()
        assert worker.wait() == 0
        assert settings[f"{PROPERTY}SASL_PASSWORD"] not in worker.log
        requester.read_to_the_end()
    assert len([answer for answer in requester.answers if answer.key == b"three"]) == 1


@pytest.mark.thorough("the documented permissions again, for what is done by hand")
def test_restoring_needs_no_more_than_what_is_documented_in_kafka_and_redis(
    place: Place, start_redis: Callable[..., RedisServer]
) -> None:
    """In Avro, and after Redis has lost everything."""
    server = start_redis()
    name = secrets.token_hex(5)
    told = {TASKS: f"tasks-{name}", "RUNNER_ENCODING__DEFAULT": "avro"}
    avro = single_object()
    site = dataclasses.replace(
        place.site, redis_url=server.url, name=name, settings=told, written=avro, answered=avro
    )
    site.create_topics()
    allow(server, site.prefix)
    settings = Place(place.secure, site).user()
    settings |= {"RUNNER_REDIS__USERNAME": USER, "RUNNER_REDIS__PASSWORD": PASSWORD}
    with Fleet(site) as fleet, requester_at(site) as requester:
        worker = fleet.one(settings)
        worker.wait_for("homes", open=[0, 1])
        requester.put(start_event("one", {"taskId": "task"}, timeout="600000"))
        requester.reply_to("one")
        with server.client() as client:
            client.flushall()
        worker.wait_for("restored", records=1)
        requester.put(proceed_event("two", "task"), 1)
        assert requester.resume_of("one").status == "PROCEEDED"
        checked = _runner(site, settings, "restore", "--check")
        assert checked.returncode == 0, checked.stderr
        worker.terminate()
        assert worker.wait() == 0
    restored = _runner(site, settings, "restore")
    assert restored.returncode == 0, restored.stderr


@pytest.mark.thorough("the documented permissions again, for what is done by hand")
def test_the_command_line_comes_in_with_the_same_settings_and_says_why_it_does_not(place: Place) -> None:
    settings = place.user()
    user = settings[f"{PROPERTY}SASL_USERNAME"]
    place.secure.grant(user, [Grant("READ", "TOPIC", place.site.responses)])
    event = json.dumps(start_event("by-hand"))
    sent = _runner(place.site, settings, "send", "-", given=event)
    assert sent.returncode == 0, sent.stderr
    shown = _runner(place.site, settings, "tail", "--from-beginning", "--until-idle", "1")
    assert shown.returncode == 0, shown.stderr
    wrong = {**settings, f"{PROPERTY}SASL_PASSWORD": "not-this-one"}
    refused = _runner(place.site, wrong, "send", "-", given=event)
    assert refused.returncode == 1
    assert "check sasl.username" in " ".join(refused.stderr.split())
    for said in (sent, shown, refused):
        assert settings[f"{PROPERTY}SASL_PASSWORD"] not in said.stdout + said.stderr
        assert "Traceback" not in said.stderr


def _runner(
    site: Site, settings: Mapping[str, str], *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command as this user."""
    environment = {**os.environ, **site.environment(), **settings}
    command = [sys.executable, "-P", "-m", "runner.cli", *arguments]
    return subprocess.run(
        command, env=environment, input=given, text=True, capture_output=True, timeout=60, check=False
    )
