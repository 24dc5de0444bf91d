"""``runner demo --live``: the story on a real Kafka and Redis, with a worker that runs there already."""

import secrets
from collections.abc import Callable

import pytest

from tests.e2e.site import NOTIFICATIONS, Site
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")


def test_the_demo_plays_on_a_real_site_with_its_workers_beside_others_and_again(
    make_site: Callable[..., Site],
) -> None:
    site = make_site(
        settings={
            "RUNNER_DOMAINS__DEFAULT__ADMINROLE": "admin",
            "RUNNER_DOMAINS__DEFAULT__NOTIFY": '["created", "reminded", "escalated"]',
            NOTIFICATIONS: f"notifications-{secrets.token_hex(5)}",
        }
    )
    site.create_topics()
    terminal = Terminal(site.folder, site.environment())
    with terminal.start("worker") as worker:
        worker.wait_for('"open": [0, 1, 2, 3]')
        with terminal.start("demo", "--live") as other:
            first = terminal.run("demo", "--live")
            overlap = other.finished(60)

    for told in (first, overlap):
        assert told.code == 0, told
        assert told.out.count("✓") == 24
        assert "✗" not in told.out
        assert site.kafka.bootstrap in told.out
