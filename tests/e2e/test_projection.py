"""The lists are what the changelog says, however often those who make them are killed; on a real Kafka."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

import pytest
from sqlalchemy import inspect

from runner.projection.builds import list_builds, positions
from runner.projection.database import connect
from runner.projection.tables import LIVE
from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.projection_check import Settings, findings
from tests.e2e.site import Site
from tests.e2e.terminal import Terminal
from tests.e2e.workers import Fleet, Worker
from tests.servers.own_kafka import OwnBroker
from tests.servers.postgres_server import PostgresServer
from tests.waiting import until

PROJECTING: Final = Path(__file__).with_name("projecting.py")
ATTRIBUTES: Final = {"amount": "amount", "form": "form.taskId"}
THOROUGH: Final = pytest.mark.thorough("the same with more tasks and more deaths")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database of its own, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'lists.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


@pytest.fixture
def listed_site(told_site: Callable[..., Site]) -> Callable[[str], Site]:
    """Make sites whose lists are in a database."""

    def make(url: str) -> Site:
        projection = json.dumps({"url": url, "attributes": ATTRIBUTES})
        return told_site({"RUNNER_PROJECTION": projection})

    return make


@dataclass(slots=True)
class Projectors:
    """The processes that make the lists of a site; any of them may be killed and replaced."""

    site: Site
    running: ExitStack
    random: Random
    slots: list[Worker] = field(default_factory=list)
    started: int = 0
    kills: int = 0
    next_kill: float = 0.0

    def start(self) -> None:
        self.slots.append(self._one())

    def kill_one(self) -> None:
        """Kill one, and start another in its place."""
        slot = self.random.randrange(len(self.slots))
        self.slots[slot].kill()
        self.slots[slot] = self._one()
        self.kills += 1

    def tend(self, wanted: int) -> None:
        """Kill now and then, until so many were killed; nobody ends by themselves."""
        for worker in self.slots:
            assert worker.exit_code is None, worker.last_lines()
        if self.kills < wanted and time.monotonic() > self.next_kill:
            self.next_kill = time.monotonic() + self.random.uniform(0.5, 2.5)
            self.kill_one()

    def _one(self) -> Worker:
        self.started += 1
        worker = Worker(self.site, f"projector-{self.started}", {}, script=PROJECTING)
        return self.running.enter_context(worker)


@contextmanager
def projectors(site: Site, seed: int, count: int) -> Iterator[Projectors]:
    """Run so many projectors for the length of the block."""
    with ExitStack() as running:
        made = Projectors(site, running, Random(seed))
        for _ in range(count):
            made.start()
        yield made


def wait_until_read(site: Site, url: str) -> None:
    """Return once the live build has read all there is."""
    engine = connect(url)

    def has_read_all() -> bool:
        with engine.connect() as connection:
            if not inspect(connection).has_table("builds"):
                return False
        live = [build for build in list_builds(engine) if build.state == LIVE]
        known = positions(engine, live[0]) if live else {}
        assert site.tasks is not None
        ends = site.ends(site.tasks)
        return bool(known) and all(known[shard].next_offset >= end for shard, end in ends.items())

    try:
        until(has_read_all, "lists that have read the changelog to its end")
    finally:
        engine.dispose()


def judged(site: Site, url: str, *, keeps: bool = False) -> list[str]:
    """Return where the lists differ from the changelog, once all was read.

    Deadlines still fire meanwhile: what moved while it was compared is compared once more.
    """
    assert site.tasks is not None
    while True:
        wait_until_read(site, url)
        ends = site.ends(site.tasks)
        found = findings(url, read_all(site, site.tasks), Settings(ATTRIBUTES, keeps=keeps))
        if site.ends(site.tasks) == ends:
            return found


@pytest.mark.parametrize(("tasks", "kills"), [(150, 3), pytest.param(1500, 15, marks=THOROUGH, id="long")])
def test_projectors_that_are_killed_under_load_leave_what_the_changelog_says(
    url: str, listed_site: Callable[[str], Site], fleets: Callable[..., Fleet], tasks: int, kills: int
) -> None:
    site = listed_site(url)
    fleet = fleets(site)
    fleet.start()
    # Of PostgreSQL several share the work; a file of SQLite belongs to one.
    count = 1 if url.startswith("sqlite") else 2
    with projectors(site, tasks, count) as made, Load(site, tasks, tasks, BRISK, window=100) as load:

        def meanwhile() -> bool:
            fleet.tend()
            made.tend(kills)
            return made.kills == kills

        load.run(meanwhile)
        wait_until_drained(site)
        until(meanwhile, f"{kills} kills")
        assert judged(site, url) == []
    assert fleet.stop() == [0]


def test_lists_are_made_anew_beside_those_that_are_read(
    url: str, listed_site: Callable[[str], Site], fleets: Callable[..., Fleet], tmp_path: Path
) -> None:
    site = listed_site(url)
    fleet = fleets(site)
    fleet.start()
    terminal = Terminal(tmp_path, site.environment())
    missing = terminal.run("projection", "status")
    assert (missing.code, "nothing was filled yet" in missing.err) == (1, True), missing
    with projectors(site, 7, 1) as made, Load(site, 7, 200, BRISK, window=100) as load:
        load.run(stop=lambda: load.begun >= 100)
        wait_until_read(site, url)
        rebuilt = terminal.run("projection", "rebuild", "--json")
        assert rebuilt.code == 0, rebuilt
        assert json.loads(rebuilt.out)["build"] == 2
        load.run(lambda: made.tend(0))
        wait_until_drained(site)
        assert judged(site, url) == []
        shown = terminal.run("projection", "status", "--json")
        lines = [json.loads(line) for line in shown.out.splitlines()]
        assert [(each["build"], each["state"], each["behind"]) for each in lines[:-1]] == [(2, "live", 0)]
        assert lines[-1] == {"kept": 0, "keepDays": 0}
        assert "live" in terminal.run("projection", "status").out
    assert fleet.stop() == [0]


def test_a_changelog_that_was_made_again_is_read_from_its_beginning(
    url: str, listed_site: Callable[[str], Site], fleets: Callable[..., Fleet]
) -> None:
    site = listed_site(url)
    fleet = fleets(site)
    fleet.start()
    with Load(site, 8, 40, BRISK, window=100) as load:
        load.run()
    wait_until_drained(site)
    assert fleet.stop() == [0]
    with projectors(site, 8, 1):
        assert judged(site, url) == []
    assert site.tasks is not None
    site.delete_topic(site.tasks)
    site.kafka.create_topics({site.tasks: 16}, {"cleanup.policy": "compact"})
    with projectors(site, 8, 1) as made:
        made.slots[0].wait_for("live", build=2)
        said = made.slots[0].events("filling")
        assert "another topic" in said[0]["because"][0]
        assert judged(site, url) == []


def test_an_outage_of_postgresql_is_waited_for(
    postgres: PostgresServer, listed_site: Callable[[str], Site], fleets: Callable[..., Fleet]
) -> None:
    url = postgres.new_database()
    site = listed_site(url)
    fleet = fleets(site)
    fleet.start()
    with projectors(site, 9, 2) as made, Load(site, 9, 120, BRISK, window=100) as load:
        wait_until_read(site, url)
        load.run(stop=lambda: load.begun >= 60)
        postgres.kill()
        try:
            load.run()
            wait_until_drained(site)
            for worker in made.slots:
                worker.wait_for("waiting")
        finally:
            postgres.start()
        made.tend(0)
        assert judged(site, url) == []
    assert fleet.stop() == [0]


@pytest.mark.thorough("a broker of its own, which is stopped")
def test_an_outage_of_kafka_is_waited_for(tmp_path: Path) -> None:
    """Without workers: what was written before is there again afterwards, and nothing else."""
    broker = OwnBroker(tmp_path)
    broker.start()
    try:
        url = f"sqlite:///{tmp_path / 'lists.db'}"
        settings = {"RUNNER_TOPICS__TASKS": "tasks", "RUNNER_PROJECTION": json.dumps({"url": url})}
        site = Site(broker.server, "redis://127.0.0.1:1", tmp_path, 6000, settings=settings)
        broker.server.create_topics({"tasks": 16}, {"cleanup.policy": "compact"})
        with projectors(site, 1, 1) as made:
            made.slots[0].wait_for("live")
            broker.stop()
            until(lambda: made.slots[0].exit_code is None, "a projector that waits")
            broker.start()
            wait_until_read(site, url)
            assert findings(url, read_all(site, "tasks"), Settings()) == []
            made.tend(0)
    finally:
        broker.stop()
