"""``runner bench`` on real servers: what it measures, and that nothing of it stays."""

import json
import signal

import pytest
import redis

from tests.e2e.site import Site
from tests.e2e.terminal import Terminal
from tests.e2e.typed import failed
from tests.waiting import until

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")


def test_it_measures_in_a_place_of_its_own_and_leaves_nothing(
    terminal_and_site: tuple[Terminal, Site],
) -> None:
    terminal, site = terminal_and_site
    before = sum(site.ends(site.requests).values())

    measured = terminal.run("bench", "--tasks", "300", "--in-flight", "100", "--partitions", "3", "--json")

    assert measured.code == 0, measured.err
    figures = json.loads(measured.out)
    assert {name: figures[name] for name in ("tasks", "events", "failed", "workers")} == {
        "tasks": 300,
        "events": 600,
        "failed": 0,
        "workers": 1,
    }
    assert figures["eventsPerSecond"] > 0
    for spread in figures["latencyMs"].values():
        assert 0 < spread["p50"] <= spread["p95"] <= spread["p99"]
    assert sum(site.ends(site.requests).values()) == before
    assert_nothing_left(site)


def assert_nothing_left(site: Site) -> None:
    left = [name for name in site.admin().list_topics(timeout=30).topics if f"{site.name}-bench" in name]
    assert left == []
    with redis.Redis.from_url(site.redis_url) as client:
        assert list(client.scan_iter(f"{site.prefix}:bench-*", count=1000)) == []


@pytest.mark.usefixtures("_ctrl_c")
def test_a_measurement_that_is_broken_off_leaves_nothing_either(
    terminal_and_site: tuple[Terminal, Site],
) -> None:
    terminal, site = terminal_and_site
    with terminal.start("bench", "--tasks", "1000000", "--partitions", "2") as running:
        with redis.Redis.from_url(site.redis_url) as client:
            pattern = f"{site.prefix}:bench-*:task:*"
            until(lambda: any(client.scan_iter(pattern, count=1000)), "tasks")
        ended = running.signalled(signal.SIGINT)

    assert ended.code == 130
    assert_nothing_left(site)


def test_workers_that_run_are_measured_only_where_that_is_meant(
    terminal_and_site: tuple[Terminal, Site],
) -> None:
    terminal, site = terminal_and_site
    before = sum(site.ends(site.requests).values())

    failed(terminal.run("bench", "--running"), 1, f"through {site.requests}", "say --yes if that is meant")
    failed(terminal.run("bench", "--running", "--domain", "no", "--yes"), 1, "there is no domain no")
    assert sum(site.ends(site.requests).values()) == before

    measured = terminal.run("bench", "--running", "--yes", "--domain", "quiet", "--tasks", "20")
    assert measured.code == 0, measured.err
    assert "40 events of 20 tasks answered in" in measured.out
    assert sum(site.ends(site.requests).values()) >= before + 80


def test_a_worker_that_cannot_start_is_told(terminal_and_site: tuple[Terminal, Site]) -> None:
    terminal, _ = terminal_and_site

    ended = terminal.run("bench", "--tasks", "10", RUNNER_REDIS__URL="redis://127.0.0.1:1/0")

    failed(ended, 1, "a worker ended by itself: ", "Redis does not answer")
