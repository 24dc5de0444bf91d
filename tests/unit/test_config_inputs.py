"""Input topics in the configuration: what they become, and which of them are refused in which words."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runner.cli.wiring.events import build_inputs
from runner.config import Config, ConfigError, load
from runner.config.schema import json_schema
from runner.config.sections.events import Input
from runner.errors import FatalError
from runner.kafka.preflight import require_inputs, topic_names
from runner.kafka.topics import Cluster, Topic

ROOT = Path(__file__).parents[2]
USUAL = "action: ProceedTask, domain: default"


def loaded(inputs: str, rest: str = "", path: Path | None = None) -> Config:
    given = yaml.safe_load(f"inputs: {inputs}\n{rest}")
    if path is None:
        return Config.model_validate(given)
    path.write_text(yaml.safe_dump(given), encoding="utf-8")
    return load(path, {})


def problems(tmp_path: Path, inputs: str, rest: str = "") -> list[str]:
    file = tmp_path / "runner.yaml"
    with pytest.raises(ConfigError) as refused:
        loaded(inputs, rest, file)
    return [str(problem).removeprefix(f"{file}: ") for problem in refused.value.problems]


def test_the_topic_is_the_name_unless_it_is_named() -> None:
    config = loaded("{a: {action: TIMEOUT}, b: {action: TIMEOUT, topic: other}}")
    assert config.input_topics() == {"a": "a", "b": "other"}
    assert topic_names(config)[-2:] == ("a", "other")


@pytest.mark.parametrize(
    ("given", "meant"),
    [("proceedTask", "ProceedTask"), ("timeoutTask", "TimeoutTask"), ("timeoutBetween", "TimeoutBetween")],
)
def test_an_action_may_be_spelled_as_a_role(given: str, meant: str) -> None:
    assert loaded(f"{{a: {{action: {given}, domain: default}}}}").inputs["a"].action == meant


@pytest.mark.parametrize(
    ("settings", "meta"),
    [
        ({"action": "ProceedTask", "domain": "default"}, {"domain": "default"}),
        (
            {"action": "TimeoutBetween"},
            {"parameters": {"fromTimePath": "fromTime", "toTimePath": "toTime"}},
        ),
        (
            {"action": "TimeoutBetween", "parameters": {"toTimePath": "until", "ignoreErrors": 10121}},
            {"parameters": {"fromTimePath": "fromTime", "toTimePath": "until", "ignoreErrors": 10121}},
        ),
        (
            {"action": "TIMEOUT", "inputElement": "a", "outputElement": "b", "responseStream": "c"},
            {"inputElement": "a", "outputElement": "b", "responseStream": "c"},
        ),
    ],
)
def test_the_settings_become_event_meta(settings: dict[str, Any], meta: dict[str, Any]) -> None:
    assert Input.model_validate(settings).event_meta() == {"action": settings["action"], **meta}


def test_an_input_addresses_its_events_to_this_runner_alone() -> None:
    config = loaded(f"{{a: {{{USUAL}, user: ann, roles: [x]}}}}", "handler: ours\ndeployment: eu")
    (topic,) = build_inputs(config)
    assert (topic.meta["handler"], topic.meta["deployments"]) == ("ours", "eu")
    assert (topic.name, topic.topic, topic.user, topic.roles) == ("a", "a", "ann", ("x",))
    assert "deployments" not in build_inputs(loaded(f"{{a: {{{USUAL}}}}}"))[0].meta


def test_the_example_in_the_file_names_every_setting_and_can_be_used(tmp_path: Path) -> None:
    text = (ROOT / "config" / "runner.yaml").read_text(encoding="utf-8")
    block = re.search(r"^#   inputs:\n(?:#.*\n)+", text, re.MULTILINE)
    assert block is not None
    example = yaml.safe_load(re.sub("^#", "", block[0], flags=re.MULTILINE))
    (settings,) = example["inputs"].values()
    described = json_schema()["$defs"]["Input"]["properties"]
    assert set(settings) == set(described)
    for setting in described.values():
        assert setting["description"][:60] in " ".join(block[0].replace("#", "").split())
    file = tmp_path / "runner.yaml"
    file.write_text(yaml.safe_dump(example))
    assert load(file, {}).inputs


def test_the_protocol_tells_of_every_setting_of_an_input() -> None:
    page = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    section = page.partition("\n## Other ways in\n")[2].partition("\n## ")[0]
    table = "".join(line for line in section.splitlines() if line.startswith("| `"))
    assert {f"`{field.alias}`" for field in Input.model_fields.values()} <= set(re.findall("`[^`]+`", table))


@pytest.mark.parametrize(
    ("inputs", "rest", "problem"),
    [
        ("{a: {domain: default}}", "", r"inputs\.a\.action is missing; set it to one of ProceedTask, "),
        ("{a: {action: StartTask}}", "", r"inputs\.a\.action must be ProceedTask or .*, not \"StartTask\"; "),
        ("{a b: {action: TIMEOUT}}", "", r"inputs\.a b is no legal topic name: 'a b'; "),
        (
            "{a: {action: TIMEOUT, encoding: avro}}",
            "",
            r"inputs\.a\.encoding is avro, but the payloads of input topics are read as JSON only; remove it",
        ),
        (
            f"{{a: {{{USUAL}, requestIdPath: 'a[0]'}}}}",
            "",
            r"inputs\.a\.requestIdPath is no dotted name: 'a\[0\]'; write names with dots",
        ),
        (f"{{requests: {{{USUAL}}}}}", "", r"inputs\.requests\.topic is requests, as is topics\.requests; "),
        (f"{{a: {{{USUAL}, topic: responses}}}}", "", r"inputs\.a\.topic is responses, as is topics"),
        (f"{{dead-letters: {{{USUAL}}}}}", "", r".*topic is dead-letters, as is topics\.deadLetters; "),
        (
            f"{{a: {{{USUAL}, topic: s}}}}",
            "responses: {streams: [s]}",
            r"inputs\.a\.topic is s, as is responses\.streams; give the payloads a topic of their own",
        ),
        (
            f"{{a: {{{USUAL}, topic: t}}, b: {{{USUAL}, topic: t}}}}",
            "",
            r"inputs\.b\.topic is t, as is inputs\.a\.topic; ",
        ),
        (
            "{a: {action: ProceedTask, domain: orders}}",
            "",
            r"inputs\.a\.domain is orders, not one of domains; use default",
        ),
        ("{a: {action: TimeoutTask}}", "", r"inputs\.a\.domain is missing: TimeoutTask needs one; set it"),
        (
            f"{{a: {{{USUAL}, responseStream: s}}}}",
            "",
            r"inputs\.a\.responseStream is s, which is not listed under responses\.streams; list it there",
        ),
        (
            f"{{a: {{{USUAL}, requestIdPath: x, requestIdHeader: y}}}}",
            "",
            r"inputs\.a\.requestIdPath is set, while requestIdHeader is as well; keep one of them",
        ),
        (
            f"{{a: {{{USUAL}}}}}",
            "caller: {user: [requestMeta.claims.email]}",
            r"caller\.user does not look at requestMeta\.claims\.sub, where the caller of an input is; add ",
        ),
        (
            f"{{a: {{{USUAL}}}}}",
            "caller: {roles: ['`[\"director\"]`']}",
            r"caller\.roles does not look at requestMeta\.claims\.roles, ",
        ),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_the_way_out(
    tmp_path: Path, inputs: str, rest: str, problem: str
) -> None:
    (found,) = problems(tmp_path, inputs, rest)
    assert re.match(problem, found), found


@pytest.mark.parametrize(
    ("inputs", "rest"),
    [
        ("{a: {action: TimeoutTask}}", "meta: {domain: {default: default}}"),
        ("{a: {action: TimeoutTask}}", "meta: {domain: {override: default}}"),
        ("{a: {action: TimeoutBetween}, b: {action: TIMEOUT}}", "caller: {user: [nobody]}"),
        (f"{{a: {{{USUAL}}}}}", "caller: {user: [requestMeta.claims.email, requestMeta.claims.sub]}"),
        (
            f"{{a: {{{USUAL}}}}}",
            "caller: {user: ['join(`,`, requestMeta.claims.names)', requestMeta.claims.sub]}",
        ),
        (f"{{a: {{{USUAL}, responseStream: s}}}}", "responses: {streams: [s]}"),
    ],
)
def test_what_can_work_is_taken(tmp_path: Path, inputs: str, rest: str) -> None:
    assert loaded(inputs, rest, tmp_path / "runner.yaml").inputs


def test_a_worker_does_not_start_without_the_topics_of_its_inputs() -> None:
    config = loaded("{a: {action: TIMEOUT, topic: there}, b: {action: TIMEOUT, topic: gone}}")
    cluster = Cluster("c", {"there": Topic("1", 3, 1000)})
    with pytest.raises(FatalError) as refused:
        require_inputs(config, cluster)
    assert str(refused.value) == (
        "there is no topic gone, which inputs.b reads; create it, or remove the input"
    )
    require_inputs(loaded("{a: {action: TIMEOUT, topic: there}}"), cluster)
