"""Which setting a variable of the environment means, and how its text is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.config import Config, ConfigError, load
from runner.config.environment import overrides
from runner.config.schema import json_schema
from runner.config.schema_tree import schema_tree

FILE = Path(__file__).parents[2] / "config" / "runner.yaml"


def refusals(env: dict[str, str], path: Path | None = None) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        load(path, env)
    return [str(problem) for problem in refused.value.problems]


@pytest.mark.parametrize(
    "name",
    [
        "RUNNER_TASK__PARTITIONWIDTH",
        "RUNNER_TASK__PARTITION_WIDTH",
        "runner_task__partitionWidth",
        "Runner_Task__partition_width",
    ],
)
def test_case_and_word_breaks_of_a_name_do_not_matter(name: str) -> None:
    assert load(None, {name: "4"}).task.partition_width == 4


def test_the_environment_wins_over_the_file_which_wins_over_the_default(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("task: {partitionWidth: 2, retentionSeconds: 5}")

    task = load(file, {"RUNNER_TASK__PARTITIONWIDTH": "3"}).task

    assert (task.partition_width, task.retention_seconds, task.on_proceed) == (3, 5, "update")


@pytest.mark.parametrize(
    ("name", "text", "path", "value"),
    [
        ("RUNNER_KAFKA__BROKERS", "a:1,b:2", "kafka.brokers", "a:1,b:2"),
        ("RUNNER_HANDLER", "0123", "handler", "0123"),
        ("RUNNER_DEPLOYMENT", "blue", "deployment", "blue"),
        ("RUNNER_DEPLOYMENT", "", "deployment", None),
        ("RUNNER_DELIVERY", "at_least_once", "delivery", "at_least_once"),
        ("RUNNER_TIMERS__ENABLED", "False", "timers.enabled", False),
        ("RUNNER_TIMERS__ENABLED", "true", "timers.enabled", True),
        ("RUNNER_WORKER__BATCHSIZE", "7", "worker.batchSize", 7),
        ("RUNNER_RESPONSES__STREAMS", '["a", "b"]', "responses.streams", ["a", "b"]),
        ("RUNNER_REDIS__USERNAME", "null", "redis.username", "null"),
        ("RUNNER_DOMAINS__DEFAULT__RETENTIONSECONDS", "null", "domains.default.retentionSeconds", None),
        ("RUNNER_KAFKA__CONSUMER__FETCH_WAIT_MAX_MS", "10", "kafka.consumer", {"fetch.wait.max.ms": "10"}),
        ("RUNNER_META__INPUTELEMENT__DEFAULT", "a.b", "meta.inputElement", {"default": "a.b"}),
        ("RUNNER_META__DOMAIN__OVERRIDE", '{"a": 1}', "meta.domain", {"override": {"a": 1}}),
        (
            "RUNNER_META__PARAMETERS__TASK_ROLES__OVERRIDE",
            "clerk",
            "meta.parameters",
            {"taskRoles": {"override": "clerk"}},
        ),
    ],
)
def test_a_text_is_read_as_its_setting_means_it(name: str, text: str, path: str, value: Any) -> None:
    place: Any = load(None, {name: text}).describe()
    for key in path.split("."):
        place = place[key]

    assert place == value


def test_a_whole_section_may_be_json() -> None:
    config = load(None, {"RUNNER_DOMAINS": '{"orders": {"onProceed": "delete"}, "Bills": {}}'})

    assert list(config.domains) == ["orders", "Bills"]
    assert config.domain_rules()["orders"].on_proceed == "delete"


def test_a_name_of_ones_own_keeps_the_spelling_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("domains: {salesOrders: {}}")

    config = load(file, {"RUNNER_DOMAINS__SALES_ORDERS__ONPROCEED": "delete"})

    assert {name: rules.on_proceed for name, rules in config.domain_rules().items()} == {
        "salesOrders": "delete"
    }


def test_every_setting_has_a_variable() -> None:
    schema_node = schema_tree(json_schema())

    for path in schema_node.settings():
        [override], problems = overrides({"RUNNER_" + "__".join(path).upper(): "x"}, schema_node, {})
        assert (override.path, problems) == (path, [])


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("RUNNER_KAFKA_BROKERS", "RUNNER_KAFKA__BROKERS"),
        ("RUNNER_KAFKA__BROKRES", "RUNNER_KAFKA__BROKERS"),
        ("RUNNER_KAFKKA__BROKERS", "RUNNER_KAFKA"),
        ("RUNNER_HANDLR", "RUNNER_HANDLER"),
        ("RUNNER_TASK_PARTITION_WIDTH", "RUNNER_TASK__PARTITIONWIDTH"),
        ("RUNNER_META__DOMAIN__DEFAUL", "RUNNER_META__DOMAIN__DEFAULT"),
    ],
)
def test_a_misspelt_variable_is_refused_with_the_name_that_was_meant(name: str, meant: str) -> None:
    assert refusals({name: "x"}) == [f"environment {name}: is not a setting; did you mean {meant}?"]


@pytest.mark.parametrize("name", ["RUNNER_REDIS__", "RUNNER___", "RUNNER_REDIS__URL__X", "RUNNER_NO__SUCH"])
def test_a_variable_that_leads_nowhere_is_refused(name: str) -> None:
    [problem] = refusals({name: "x"})

    assert problem.startswith(f"environment {name}: is not a setting; ")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("RUNNER_TEST_KAFKA", "127.0.0.1:9092"),
        ("RUNNER_REQUIRE_KAFKA", "1"),
        ("RUNNER_CONFIG", "x.yaml"),
        ("RUNNER_PORT", "tcp://10.0.0.1:80"),
        ("RUNNER_HTTP_PORT", "tcp://10.0.0.1:80"),
        ("RUNNER_SERVICE_HOST", "10.0.0.1"),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_NAME", "one"),
        ("RUNNER_TEMP", "/t"),
        ("RUNNER_WORKSPACE", "/w"),
        ("RUNNER_ENVIRONMENT", "hosted"),
        ("KAFKA__BROKERS", "x"),
    ],
)
def test_variables_of_others_are_left_alone(name: str, text: str) -> None:
    assert load(None, {name: text}).describe() == Config().describe()


def test_two_variables_for_one_setting_are_refused() -> None:
    env = {"RUNNER_HTTP__PORT": "1", "runner_http__port": "2"}

    assert refusals(env) == [
        "environment runner_http__port: http.port is set by RUNNER_HTTP__PORT as well; remove one of them"
    ]


def test_a_wrong_value_names_the_variable_it_came_from() -> None:
    assert refusals({"RUNNER_WORKER__BATCHSIZE": "many"}, FILE) == [
        (
            'environment RUNNER_WORKER__BATCHSIZE: worker.batchSize must be a whole number, not "many"; '
            "correct it, or remove it for the default 2000"
        )
    ]


def test_a_section_of_the_wrong_type_is_not_hidden_by_a_variable_below_it(tmp_path: Path) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("http: 8080")

    [problem] = refusals({"RUNNER_HTTP__PORT": "1"}, file)

    assert "http must be a section" in problem


@pytest.mark.parametrize("text", ["", "[" * 100_000, "9" * 5000, "NaN", "1.0", "{}"])
def test_text_that_is_no_number_is_refused_and_never_a_crash(text: str) -> None:
    [problem] = refusals({"RUNNER_WORKER__BATCHSIZE": text})

    assert "worker.batchSize must be" in problem
    assert len(problem) < 250
