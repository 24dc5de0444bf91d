"""``runner config explain``: every setting with its value, meaning, default, range and variable."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.cli.app import run
from runner.config import load
from runner.config.environment import overrides
from runner.config.schema import json_schema, schema_tree
from runner.config.setting_docs import setting_docs


@pytest.fixture
def file(tmp_path: Path) -> str:
    made = tmp_path / "runner.yaml"
    made.write_text("limits: {eventBytes: 5000}\nredis: {password: hush}\n")
    return str(made)


def explained(*arguments: str) -> int:
    return run(["config", "explain", *arguments])


def test_a_setting_is_shown_with_all_there_is_to_know(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("limits.eventBytes", "--config", file) == 0
    told = capsys.readouterr().out
    assert told.startswith("limits.eventBytes = 5000\n  Largest event")
    assert "default 1000000, 1024 to 67108864; RUNNER_LIMITS__EVENTBYTES" in " ".join(told.split())


def test_a_section_is_all_its_settings_and_json_has_a_line_for_each(
    file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained("limits", "--config", file, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {line["setting"] for line in lines} == {
        f"limits.{name}" for name in load(None, {}).describe()["limits"]
    }
    assert all(line["description"] and line["from"] <= line["default"] <= line["to"] for line in lines)


def test_without_a_name_all_are_shown_and_no_secret(file: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert explained("--config", file) == 0
    told = capsys.readouterr().out
    assert "redis.password = " in told
    assert "hush" not in told


def test_every_setting_has_a_meaning_and_a_variable_that_sets_it() -> None:
    schema_node = schema_tree(json_schema())
    for setting_doc in setting_docs(load(None, {}), []):
        assert setting_doc.schema_node.description, setting_doc.name
        (found,), problems = overrides({setting_doc.variable: "null"}, schema_node, {})
        assert not problems
        assert ".".join(found.path) == setting_doc.name


@pytest.mark.parametrize(
    ("name", "way_out"),
    [("limits.eventbyte", "use limits.eventBytes"), ("limit", "use limits"), ("x\x1b", "see")],
)
def test_a_name_that_is_no_setting_is_wrong_usage(
    name: str, way_out: str, file: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explained(name, "--config", file) == 2
    told = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert "is not a setting" in told
    assert way_out in told
    assert "\x1b" not in told
