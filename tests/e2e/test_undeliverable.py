"""Answers that a topic does not take: found out before anything is changed, or waited for."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import pytest

from tests.e2e.faulty_worker import WATCH_SECONDS
from tests.e2e.health import health_settings
from tests.e2e.requester import Requester, error_code, proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet

UNDELIVERABLE: Final = 13020
NOT_FOUND: Final = 10118
LIMIT: Final = 20_000
"""max.message.bytes of ``responses`` where it is small."""


@pytest.fixture
def desks() -> Iterator[Callable[..., Requester]]:
    """Make desks that close with the test: ``desks(site)``, ``desks(site, topic)``."""
    with ExitStack() as open_desks:
        yield lambda *at: open_desks.enter_context(requester_at(*at))


@pytest.fixture
def tight_site(site: Site) -> Site:
    """A site whose ``responses`` takes small messages only."""
    site.set_limit(site.responses, LIMIT)
    return site


def test_a_response_stream_that_is_not_allowed_or_not_there_is_a_fail_on_responses(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], desks: Callable[..., Requester]
) -> None:
    site = make_site()
    there, missing = f"there-{site.name}", f"missing-{site.name}"
    site.create_topics()
    site.kafka.create_topics({there: site.partitions})
    streams = {"RUNNER_RESPONSES__STREAMS": f'["{there}", "{missing}"]', WATCH_SECONDS: "0.2"}
    worker = fleets(site).one(streams, faulty=True)
    requester, elsewhere = desks(site), desks(site, there)
    requester.put(start_event("forbidden", responseStream=site.requests))
    requester.put(start_event("nowhere", {"taskId": "t"}, responseStream=missing))
    requester.put(start_event("allowed", responseStream=there))
    requester.put(proceed_event("proceed", "t"))
    assert error_code(requester.reply_to("forbidden")) == UNDELIVERABLE
    assert error_code(requester.reply_to("nowhere")) == UNDELIVERABLE
    assert elsewhere.reply_to("allowed").status == "ACK"
    # Refused means that nothing was stored.
    assert error_code(requester.reply_to("proceed")) == NOT_FOUND
    site.kafka.create_topics({missing: site.partitions})
    later = desks(site, missing)
    worker.wait_for("topic_found", topic=missing)
    requester.put(start_event("now there", {"taskId": "t"}, responseStream=missing))
    assert later.reply_to("now there").status == "ACK"


def test_a_task_whose_resumed_event_could_never_be_sent_is_not_started(
    tight_site: Site, fleets: Callable[..., Fleet], desks: Callable[..., Requester]
) -> None:
    fleets(tight_site).start()
    requester = desks(tight_site)
    requester.put(start_event("large", {"taskId": "large", "text": "x" * LIMIT}, timeout="1"))
    requester.put(proceed_event("proceed", "large"))
    refused = requester.reply_to("large")
    assert error_code(refused) == UNDELIVERABLE
    assert not refused.event["payload"]
    assert error_code(requester.reply_to("proceed")) == NOT_FOUND
    assert tight_site.open_tasks() == 0


def test_a_decision_too_large_to_send_is_refused_and_the_task_stays_open(
    tight_site: Site, fleets: Callable[..., Fleet], desks: Callable[..., Requester]
) -> None:
    fleets(tight_site).start()
    requester = desks(tight_site)
    half = "x" * (LIMIT * 6 // 10)
    requester.put(start_event("start", {"taskId": "t", "text": half}, timeout="3000"))
    # The reply would fit; the stored event and the decision together do not.
    requester.put(proceed_event("large", "t", {"text": half}, outputPattern="amount"))
    requester.put(start_event("other", {"taskId": "u", "text": half}))
    requester.put(proceed_event("small", "u", {"yes": True}))
    assert error_code(requester.reply_to("large")) == UNDELIVERABLE
    assert requester.reply_to("small").status == "SUCCESS"
    assert requester.resume_of("start").status == "TIMEOUT"
    assert requester.resume_of("other").event["payload"]["approval"] == {"yes": True}


def test_every_answer_near_the_limit_is_either_taken_by_the_broker_or_refused_before(
    tight_site: Site, fleets: Callable[..., Fleet], desks: Callable[..., Requester]
) -> None:
    worker = fleets(tight_site).start()
    requester = desks(tight_site)
    sizes = range(LIMIT - 1500, LIMIT + 100, 25)
    for size in sizes:
        requester.put(start_event(f"s{size}", {"taskId": f"t{size}", "text": "x" * size}, timeout="0"))
    statuses = [requester.reply_to(f"s{size}").status for size in sizes]
    accepted = statuses.count("ACK")
    assert 0 < accepted < len(statuses)
    assert statuses == ["ACK"] * accepted + ["FAIL"] * (len(statuses) - accepted)
    for size in sizes[:accepted]:
        assert requester.resume_of(f"s{size}").status == "TIMEOUT"
    assert not worker.events("batch_abandoned")


def test_a_limit_lowered_under_a_running_worker_holds_up_the_home_of_that_event_alone(
    site: Site, fleets: Callable[..., Fleet], desks: Callable[..., Requester]
) -> None:
    health, settings = health_settings()
    # As if it had asked for the topics just before: it finds out by the refusal alone.
    worker = fleets(site).one({**settings, WATCH_SECONDS: "3600"}, faulty=True)
    worker.wait_for("homes", open=[0, 1, 2, 3])
    health.wait_until_ready()
    site.set_limit(site.responses, LIMIT)
    requester = desks(site)
    large: dict[str, Any] = {"taskId": "large", "text": "x" * LIMIT}
    requester.put(start_event("before", {"taskId": "before"}), partition=0)
    requester.put(start_event("large", large), partition=0)
    requester.put(start_event("behind", {"taskId": "behind"}), partition=0)
    requester.put(start_event("beside", {"taskId": "beside"}), partition=1)
    assert requester.reply_to("before").status == "ACK"
    assert requester.reply_to("beside").status == "ACK"
    health.wait_until_not_ready(pausedPartitions=[0])
    requester.put(start_event("beside too", {"taskId": "beside too"}), partition=2)
    assert requester.reply_to("beside too").status == "ACK"
    site.set_limit(site.responses, 10 * LIMIT)
    assert requester.reply_to("large").status == "ACK"
    assert requester.reply_to("behind").status == "ACK"
    health.wait_until_ready()
    worker.terminate()
    assert worker.wait() == 0
    requester.read_to_the_end()
    assert sorted(a.key or b"" for a in requester.answers) == [
        b"before",
        b"behind",
        b"beside",
        b"beside too",
        b"large",
    ]
