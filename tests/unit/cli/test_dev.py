"""What ``dev`` tells people to type, and what its worker is given."""

from __future__ import annotations

import json
import os
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from runner.cli.dev.dev_command import TOLD, telling, with_admin
from runner.cli.dev.explanation import explanation
from runner.cli.dev.happenings import happening_line
from runner.cli.embedded_runner import (
    PEOPLE,
    EmbeddedRunner,
    command_of,
    left_out,
    require_embeddable,
    settings_for,
)
from runner.config import Config, ConfigError, load
from runner.envelope.event import NO_RULES
from runner.exchange.event_lines import read_lines
from runner.kafka.topic_message import TopicMessage

ADDRESSES = ("127.0.0.1:1234", "redis://127.0.0.1:4321/0")


def told(config: Config, file: Path, *, has_web: bool = False) -> list[str]:
    with subprocess.Popen([sys.executable, "-c", ""]) as child:
        running = EmbeddedRunner(child, config, file, child if has_web else None)
        return [line.strip() for line in explanation(running).splitlines()]


def test_the_events_to_type_are_events(tmp_path: Path) -> None:
    config = Config.model_validate({"domains": {"orders": {}}, "kafka": {"brokers": ADDRESSES[0]}})

    echoes = [shlex.split(line) for line in told(config, tmp_path / "x.yaml") if line.startswith("echo ")]

    assert len(echoes) == 2
    for echo in echoes:
        assert echo[2:] == ["|", "runner", "send", "--wait", "-"]
        [line], bad = read_lines([echo[1].encode()], NO_RULES, 10_000)
        assert bad == []
        assert line.event.text("domain") == "orders"


def test_people_are_told_unless_the_configuration_says_itself_who_hears_what(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(json.dumps(settings_for(telling(Config()), *ADDRESSES, tmp_path)))
    config = load(file, {})
    assert config.topics.notifications == "notifications"
    assert config.domain_rules()["default"].notify == TOLD
    own = Config.model_validate({"topics": {"notifications": "mine"}})
    assert telling(own) == own


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"recipients": {"user": "bob", "roles": []}, "actor": "ann"}, "by ann, for bob"),
        ({"recipients": {"user": None, "roles": ["lead", "boss"]}, "actor": None}, ", for lead, boss"),
        ({"recipients": {"user": None, "roles": []}, "count": 3}, "(3), for anyone"),
        ({}, ", for anyone"),
    ],
)
def test_a_notification_is_shown_in_words(data: dict[str, object], words: str) -> None:
    value = json.dumps({"type": "saga.task.reminded", "data": data}).encode()
    message = TopicMessage("notifications", 0, 0, None, "t-1", {}, value)
    line = happening_line(message, "notifications")
    assert line is not None
    assert line.startswith("notification: t-1 reminded")
    assert line.endswith(words)


def test_it_says_where_everything_is(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(json.dumps(settings_for(Config(), *ADDRESSES, tmp_path)))
    config = load(file, {})

    text = "\n".join(told(config, file))

    assert f"export RUNNER_CONFIG={file}" in text
    assert "RUNNER_KAFKA__BROKERS=127.0.0.1:1234 RUNNER_DELIVERY=at_least_once" in text
    assert "RUNNER_REDIS__URL=redis://127.0.0.1:4321/0" in text
    assert f"http://127.0.0.1:{config.http.port}/health/ready" in text


def test_it_says_where_the_http_api_is_and_who_may_be_there(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(json.dumps(settings_for(with_admin(Config()), *ADDRESSES, tmp_path)))
    config = load(file, {})
    people = {name: list(roles) for name, roles in config.web.users.items()}
    assert people == {**PEOPLE, "ada": [*PEOPLE["ada"], config.domains["default"].admin_role]}

    text = "\n".join(told(config, file, has_web=True))

    assert f"'http://127.0.0.1:{config.web.port}/api/v1/tasks?forMe=true'" in text
    assert "Authorization: Bearer clara" in text
    assert 'the extra "web" is not installed' in "\n".join(told(config, file))


def test_a_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        base = Config.model_validate({"web": {"port": port, "auth": "oidc"}})
        assert settings_for(base, *ADDRESSES, tmp_path)["web"]["port"] != port


def test_the_embedded_worker_keeps_all_but_the_servers_of_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(
        "kafka: {brokers: 'real:1', properties: {sasl.password: hunter2}}\n"
        "redis: {password: hunter2, shards: 8}\n"
        "topics: {tasks: told}\n"
        "domains: {orders: {retentionSeconds: 5}}\n"
        "meta: {parameters: {taskRoles: {override: clerk}}}\n"
    )

    file.write_text(json.dumps(settings_for(load(file, {}), *ADDRESSES, tmp_path)))

    config = load(file, {})
    assert config.kafka.brokers == ADDRESSES[0]
    assert config.redis.url.get_secret_value() == ADDRESSES[1]
    assert config.redis.password is None
    assert config.delivery == "at_least_once"
    assert (config.topics.tasks, config.redis.shards) == ("told", 8)
    assert config.domains["orders"].retention_seconds == 5
    assert config.meta.overrides() == {"parameters": {"taskRoles": "clerk"}}
    assert "hunter2" not in file.read_text()


def test_the_embedded_worker_reads_its_file_and_no_variable(tmp_path: Path) -> None:
    command = command_of(
        "worker", tmp_path / "x.yaml", {"RUNNER_KAFKA__GROUP": "g", "runner_x": "y", "PATH": "/bin"}
    )

    assert command[1:5] == ["-u", "RUNNER_KAFKA__GROUP", "-u", "runner_x"]
    assert command[5:] == [
        sys.executable,
        "-P",
        "-m",
        "runner.cli",
        "worker",
        "--config",
        str(tmp_path / "x.yaml"),
    ]
    assert os.access(command[0], os.X_OK)


def test_avro_is_used_and_what_needs_a_registry_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("encoding: {default: json, topics: {requests: avro}}")
    file.write_text(json.dumps(settings_for(load(file, {}), *ADDRESSES, tmp_path)))
    assert load(file, {}).encoding.of("requests") == "avro"

    file.write_text(
        "encoding: {topics: {requests: confluent-avro}}\nschemaRegistry: {url: 'http://registry'}"
    )
    with pytest.raises(
        ConfigError, match=r"encoding\.topics\.requests is confluent-avro, but no schema registry"
    ):
        require_embeddable(load(file, {}))


def test_what_a_configuration_sets_in_vain_is_named(tmp_path: Path) -> None:
    assert left_out(Config()) == []
    file = tmp_path / "runner.yaml"
    file.write_text("handler: x\nkafka: {brokers: 'h:1'}\nredis: {shards: 4}\nhttp: {port: 1}\n")
    assert left_out(load(file, {})) == ["kafka", "redis", "http"]
    file.write_text("topics: {tasks: told}")
    assert left_out(load(file, {})) == ["topics.tasks"]
