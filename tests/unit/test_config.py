"""The configuration file, the classes and the JSON Schema say the same, and nothing in them changes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from pydantic import ValidationError

from runner.cli.wiring.events import build_policy
from runner.config import Config, ConfigError, load
from runner.config.schema import json_schema, text
from runner.config.schema_tree import schema_tree

ROOT = Path(__file__).parents[2]
FILE = ROOT / "config" / "runner.yaml"
SCHEMA = ROOT / "schemas" / "config.schema.json"


def leaves(tree: dict[str, Any], above: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in tree.items():
        path = f"{above}.{name}" if above else name
        found |= leaves(value, path) if isinstance(value, dict) and value else {path: value}
    return found


def commented(lines: list[str]) -> dict[str, str]:
    """The comment above every key of the file, as one line, by the dotted key."""
    found, block, path = {}, [], list[str]()
    for line in lines:
        key = re.match(r"( *)([A-Za-z]+):", line)
        if line.lstrip().startswith("#"):
            block.append(line.lstrip().removeprefix("#").strip())
        elif key is None:
            block = []
        else:
            path = [*path[: len(key[1]) // 2], key[2]]
            found[".".join(path)] = " ".join(block)
            block = []
    return found


def described(shape_schema: dict[str, Any]) -> dict[str, str]:
    """The description of every setting in the schema, by the dotted key of the file."""
    definitions = shape_schema["$defs"]

    def walk(node: dict[str, Any], above: str) -> dict[str, str]:
        found = {}
        for name, child in node.get("properties", {}).items():
            path = f"{above}.{name}" if above else name
            section = definitions[child["$ref"].rpartition("/")[2]] if "$ref" in child else {}
            # pydantic leaves out a description that only repeats the section's own.
            found[path] = child["description"] if "description" in child else section["description"]
            found |= walk(section, path)
        return found

    return walk(shape_schema, "") | walk(definitions["Domain"], "domains.default")


def test_the_file_says_what_the_defaults_are() -> None:
    assert load(FILE, {}).describe() == Config().describe()


def test_the_file_names_every_setting_once() -> None:
    in_file = yaml.safe_load(FILE.read_text(encoding="utf-8"))

    assert leaves(in_file) == leaves(Config().describe())


def test_the_schema_in_its_file_is_the_one_of_the_code() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == text()


def test_the_schema_has_the_defaults_of_the_file() -> None:
    schema_node = schema_tree(json_schema())
    in_schema = {}
    for path in schema_node.settings():
        place = schema_node.at(path)
        assert place is not None
        in_schema[".".join(path)] = place.default
    in_file = leaves({k: v for k, v in yaml.safe_load(FILE.read_text()).items() if k != "domains"})

    assert in_schema == in_file | {"domains": Config().describe()["domains"]}


def test_every_setting_is_described_in_the_file_as_in_the_schema() -> None:
    comments = commented(FILE.read_text(encoding="utf-8").splitlines())

    for path, description in described(json_schema()).items():
        assert comments[path].startswith(" ".join(description.split())), path


def test_the_schema_is_valid_and_takes_the_file() -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema())
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(FILE.read_text()))


@pytest.mark.parametrize(
    "wrong",
    [
        {"handlr": "x"},
        {"kafka": {"properties": {"group.id": "x"}}},
        {"kafka": {"properties": {"test.mock.num.brokers": 1}}},
        {"kafka": {"secretFiles": {"acks": "x"}}},
        {"topics": {"requests": "a b"}},
        {"topics": {"requests": ".."}},
        {"task": {"partitionWidth": 9}},
        {"task": {"partition_width": 1}},
        {"worker": {"batchSize": "500"}},
        {"responses": {"proceededStatus": "ACK"}},
        {"domains": {"a{b": {}}},
        {"domains": {"a": {"role": "x"}}},
        {"meta": {"domain": "x"}},
        {"meta": {"parameters": {"taskRoles": {"always": "x"}}}},
        {"caller": {"user": []}},
        {"topics": {"notifications": "n"}, "domains": {"a": {"notify": ["remembered"]}}},
        {"limits": {"hookSeconds": 0}},
        {"redis": None},
    ],
)
def test_an_editor_refuses_what_the_runner_refuses(wrong: dict[str, Any], tmp_path: Path) -> None:
    file = tmp_path / "wrong.json"
    file.write_text(json.dumps(wrong))

    assert list(jsonschema.Draft202012Validator(json_schema()).iter_errors(wrong))
    with pytest.raises(ConfigError):
        load(file, {})


def test_without_a_file_everything_has_its_default() -> None:
    config = load(None, {})

    assert config.describe() == Config().describe()
    assert config.source == "configuration"


def test_an_empty_file_is_a_configuration(tmp_path: Path) -> None:
    file = tmp_path / "empty.yaml"
    file.write_text("# nothing yet\n")

    assert load(file, {}).describe() == Config().describe()


def test_a_configuration_does_not_change() -> None:
    config = Config()

    with pytest.raises(ValidationError, match="frozen"):
        config.task.partition_width = 2
    with pytest.raises(TypeError):
        config.domains["other"] = config.domains["default"]  # type: ignore[index]
    with pytest.raises(TypeError):
        config.kafka.properties["linger.ms"] = "1"  # type: ignore[index]
    assert isinstance(config.caller.user, tuple)


def test_a_domain_falls_back_to_task_for_what_it_leaves_out(tmp_path: Path) -> None:
    file = tmp_path / "domains.yaml"
    file.write_text(
        "task: {onProceed: delete, retentionSeconds: 60}\n"
        "domains: {plain: {}, own: {onProceed: update, retentionSeconds: 0, checkRoles: false}}\n"
    )

    rules = load(file, {}).domain_rules()

    assert list(rules) == ["plain", "own"]
    assert (rules["plain"].on_proceed, rules["plain"].retention_seconds) == ("delete", 60)
    assert (rules["plain"].check_roles, rules["plain"].trust_payload) == (True, False)
    assert (rules["own"].on_proceed, rules["own"].retention_seconds) == ("update", 0)
    assert rules["own"].check_roles is False


def test_what_people_have_to_hear_is_part_of_the_policy(tmp_path: Path) -> None:
    file = tmp_path / "notify.yaml"
    file.write_text(
        "topics: {notifications: heard}\nlimits: {hookSeconds: 5}\n"
        "domains: {plain: {}, orders: {notify: [assigned, reminded]}}\n"
    )
    policy = build_policy(load(file, {}))
    assert (policy.notifications, policy.hook_ms) == ("heard", 5000)
    assert policy.domains["orders"].notify == {"assigned", "reminded"}
    assert policy.domains["plain"].notify == frozenset()


def test_nobody_is_told_anything_by_default() -> None:
    policy = build_policy(Config())
    assert (policy.notifications, policy.hook_ms) == (None, 60_000)
    assert not any(domain.notify for domain in policy.domains.values())
    assert load(None, {"RUNNER_TOPICS__NOTIFICATIONS": "null"}).topics.notifications is None


def test_a_file_with_domains_names_all_of_them(tmp_path: Path) -> None:
    file = tmp_path / "domains.yaml"
    file.write_text("domains: {orders: {}}")

    assert list(load(file, {}).domains) == ["orders"]


def test_metadata_becomes_two_partial_event_metas(tmp_path: Path) -> None:
    file = tmp_path / "meta.yaml"
    file.write_text(
        """
        meta:
          domain: {default: orders}
          someOtherField: {override: null}
          parameters:
            taskRoles: {override: [clerk]}
            timeout: {default: 60000}
        """
    )

    meta = load(file, {}).meta

    assert meta.defaults() == {"domain": "orders", "parameters": {"timeout": 60000}}
    assert meta.overrides() == {"someOtherField": None, "parameters": {"taskRoles": ["clerk"]}}
    assert (Config().meta.defaults(), Config().meta.overrides()) == ({}, {})


def test_metadata_is_described_as_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "meta.yaml"
    file.write_text("meta: {domain: {default: null}, parameters: {timeout: {override: 5}}}")

    described_meta = load(file, {}).describe()["meta"]

    assert described_meta == {"domain": {"default": None}, "parameters": {"timeout": {"override": 5}}}
