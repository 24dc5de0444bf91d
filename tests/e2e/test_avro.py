"""An estate in Avro: requests with a schema registry, responses without, through crashes and outages."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import pytest

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.checker import check
from tests.e2e.load import Load
from tests.e2e.mix import BRISK
from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.terminal import Terminal
from tests.e2e.trouble import FENCED, Killer
from tests.e2e.values import ENVELOPE, registered, single_object, turned
from tests.e2e.workers import Fleet
from tests.servers.schema_registry import SchemaRegistryServer, running_registry

TASKS: Final = 250
KILLS: Final = 3
SEED: Final = 11


@dataclass(frozen=True, slots=True)
class Estate:
    """A site with Avro topics and its registry; two schemas are registered, ours under the first id."""

    site: Site
    registry: SchemaRegistryServer
    ours: int
    turned: int


@pytest.fixture
def estate(make_site: Callable[..., Site], tmp_path: Path) -> Iterator[Estate]:
    """Requests in Confluent's wire format, written with a schema of others; responses in single objects."""
    folder = tmp_path / "registry"
    folder.mkdir()
    with running_registry(folder) as registry:
        name = uuid.uuid4().hex[:10]
        encodings = {f"requests-{name}": "confluent-avro", f"responses-{name}": "avro"}
        settings = {
            "RUNNER_ENCODING__TOPICS": json.dumps(encodings),
            "RUNNER_SCHEMAREGISTRY__URL": registry.url,
            "RUNNER_SCHEMAREGISTRY__TIMEOUTMS": "1000",
            "RUNNER_LIMITS__POISONINAROW": "0",
        }
        ours = registry.register(f"requests-{name}-value", ENVELOPE)
        other = registry.register(f"requests-{name}-value", turned())
        values = registered(other, {ours: ENVELOPE, other: turned()})
        site = make_site(name=name, settings=settings, written=values, answered=single_object())
        site.create_topics()
        yield Estate(site, registry, ours, other)


def test_kill_9_under_load_loses_and_doubles_nothing_in_avro(
    estate: Estate, fleets: Callable[..., Fleet]
) -> None:
    site = estate.site
    fleet = fleets(site, frozenset({FENCED}))
    fleet.start()
    fleet.start()
    with Load(site, SEED, TASKS, BRISK) as load:
        killer = Killer(fleet, load, Random(SEED), KILLS)
        load.run(killer)
        wait_until_drained(site)
        assert set(fleet.stop()) == {0}
        report = check(load.sent, read_all(site, site.responses))
    assert not report.findings, report.say()
    assert killer.kills > 0
    assert site.open_tasks() == 0
    assert site.ends(site.dead_letters) == dict.fromkeys(range(site.partitions), 0)
    # What the runner sent to itself is Avro as well, under the id of its own schema.
    starts = {(message.value or b"")[:5] for message in read_all(site, site.requests)}
    assert starts == {b"\x00" + number.to_bytes(4, "big") for number in (estate.ours, estate.turned)}


def test_a_registry_that_goes_away_is_waited_for_and_what_is_no_avro_is_buried(
    estate: Estate, fleets: Callable[..., Fleet]
) -> None:
    site, registry = estate.site, estate.registry
    worker = fleets(site).start()
    with requester_at(site) as requester, requester_at(site, site.dead_letters) as graves:
        worker.wait_for("homes", open=[0, 1, 2, 3])
        late = registry.register("elsewhere", {**turned(), "doc": "not seen before"})
        unseen = site.written.write(start_event("unseen", {"taskId": "unseen"}))
        unseen = b"\x00" + late.to_bytes(4, "big") + unseen[5:]
        registry.stop()
        requester.put(unseen, partition=1)
        worker.wait_for("batch_abandoned", code="SCHEMAS_UNAVAILABLE")
        registry.start()
        assert requester.reply_to("unseen").status == "ACK"

        poison = {
            b'{"requestMeta":{"id":"json"}}': "NOT_AVRO",
            b"\x00\x00\x00\xff\xff" + unseen[5:]: "UNKNOWN_SCHEMA",
            unseen[:-2]: "NOT_AVRO",
        }
        for value in poison:
            requester.put(value)
        for value, reason in poison.items():
            grave = graves.wait_for(reason, lambda a, value=value: a.value == value)  # type: ignore[misc]
            assert grave.headers["dead-letter-reason"] == reason
        requester.put(proceed_event("after", "unseen"), partition=2)
        assert requester.reply_to("after").status == "SUCCESS"
        assert requester.resume_of("unseen").event["payload"] == {"taskId": "unseen", "approval": True}


def test_without_a_registry_a_worker_says_so_and_ends(estate: Estate, fleets: Callable[..., Fleet]) -> None:
    estate.registry.stop()
    worker = fleets(estate.site).one({"RUNNER_WORKER__STARTSECONDS": "6"})
    assert worker.wait() == 1
    [event] = worker.events("exiting")
    assert "check schemaRegistry.url, or start the registry" in event["reason"]


@pytest.mark.thorough("what a command prints on real servers; what it decides has unit tests")
def test_the_command_line_writes_and_reads_avro(estate: Estate, fleets: Callable[..., Fleet]) -> None:
    site = estate.site
    terminal = Terminal(site.folder, site.environment())
    worker = fleets(site).start()
    worker.wait_for("homes", open=[0, 1, 2, 3])
    lines = "".join(
        json.dumps(event) + "\n"
        for event in (start_event("r-1", {"taskId": "t-1"}, timeout=60_000), start_event("r-2", more=1))
    )
    sent = terminal.run("send", "--wait", "-", stdin=lines)
    assert (sent.code, sent.out.count("ACK")) == (0, 2), sent.err
    ended = terminal.run("task", "proceed", "t-1", "--json")
    assert (ended.code, json.loads(ended.out)["status"]) == (0, "SUCCESS"), ended.err
    seen = terminal.run("tail", "--from-beginning", "--until-idle", "1", "--json")
    events: list[Any] = [json.loads(line)["event"] for line in seen.out.splitlines()]
    assert {event["result"]["status"] for event in events} == {"ACK", "SUCCESS", "PROCEEDED"}
    written = read_all(site, site.requests)
    ours = b"\x00" + estate.ours.to_bytes(4, "big")
    assert all((message.value or b"").startswith(ours) for message in written)
    assert replace(written[0], read=site.written.read).event["requestMeta"]["id"] in {"r-1", "r-2"}
