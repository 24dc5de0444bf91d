"""The changelog: there by default, and written afterwards for tasks that an earlier version began without."""

import fcntl
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e import earlier
from tests.e2e.answers import Answer, read_all, wait_until_drained
from tests.e2e.changelog_check import changelog_findings
from tests.e2e.site import TASKS, Site
from tests.e2e.terminal import Finished, Terminal
from tests.e2e.typed import comment, failed, lines, proceed, start
from tests.e2e.workers import Fleet, Worker
from tests.servers.kafka_server import KafkaServer
from tests.servers.redis_server import RedisServer
from tests.waiting import WAIT_SECONDS

DEFAULT: Final = "tasks"
FAULTY: Final = Path(__file__).with_name("faulty_fill.py")
REFUSED: Final = 4
KILLED: Final = -9


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
def _default_topic(kafka: KafkaServer) -> Iterator[None]:
    """The topic of the default name belongs to one test at a time, whichever process runs it."""
    lock = Path(tempfile.gettempdir(), f"{kafka.bootstrap.replace(':', '-')}-{DEFAULT}.lock")
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
        admin = kafka.admin()
        if DEFAULT in admin.list_topics(timeout=WAIT_SECONDS).topics:
            admin.delete_topics([DEFAULT], operation_timeout=WAIT_SECONDS)[DEFAULT].result(WAIT_SECONDS)


Place = tuple[Site, Terminal]


@pytest.fixture
def place(make_site: Callable[..., Site], server: RedisServer, tmp_path: Path) -> Callable[..., Place]:
    """Make a site with the topics of events alone, and a terminal there; ``topics.tasks`` is not set."""

    def make(**settings: str) -> Place:
        given = {**earlier.SETTINGS, TASKS: DEFAULT, **settings}
        site = make_site(partitions=earlier.PARTITIONS, redis_url=server.url, settings=given)
        site.kafka.create_topics(dict.fromkeys((site.requests, site.responses, site.dead_letters), 3))
        environment = {k: v for k, v in site.environment().items() if (k, v) != (TASKS, DEFAULT)}
        return site, Terminal(tmp_path, environment)

    return make


@pytest.mark.usefixtures("_default_topic")
def test_by_default_redis_may_lose_everything(
    place: Callable[..., Place], server: RedisServer, fleets: Callable[..., Fleet]
) -> None:
    site, terminal = place()
    fleet = fleets(site)
    missing = fleet.one()
    assert missing.wait() == 1
    assert "there is no topic tasks; run `runner topics create`" in missing.log
    assert f"{DEFAULT} created with 16 partitions" in terminal.run("topics", "create").out
    worker = fleet.start()
    worker.wait_for("homes", open=[0, 1, 2])
    assert worker.events("without_changelog") == []
    _done(terminal, *(start(f"t-{n}") for n in range(20)))
    _done(terminal, proceed("t-0", "p-0"))
    _done(terminal, comment("t-1", "c-1"), comment("t-1", "c-2"), comment("t-2", "c-3"))
    assert changelog_findings(site) == []
    with server.client() as client:
        client.flushall()
    _done(terminal, comment("t-1", "c-4", commentId=2), comment("t-0", "c-5"))
    _done(terminal, *(proceed(f"t-{n}", f"p-{n}") for n in range(1, 20)))
    assert changelog_findings(site) == []
    resumed = [answer for answer in read_all(site, site.responses) if answer.kind == "resume"]
    assert len(resumed) == 20
    assert fleet.stop() == [0]


@pytest.mark.usefixtures("_default_topic")
def test_what_was_begun_without_goes_on_so_until_it_is_filled_and_then_loses_nothing(
    place: Callable[..., Place], server: RedisServer, fleets: Callable[..., Fleet]
) -> None:
    site, terminal = place()
    fleet = fleets(site)
    earlier.put(site, "without_changelog_layout3")
    with _working(fleet) as worker:
        said = worker.events("without_changelog")
        assert "runner restore --fill-changelog" in said[0]["reason"]
        wait_until_drained(site)
    assert terminal.run("topics", "create").code == 0
    with _working(fleet):
        failed(terminal.run("restore", "--fill-changelog"), 1, "1 members", "stop all of them")
        _done(terminal, start("late"), proceed("open-1", "end-1"))
    failed(terminal.run("restore", "--check"), REFUSED, "begun without", "--fill-changelog")

    assert _killed_fill(terminal, 3) == KILLED
    failed(terminal.run("restore", "--check"), REFUSED, "begun without")
    with _working(fleet) as worker:
        assert worker.events("without_changelog")
        _done(terminal, start("later"), proceed("open-5", "end-5"))

    filled = terminal.run("restore", "--fill-changelog", "--json")
    assert filled.code == 0, filled
    told = json.loads(filled.out)
    tasks = len(earlier.OPEN | earlier.ENDED) + 2
    assert (told["topic"], told["tasks"], told["turned_on"]) == (DEFAULT, tasks, True)
    assert 0 < told["written"] < tasks + earlier.PARTS, "what was written before it was killed is kept"
    _is_complete(terminal, tasks)
    assert changelog_findings(site) == []
    again = terminal.run("restore", "--fill-changelog")
    assert (again.code, "turned on already" in again.out) == (0, True)

    with server.client() as client:
        client.flushall()
    with _working(fleet) as worker:
        assert worker.events("without_changelog") == []
        worker.wait_for("restored", records=tasks)
        left = sorted(earlier.OPEN - {"open-1", "open-5", *earlier.ELSEWHERE} | {"late", "later"})
        _done(terminal, *(proceed(task, f"last-{n}", role="manager") for n, task in enumerate(left)))
    _is_complete(terminal, tasks)
    ends = [answer for answer in read_all(site, site.responses) if answer.kind == "resume"]
    assert len(ends) == len(left) + 3, "the rest, the two before, and the one half ended"


def test_what_is_filled_is_byte_for_byte_what_the_workers_would_have_written(
    place: Callable[..., Place], server: RedisServer
) -> None:
    """Of a batch that was applied and not committed, nothing: a reader was never told of it."""
    site, terminal = place(**{TASKS: f"tasks-{os.urandom(5).hex()}"})
    assert terminal.run("topics", "create").code == 0
    earlier.put(site, "with_changelog_layout3", changelog=False)
    with server.client() as client:
        client.hset(f"{site.prefix}:{{meta}}:owner", "changelog", "none")
        for key in client.scan_iter(f"{site.prefix}:*:home:*", count=1000):
            client.hdel(key, "applied_offset")
        client.delete(*client.scan_iter(f"{site.prefix}:*:verified", count=1000))
    assert terminal.run("restore", "--fill-changelog").code == 0
    by_workers = {}
    for partition, _, key, value, headers in earlier.recording(site, "with_changelog_layout3")["tasks"]:
        by_workers[key] = (partition, value, dict(headers))
    assert {_key(m): _rest(m) for m in read_all(site, str(site.tasks))} == by_workers
    _is_complete(terminal, len(by_workers) - earlier.PARTS)


def test_what_was_begun_with_a_changelog_goes_on_with_it(
    place: Callable[..., Place], server: RedisServer, fleets: Callable[..., Fleet]
) -> None:
    site, terminal = place(**{TASKS: f"tasks-{os.urandom(5).hex()}"})
    fleet = fleets(site)
    assert terminal.run("topics", "create").code == 0
    earlier.put(site, "with_changelog_layout3")
    with _working(fleet) as worker:
        wait_until_drained(site)
        assert worker.events("restoring") == []
    tasks = len(earlier.OPEN | earlier.ENDED)
    _is_complete(terminal, tasks)
    with server.client() as client:
        client.flushall()
    with _working(fleet) as worker:
        worker.wait_for("restored", records=tasks)
    _is_complete(terminal, tasks)


def test_a_key_space_of_the_layout_before_is_refused_and_restored_from_its_changelog(
    place: Callable[..., Place], server: RedisServer, fleets: Callable[..., Fleet]
) -> None:
    """The upgrade that docs/operations.md describes: stop all, empty Redis, start the new version."""
    site, terminal = place(**{TASKS: f"tasks-{os.urandom(5).hex()}"})
    fleet = fleets(site)
    assert terminal.run("topics", "create").code == 0
    earlier.put(site, "with_feed_8aabc95")
    failed(terminal.run("worker"), REFUSED, "layout 2, this runner has 3", "Upgrades")
    failed(terminal.run("restore", "--check"), REFUSED, "layout 2", "Upgrades")
    with server.client() as client:
        client.delete(*client.scan_iter(f"{site.prefix}:*", count=1000))
    tasks = len(earlier.OPEN | earlier.ENDED)
    with _working(fleet) as worker:
        worker.wait_for("restored", records=tasks - 1)
        wait_until_drained(site)
        _done(terminal, comment("open-2", "c-1"), proceed("open-2", "end-2"))
    _is_complete(terminal, tasks)
    assert changelog_findings(site) == []


def test_what_cannot_be_is_refused_with_the_way_out(
    place: Callable[..., Place], fleets: Callable[..., Fleet]
) -> None:
    named = f"tasks-{os.urandom(5).hex()}"
    site, terminal = place(**{TASKS: named})
    fleet = fleets(site)
    failed(terminal.run("restore", "--fill-changelog"), 1, f"no topic {named}", "topics create")
    assert terminal.run("topics", "create").code == 0
    failed(terminal.run("restore", "--fill-changelog"), 1, "no worker has run")
    failed(terminal.run("restore", "--check", "--fill-changelog"), 2)
    earlier.put(site, "without_changelog_layout3")
    failed(terminal.run("worker"), REFUSED, "begun without a changelog", "--fill-changelog", "null")
    off = {TASKS: "null"}
    failed(terminal.run("restore", "--fill-changelog", **off), 1, "topics.tasks is null")
    failed(
        terminal.run("restore", "--fill-changelog", RUNNER_DELIVERY="at_least_once"), 1, "serves lists only"
    )
    with _working(fleet, off) as worker:
        assert "topics.tasks is null" in worker.events("without_changelog")[0]["reason"]
        assert "only copy" in worker.events("without_changelog")[0]["reason"]
    assert terminal.run("restore", "--fill-changelog").code == 0
    with _working(fleet) as worker:
        wait_until_drained(site)
        assert worker.events("restoring") == [], "Redis is believed to hold what it was filled from"
    _is_complete(terminal, len(earlier.OPEN | earlier.ENDED))
    failed(terminal.run("worker", **off), REFUSED, "changelog")
    failed(terminal.run("worker", RUNNER_DELIVERY="at_least_once"), REFUSED, "set it to exactly_once")


def test_without_transactions_it_serves_lists(
    place: Callable[..., Place], fleets: Callable[..., Fleet]
) -> None:
    settings = {TASKS: f"tasks-{os.urandom(5).hex()}", "RUNNER_DELIVERY": "at_least_once"}
    site, terminal = place(**settings)
    fleet = fleets(site)
    assert terminal.run("topics", "create").code == 0
    for round_of in ("first", "second"):
        with _working(fleet) as worker:
            assert len(worker.events("changelog_for_lists")) == 1
            _done(terminal, start(round_of))
            _done(terminal, proceed(round_of, f"p-{round_of}"))
    assert changelog_findings(site) == []
    failed(terminal.run("worker", RUNNER_DELIVERY="exactly_once"), REFUSED, "--fill-changelog")


class _working:  # noqa: N801 - read as a block
    """One worker with all partitions, for the length of a block; it stops in good order."""

    def __init__(self, fleet: Fleet, settings: dict[str, str] | None = None) -> None:
        self._worker = fleet.one(settings)

    def __enter__(self) -> Worker:
        self._worker.wait_for("homes", open=[0, 1, 2])
        return self._worker

    def __exit__(self, *error: object) -> None:
        self._worker.terminate()
        assert self._worker.wait() == 0 or error[0] is not None, self._worker.last_lines()


def _done(terminal: Terminal, *events: dict[str, Any]) -> None:
    """Send events, and wait for their answers; all succeed."""
    sent = terminal.run("send", "--wait", "-", stdin=lines(*events))
    assert sent.code == 0, f"{sent.out}{sent.err}"


def _killed_fill(terminal: Terminal, commits: int) -> int:
    return subprocess.run(
        [sys.executable, str(FAULTY), str(commits)],
        env=terminal.environment({}),
        cwd=terminal.folder,
        check=False,
        timeout=60,
    ).returncode


def _is_complete(terminal: Terminal, tasks: int) -> Finished:
    done = terminal.run("restore", "--check", "--json")
    assert (done.code, json.loads(done.out)) == (0, {"tasks": tasks, "equal": True}), done
    return done


def _key(message: Answer) -> str:
    return (message.key or b"").decode()


def _rest(message: Answer) -> tuple[int, str | None, dict[str, str]]:
    value = None if message.value is None else message.value.decode()
    return message.partition, value, message.headers
