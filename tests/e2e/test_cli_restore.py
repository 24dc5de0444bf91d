"""``runner restore``: Redis compared with the changelog, and filled again by hand."""

import json
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest
from redis import Redis

from runner.cli.restore.restore_command import restore
from runner.errors import StoreDiffers
from tests.e2e.changelog_check import changelog_findings
from tests.e2e.final_check import end_and_check
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.site import CONSUMER, Site
from tests.e2e.terminal import Finished, Terminal
from tests.e2e.typed import failed, lines, proceed, start
from tests.e2e.workers import Fleet
from tests.servers.redis_server import RedisServer

TASKS: Final = 40
ENDED: Final = 10
DIFFERS: Final = StoreDiffers.exit_code


@pytest.fixture
def server(start_redis: Callable[..., RedisServer]) -> RedisServer:
    return start_redis()


@pytest.fixture
def place(told_site: Callable[..., Site], server: RedisServer, tmp_path: Path) -> tuple[Terminal, Site]:
    """A terminal at a site with a changelog."""
    site = told_site(redis_url=server.url, partitions=3)
    return Terminal(tmp_path, site.environment()), site


def test_tasks_are_compared_and_restored_by_hand(place: tuple[Terminal, Site], server: RedisServer) -> None:
    terminal, site = place
    with _worker(terminal):
        tasks = [start(f"t-{n}", timeout="90000" if n % 2 else None) for n in range(TASKS)]
        ends = [proceed(f"t-{n}", f"p-{n}") for n in range(ENDED)]
        for sent in (tasks, ends):
            assert terminal.run("send", "--wait", "-", stdin=lines(*sent)).code == 0
        told = terminal.run("restore", "--check")
        assert (told.code, told.out) == (0, f"Redis holds what the changelog tells: {TASKS} tasks\n")
        refused = terminal.run("restore")
        failed(refused, 1, "1 members", "--check")
    assert (
        terminal.run("restore").out
        == f"nothing to restore: Redis holds what the changelog tells, {TASKS} tasks\n"
    )
    _harm(site, server)
    harmed = terminal.run("restore", "--check", "--json")
    assert _summed(harmed) == {
        "missing": ["t-11"],
        "stale": ["t-12"],
        "unexpected": ["t-new"],
        "unindexed": ["t-13"],
    }
    failed(harmed, DIFFERS, f"4 of {TASKS} tasks differ", "0 places are behind")
    failed(terminal.run("restore", "--check"), DIFFERS)
    assert terminal.run("restore").code == 0
    assert terminal.run("restore", "--check").code == 0
    assert changelog_findings(site) == []
    with server.client() as client:
        client.flushall()
    lost = terminal.run("restore", "--check", "--json")
    assert len(_summed(lost)["missing"]) > 1
    failed(lost, DIFFERS, f"{TASKS} of {TASKS} tasks differ")
    assert json.loads(terminal.run("restore", "--json").out)["records"] == TASKS
    assert terminal.run("restore", "--check").code == 0
    assert changelog_findings(site) == []
    with _worker(terminal) as log:
        late = terminal.run(
            "send", "--wait", "-", stdin=lines(proceed("t-20", "late"), proceed("t-3", "again"))
        )
        assert "SUCCESS" in late.out
        assert "10119" in late.out
        assert '"restoring"' not in log()


def test_what_moves_under_load_is_no_difference(
    place: tuple[Terminal, Site], fleets: Callable[..., Fleet]
) -> None:
    terminal, site = place
    fleet = fleets(site)
    fleet.start()
    with Load(site, seed=61, tasks=100_000, mix=BRISK, window=100) as load:
        load.run(fleet.tend, stop=lambda: load.answered > 200)
        for _ in range(2):
            with terminal.start("restore", "--check", "--json") as check:
                load.run(fleet.tend, stop=lambda: check.child.poll() is not None)
                done = check.finished()
            assert done.code == 0, done
            assert json.loads(done.out)["equal"] is True
        end_and_check(site, fleet, load)
    assert terminal.run("restore", "--check").code == 0


@pytest.mark.thorough("what a command prints on real servers; what it decides has unit tests")
def test_a_group_of_the_consumer_protocol_has_members_as_well(
    told_site: Callable[..., Site], server: RedisServer, tmp_path: Path
) -> None:
    site = told_site(redis_url=server.url, partitions=3, assignment=CONSUMER)
    terminal = Terminal(tmp_path, site.environment())
    with _worker(terminal):
        failed(terminal.run("restore"), 1, "1 members")
    assert terminal.run("restore").code == 0


@pytest.mark.thorough("what a command prints on real servers; what it decides has unit tests")
def test_every_example_works(place: tuple[Terminal, Site]) -> None:
    terminal, _ = place
    examples = [line.strip() for line in re.split(r"\[bold\]Examples", restore.__doc__ or "")[1].splitlines()]
    with _worker(terminal):
        assert terminal.run("send", "--wait", "-", stdin=lines(start("t-1"))).code == 0
    for example in filter(None, examples[1:]):
        done = terminal.shell(example)
        assert done.code == 0, done


@pytest.mark.thorough("what a command prints on real servers; what it decides has unit tests")
def test_what_is_not_there_is_named(place: tuple[Terminal, Site], server: RedisServer) -> None:
    terminal, _ = place
    failed(terminal.run("restore", RUNNER_TOPICS__TASKS=""), 1, "topics.tasks is null")
    failed(
        terminal.run("restore", RUNNER_TOPICS__TASKS="elsewhere"), 1, "no topic elsewhere", "topics create"
    )
    failed(terminal.run("restore", "--check", RUNNER_REDIS__SHARDS="8"), 1, "partitions", "redis.shards")
    server.stop()
    for arguments in (["restore"], ["restore", "--check"]):
        failed(terminal.run(*arguments), 1, "Redis does not answer", "redis.url")
    failed(terminal.run("restore", RUNNER_KAFKA__BROKERS="127.0.0.1:1"), 1, "127.0.0.1:1")


@contextmanager
def _worker(terminal: Terminal) -> Iterator[Callable[[], str]]:
    """Run a worker for the length of the block."""
    with terminal.start("worker") as worker:
        worker.wait_for('"open": [0, 1, 2]')
        yield lambda: worker.err
        assert worker.signalled(signal.SIGTERM).code == 0


def _harm(site: Site, server: RedisServer) -> None:
    """Do to a record, or an entry, what no worker does."""
    with server.client() as client:
        keys = {_id(name): name for name in client.scan_iter(f"{site.prefix}:*:task:*", count=1000)}
        assert client.delete(keys[b"t-11"]) == 1
        state = json.loads(client.hget(keys[b"t-12"], "state") or b"")
        client.hset(keys[b"t-12"], "state", json.dumps(state | {"user": "mallory"}))
        # Beside a task that is left as it is: another shard or home than those of the other three.
        index, _ = _entry(client, f"{site.prefix}:*:undated:*", "t-14")
        client.zadd(index, {"t-new": 5})
        client.zrem(*_entry(client, f"{site.prefix}:*:deadlines:*", "t-13"))


def _entry(client: Redis, indexes: str, task_id: str) -> tuple[bytes, bytes]:
    """Return the index that has an entry of a task, and the entry."""
    for index in client.scan_iter(indexes, count=1000):
        for member in client.zrange(index, 0, -1):
            if isinstance(member, bytes) and member.rpartition(b";")[2] == task_id.encode():
                return index, member
    raise AssertionError(f"no index {indexes} has {task_id}")


def _id(name: bytes) -> bytes:
    return name.rpartition(b":task:")[2]


def _summed(done: Finished) -> dict[str, list[str]]:
    """Return the ids by what is the matter with them; all that a row names are of one kind."""
    rows = [json.loads(line) for line in done.out.splitlines()]
    assert rows[-1]["equal"] is False
    found: dict[str, list[str]] = {}
    kinds = ("missing", "stale", "unexpected", "unindexed")
    for row in rows[:-1]:
        for kind in filter(row.get, kinds):
            found.setdefault(kind, []).extend(row["ids"])
    return found
