"""What a probe is told, at every moment of a worker's life."""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import logging
import socket
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
import structlog

from runner import log
from runner.clock import ManualTicker
from runner.config import ConfigError
from runner.metrics import Metrics
from runner.telemetry.health_server import HealthServer
from runner.worker.health import HealthState

HOST = "127.0.0.1"


class Worker(NamedTuple):
    clock: ManualTicker
    state: HealthState
    metrics: Metrics
    server: HealthServer


@pytest.fixture
def worker() -> Iterator[Worker]:
    clock, metrics = ManualTicker(1000.0), Metrics()
    state = HealthState(clock())
    with HealthServer(state, metrics.registry, (HOST, 0), now=clock, live_within_seconds=30) as server:
        yield Worker(clock, state, metrics, server)


def ask(worker: Worker, path: str, method: str = "GET") -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection(HOST, worker.server.port, timeout=10)
    try:
        connection.request(method, path)
        response = connection.getresponse()
        return response.status, response.headers["Content-Type"], response.read()
    finally:
        connection.close()


def ask_json(worker: Worker, path: str) -> tuple[int, dict[str, Any]]:
    status, content_type, body = ask(worker, path)
    assert content_type.startswith("application/json")
    return status, json.loads(body)


def make_ready(worker: Worker) -> None:
    worker.state.tick(worker.clock())
    worker.state.set_assigned(4)
    worker.state.set_store(up=True)


def test_metrics_are_served_as_prometheus_reads_them(worker: Worker) -> None:
    worker.metrics.forwarded.inc(3)

    status, content_type, body = ask(worker, "/metrics")

    assert status == 200
    assert content_type.startswith("text/plain; version=")
    assert b"\nrunner_forwarded_total 3.0\n" in body


def test_a_worker_is_live_while_its_loop_comes_round(worker: Worker) -> None:
    assert ask_json(worker, "/health/live") == (200, {"live": True, "secondsSinceTick": 0})

    worker.clock.advance(30)
    assert ask_json(worker, "/health/live") == (200, {"live": True, "secondsSinceTick": 30})

    worker.clock.advance(0.5)
    assert ask_json(worker, "/health/live") == (503, {"live": False, "secondsSinceTick": 30.5})

    worker.state.tick(worker.clock())
    assert ask_json(worker, "/health/live") == (200, {"live": True, "secondsSinceTick": 0})


def test_a_worker_that_has_just_started_is_not_ready_and_says_why(worker: Worker) -> None:
    assert ask_json(worker, "/health/ready") == (
        503,
        {
            "ready": False,
            "reasons": ["no partitions are assigned", "Redis does not answer"],
            "assignedPartitions": 0,
            "storeUp": False,
            "pausedPartitions": [],
            "secondsSinceTick": 0,
        },
    )


def test_a_worker_with_partitions_and_redis_is_ready(worker: Worker) -> None:
    make_ready(worker)

    assert ask_json(worker, "/health/ready") == (
        200,
        {
            "ready": True,
            "reasons": [],
            "assignedPartitions": 4,
            "storeUp": True,
            "pausedPartitions": [],
            "secondsSinceTick": 0,
        },
    )


def test_a_partition_paused_for_poison_turns_readiness(worker: Worker) -> None:
    make_ready(worker)
    worker.state.set_paused({7, 3})

    status, body = ask_json(worker, "/health/ready")
    assert status == 503
    assert body["reasons"] == ["paused, the log says why: partitions 3, 7"]
    assert body["pausedPartitions"] == [3, 7]

    worker.state.set_paused(())
    assert ask_json(worker, "/health/ready")[0] == 200


def test_a_lost_assignment_turns_readiness(worker: Worker) -> None:
    make_ready(worker)
    worker.state.set_assigned(0)

    status, body = ask_json(worker, "/health/ready")

    assert (status, body["reasons"]) == (503, ["no partitions are assigned"])


def test_redis_that_does_not_answer_turns_readiness_but_not_liveness(worker: Worker) -> None:
    make_ready(worker)
    worker.state.set_store(up=False)

    status, body = ask_json(worker, "/health/ready")

    assert (status, body["reasons"]) == (503, ["Redis does not answer"])
    assert ask_json(worker, "/health/live")[0] == 200


def test_a_stuck_loop_is_not_ready_whatever_it_said_before(worker: Worker) -> None:
    make_ready(worker)
    worker.clock.advance(31)

    status, body = ask_json(worker, "/health/ready")

    assert (status, body["reasons"]) == (503, ["the loop has not come round for 31.0 s"])


def test_a_query_after_the_path_does_not_matter(worker: Worker) -> None:
    assert ask(worker, "/health/live?verbose=1")[0] == 200


def test_another_path_lists_the_pages(worker: Worker) -> None:
    status, body = ask_json(worker, "/")

    assert status == 404
    assert body["pages"] == ["/metrics", "/health/live", "/health/ready"]


def test_nothing_can_be_sent(worker: Worker) -> None:
    assert ask(worker, "/metrics", method="POST")[0] == 501


def test_a_page_that_fails_is_logged_and_the_next_one_is_served(worker: Worker) -> None:
    stream = io.StringIO()

    worker.metrics.open_homes.set_function(lambda: len(bytes(-1)))
    with logged(stream):
        assert ask(worker, "/metrics")[0] == 500
        assert ask(worker, "/health/live")[0] == 200

    [line] = [json.loads(text) for text in stream.getvalue().splitlines()]
    assert (line["event"], line["logger"]) == ("request_failed", "health")
    assert "negative count" in line["exception"]


@pytest.mark.parametrize("gone", [BrokenPipeError, ConnectionResetError, TimeoutError])
def test_a_probe_that_hangs_up_is_no_event(worker: Worker, gone: type[OSError]) -> None:
    stream = io.StringIO()

    with logged(stream):
        try:
            hang_up(gone)
        except OSError:
            worker.server._server.handle_error(None, (HOST, 1))

    assert stream.getvalue() == ""


def hang_up(gone: type[OSError]) -> None:
    raise gone


@contextlib.contextmanager
def logged(stream: io.StringIO) -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    log.configure("json", "info", stream)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
        structlog.reset_defaults()


def test_an_ipv6_address_may_be_listened_on(worker: Worker) -> None:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            pass
    except OSError as error:
        pytest.skip(f"this machine has no IPv6 loopback: {error}")
    server = HealthServer(worker.state, worker.metrics.registry, ("::1", 0), worker.clock)
    with server, contextlib.closing(http.client.HTTPConnection("::1", server.port, timeout=10)) as connection:
        connection.request("GET", "/health/live")
        assert connection.getresponse().status == 200


def test_many_may_ask_at_once(worker: Worker) -> None:
    make_ready(worker)
    statuses: list[int] = []
    askers = [
        threading.Thread(target=lambda: statuses.append(ask(worker, "/health/ready")[0])) for _ in range(8)
    ]

    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()

    assert statuses == [200] * 8


def test_a_port_in_use_is_a_problem_of_the_configuration(worker: Worker) -> None:
    with pytest.raises(ConfigError) as refused:
        HealthServer(worker.state, worker.metrics.registry, (HOST, worker.server.port))

    assert str(refused.value) == (
        f"127.0.0.1:{worker.server.port}: is in use by another process; "
        "choose another http.port, or 0 for no HTTP server"
    )


def test_an_address_of_another_machine_is_a_problem_of_the_configuration(worker: Worker) -> None:
    with pytest.raises(ConfigError, match=r"^192\.0\.2\.1:0: cannot be listened on: .*; correct http\.host"):
        HealthServer(worker.state, worker.metrics.registry, ("192.0.2.1", 0))


def test_closing_frees_the_port_and_may_be_repeated(worker: Worker) -> None:
    server = HealthServer(worker.state, worker.metrics.registry, (HOST, 0))
    server.close()
    server.close()

    again = HealthServer(worker.state, worker.metrics.registry, (HOST, server.port))

    assert again.port == server.port
    again.close()
