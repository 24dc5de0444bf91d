"""The traces of real workers, as a collector gets them; and that nothing depends on the collector."""

import urllib.request
from collections.abc import Callable, Iterator
from typing import Final

import pytest

from runner.embedded.subprocesses import HOST, free_port
from tests.e2e.collector import GcPacer, Span
from tests.e2e.faulty_worker import AFTER_APPLY, FAULT
from tests.e2e.health import health_settings
from tests.e2e.requester import proceed_event, requester_at, start_event
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.waiting import WAIT_SECONDS, until

ENDPOINT: Final = "RUNNER_TRACES__ENDPOINT"
STEPS: Final = {"decode", "load", "decide", "apply", "commit"}
START: Final = "0af7651916cd43dd8448eb211c80319c"
END: Final = "4bf92f3577b34da6a3ce929d0e0e4736"
LATE: Final = "80e1afed08e019fc1110464cfa66635c"
SENDER: Final = "00f067aa0ba902b7"
KILLED: Final = -9


def context(trace: str) -> dict[str, bytes]:
    """Give the headers of a sender that records."""
    return {"traceparent": f"00-{trace}-{SENDER}-01".encode()}


@pytest.fixture
def collector() -> Iterator[GcPacer]:
    with GcPacer() as listening:
        yield listening


def request_of(collector: GcPacer, request_id: str) -> Span:
    """Return the span of a request."""

    def is_it(span: Span) -> bool:
        return span.attributes.get("messaging.message.conversation_id") == request_id

    return collector.wait_for(f"the request {request_id}", is_it)


def resumed_in(collector: GcPacer, trace: str) -> Span:
    """Return the span of a resumed event in a trace."""
    return collector.wait_for(
        f"a resumed event in {trace}", lambda span: span.trace == trace and span.name.startswith("send ")
    )


def test_a_saga_can_be_followed_from_its_start_through_a_crash_to_what_ended_it(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet], collector: GcPacer
) -> None:
    site = make_site(settings={ENDPOINT: collector.endpoint})
    site.create_topics()
    fleet = fleets(site)
    dying = fleet.one({FAULT: f"{AFTER_APPLY}/1/kill"}, faulty=True)
    with requester_at(site) as requester:
        requester.put(start_event("start"), 1, headers=context(START))
        assert dying.wait() == KILLED
        worker = fleet.start()
        task_id = requester.reply_to("start").event["result"]["task"]["id"]
        started = request_of(collector, "start")
        assert (started.trace, started.parent, started.service) == (START, SENDER, site.group)
        assert started.attributes["runner.redelivered"] is True
        assert started.attributes["runner.status"] == "ACK"
        assert started.attributes["messaging.destination.name"] == site.requests
        steps = collector.below(started)
        assert {step.name for step in steps} == STEPS
        assert all(started.began_ns <= step.began_ns <= step.ended_ns <= started.ended_ns for step in steps)

        requester.put(proceed_event("end", task_id), 1, headers=context(END))
        assert requester.resume_of("start").headers["traceparent"] == context(START)["traceparent"].decode()
        assert requester.reply_to("end").headers["traceparent"] == context(END)["traceparent"].decode()
        ended, resumed = request_of(collector, "end"), resumed_in(collector, START)
        assert (ended.trace, resumed.parent, resumed.links) == (END, SENDER, (ended.id,))

        requester.put(start_event("late", timeout=300), 2, headers=context(LATE))
        assert requester.resume_of("late").status == "TIMEOUT"
        resumed = resumed_in(collector, LATE)
        timer = collector.wait_for("the timer", lambda span: span.id in resumed.links)
        assert (timer.attributes["runner.timer"], resumed.attributes["runner.status"]) == (True, "TIMEOUT")

        requester.put(start_event("last"), 3)
        requester.reply_to("last")
        worker.terminate()
        assert worker.wait() == 0
        assert request_of(collector, "last").parent == "", "what waits at the end is sent"


def test_a_collector_that_is_not_there_costs_spans_and_nothing_else(
    make_site: Callable[..., Site], fleets: Callable[..., Fleet]
) -> None:
    health, settings = health_settings()
    nobody = f"http://{HOST}:{free_port()}"
    site = make_site(settings={ENDPOINT: nobody, "OTEL_EXPORTER_OTLP_TIMEOUT": "1", **settings})
    site.create_topics()
    worker = fleets(site).start()
    health.wait_until_ready()
    with requester_at(site) as requester:
        for n in range(20):
            requester.put(start_event(f"start-{n}"), n % 4, headers=context(START))
        for n in range(20):
            task_id = requester.reply_to(f"start-{n}").event["result"]["task"]["id"]
            requester.put(proceed_event(f"end-{n}", task_id), n % 4)
        assert {requester.resume_of(f"start-{n}").status for n in range(20)} == {"PROCEEDED"}
    until(lambda: dropped(health.port) > 0, "spans that are counted as dropped")
    assert health.ready()[0] == 200
    assert len(worker.events("spans_not_sent")) == 1
    assert worker.events("spans_not_sent")[0]["endpoint"] == f"{nobody}/v1/traces"
    worker.terminate()
    assert worker.wait() == 0, "a worker that waits for a collector is stopped late"


def dropped(port: int) -> float:
    """Return how many spans a worker says it has dropped."""
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=WAIT_SECONDS) as page:
        text = page.read().decode()
    (line,) = [line for line in text.splitlines() if line.startswith('runner_spans_total{result="dropped"}')]
    return float(line.split()[1])
