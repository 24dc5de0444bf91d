"""deploy/compose.yaml: valid by the Compose specification, and what it says of the runner exists."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest

from runner.cli.app import build_app
from runner.config import Config, load
from tests.unit.deploy.manifests import ROOT, SPARE_SECONDS, compose, of_runner, seconds, services
from tests.unit.deploy.test_image import HAS_TOOLS

WORKERS = ("worker-1", "worker-2")
PROFILES = ("mail", "notify", "postgres", "keycloak", "web")


def config_of(service: dict[str, Any]) -> Config:
    """The configuration that a service runs with."""
    return load(None, service["environment"])


@pytest.mark.skipif(not HAS_TOOLS, reason="compose-spec is locked for Linux on x86-64")
def test_the_file_is_valid_by_the_specification() -> None:
    from compose_spec import PyCompose  # noqa: PLC0415 - not there on every platform

    read = PyCompose.from_json(json.dumps(compose()))

    assert set(read.service_names()) == set(services())


@pytest.mark.skipif(not HAS_TOOLS, reason="compose-spec is locked for Linux on x86-64")
def test_a_misspelt_key_would_not_be_valid() -> None:
    from compose_spec import PyCompose  # noqa: PLC0415 - not there on every platform

    text = json.dumps(compose()).replace("stop_grace_period", "stop_grace_time")
    with pytest.raises(ValueError, match="stop_grace_time"):
        PyCompose.from_json(text)


def test_there_is_all_that_a_demo_needs() -> None:
    assert set(services()) == {"kafka", "redis", "topics", *WORKERS, "demo", *PROFILES}
    assert set(of_runner()) == {"topics", *WORKERS, "demo", "notify", "web"}
    assert set(services()["demo"]["depends_on"]) == set(WORKERS)


def test_every_setting_exists_and_leads_to_the_services_beside_it() -> None:
    for service in of_runner().values():
        config = config_of(service)
        host, port = config.kafka.brokers.split(":")
        assert host in services()
        advertised = services()["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
        assert f"INSIDE://{host}:{port}" in advertised.split(",")
        redis = re.fullmatch(r"redis://(\w+):6379/0", config.redis.url.get_secret_value())
        assert redis
        assert redis[1] in services()


@pytest.mark.parametrize("name", sorted(of_runner()))
def test_every_command_and_its_options_exist(name: str) -> None:
    command: Any = build_app()
    words = list(of_runner()[name]["command"])
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_ends_by_itself_before_it_is_killed(name: str) -> None:
    worker = services()[name]
    assert seconds(worker["stop_grace_period"]) >= config_of(worker).worker.shutdown_seconds + SPARE_SECONDS


@pytest.mark.parametrize("name", WORKERS)
def test_the_health_check_asks_a_page_that_is_there(name: str) -> None:
    worker = services()[name]
    _, *command = worker["healthcheck"]["test"]
    asked = re.search(r"http://127\.0\.0\.1:(\d+)(/[a-z/]+)'", command[-1])
    assert asked
    assert int(asked[1]) == config_of(worker).http.port
    assert asked[2] == "/health/ready"
    compile(command[-1], "the health check", "exec")
    [published] = worker["ports"]
    assert int(published.split(":")[2]) == config_of(worker).http.port


def test_our_containers_can_write_nothing_and_may_nothing() -> None:
    for service in of_runner().values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert "tmpfs" not in service


def test_redis_keeps_what_it_is_told() -> None:
    command = services()["redis"]["command"]
    given = dict(zip(command[1::2], command[2::2], strict=True))
    assert given == {
        "--appendonly": "yes",
        "--appendfsync": "everysec",
        "--maxmemory-policy": "noeviction",
    }


def test_kafka_is_the_version_that_the_tests_run_on() -> None:
    pom = (ROOT / "deploy" / "kafka" / "pom.xml").read_text(encoding="utf-8")
    tested = re.search(r"<kafka\.version>(.+?)</kafka\.version>", pom)
    assert tested
    assert services()["kafka"]["image"] == f"apache/kafka:{tested[1]}"


def test_nothing_is_published_beyond_this_machine() -> None:
    for service in services().values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_commands_at_its_head_name_services_that_are_there() -> None:
    named = {word for line in commands() if line[4] in {"run", "logs"} for word in line[5:]}
    assert named - {"--rm"} == {*WORKERS, "demo"}
    assert {line[3] for line in commands()} == {"deploy/compose.yaml"}


def commands() -> Iterator[list[str]]:
    """The commands in the comment at the head of the file."""
    text = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
    for line in re.findall(r"^#   (docker compose .*)$", text, re.MULTILINE):
        yield shlex.split(line)
