"""What the AsyncAPI document says is what the code has, and all that it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from jsonschema import Draft7Validator, Draft202012Validator
from msgspec import structs

from runner import __version__, errors
from runner.actions.checks import START_TASK
from runner.actions.incoming import MAX_HOPS
from runner.actions.registry import TIMEOUT_BETWEEN, VERBS
from runner.actions.render import decision_of
from runner.actions.task_result import task_result
from runner.actions.timeout_between import TIMEOUT_COMMAND
from runner.changelog.codec import DOMAIN_IN_KEY
from runner.cli.topics_command import wanted_topics
from runner.cli.wiring.input_topics import group_of
from runner.config import Config
from runner.config.sections.events import InputAction
from runner.tasks import schema
from runner.tasks.parts import TaskOwnership
from runner.tasks.source import WRITTEN
from runner.worker.dead_letters import HEADERS, MAX_MESSAGE_CHARACTERS
from runner.worker.decider import UNANSWERABLE
from tests.unit.actions.events import cancelled, closed_by, proceed, start, started, timeout
from tests.unit.asyncapi.reading import document, resolved
from tests.unit.docs.pages import PROTOCOL, ROOT, rows, text_of

MESSAGES: Final = document()["components"]["messages"]
OPERATIONS: Final = document()["operations"]
SCHEMAS: Final = document()["components"]["schemas"]
DIALECT: Final = "application/schema+json;version=draft-2020-12"
SOURCE: Final = f"^{WRITTEN.pattern}$"


def names_of(operation: str) -> set[str]:
    """Return the messages of an operation."""
    return {each["$ref"].rpartition("/")[2] for each in OPERATIONS[operation]["messages"]}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        node = list(node.values())
    if isinstance(node, list):
        for each in node:
            yield from references(each)


def test_every_reference_leads_somewhere_and_all_that_is_defined_is_used() -> None:
    named = set(references(document()))
    for reference in named:
        assert isinstance(resolved(reference), dict), reference
    used = {reference.removesuffix("/schema") for reference in named}
    for kind, defined in document()["components"].items():
        assert {f"#/components/{kind}/{name}" for name in defined} <= used


def test_every_schema_is_one_of_its_dialect() -> None:
    for message in MESSAGES.values():
        assert message["payload"]["schemaFormat"] == DIALECT
        Draft202012Validator.check_schema(message["payload"]["schema"])
        Draft7Validator.check_schema(message["headers"])
        bindings = message["bindings"]
        key = resolved(bindings["$ref"]) if "$ref" in bindings else bindings
        Draft7Validator.check_schema(key["kafka"]["key"])
    for name, shared in SCHEMAS.items():
        if "schemaFormat" in shared:
            assert shared["schemaFormat"] == DIALECT
            Draft202012Validator.check_schema(shared["schema"])
        else:
            assert name.startswith("header")
            Draft7Validator.check_schema(shared)


def test_every_message_is_sent_or_received_on_each_of_its_channels() -> None:
    for name, channel in document()["channels"].items():
        moved = {
            each["$ref"]
            for operation in OPERATIONS.values()
            for part in (operation, reply_of(operation))
            if part.get("channel", {}).get("$ref") == f"#/channels/{name}"
            for each in part["messages"]
        }
        assert moved == {f"#/channels/{name}/messages/{message}" for message in channel["messages"]}


def reply_of(operation: dict[str, Any]) -> Any:
    return resolved(operation["reply"]["$ref"]) if "reply" in operation else {}


def test_each_action_has_a_request_with_its_schema_and_a_reply() -> None:
    answered: set[str] = set()
    for name, operation in OPERATIONS.items():
        if "reply" not in operation:
            continue
        (request,) = names_of(name)
        answered.add(request)
        action = MESSAGES[request]["title"]
        assert operation["summary"] == f"Answers the action {action}."
        answers = {each["$ref"].rpartition("/")[2] for each in reply_of(operation)["messages"]}
        assert answers == {"done", "refused"} | ({"accepted"} if action == START_TASK else set())
        meta = MESSAGES[request]["payload"]["schema"]["properties"]["eventMeta"]
        if action != TIMEOUT_COMMAND:
            assert meta == {"$ref": f"./event-meta/{action}.schema.json"}
            assert resolved(meta["$ref"])["properties"]["action"] == {"const": action}
    assert {MESSAGES[name]["title"] for name in answered} == {*VERBS, TIMEOUT_BETWEEN, TIMEOUT_COMMAND}
    assert names_of("forward") == answered


def test_input_topics_make_the_events_of_the_code() -> None:
    assert {MESSAGES[name]["title"] for name in names_of("makeEvents")} == set(get_args(InputAction))


def test_the_command_takes_what_timeout_between_takes() -> None:
    meta = MESSAGES["timeoutCommand"]["payload"]["schema"]["properties"]["eventMeta"]["properties"]
    of_between = resolved(f"./event-meta/{TIMEOUT_BETWEEN}.schema.json")["properties"]
    assert set(meta) == set(of_between)
    assert meta["action"] == {"const": TIMEOUT_COMMAND}


def test_a_saga_gets_its_start_back() -> None:
    for name in ("accepted", "proceeded", "timedOut", "cancelled"):
        meta = MESSAGES[name]["payload"]["schema"]["properties"]["eventMeta"]
        assert meta == {"$ref": f"./event-meta/{START_TASK}.schema.json"}


def test_the_topics_are_those_that_the_command_makes() -> None:
    config = Config()
    named = {channel["address"]: channel for channel in document()["channels"].values()}
    for topic, settings in wanted_topics(config).items():
        made = named[topic]["bindings"]["kafka"]["topicConfiguration"]
        assert made["cleanup.policy"] == [settings.get("cleanup.policy", "delete")]
        for name in ("max.message.bytes", "retention.ms"):
            assert str(made.get(name)) == settings.get(name, "None")
    assert named["tasks"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] == ["compact"]


def test_the_task_in_a_reply_and_the_decision_have_the_fields_of_the_code() -> None:
    record = closed_by(proceed(), started())
    assert set(SCHEMAS["task"]["schema"]["properties"]) == {"id", "domain", *task_result(record)}
    closing = record.state.closing
    assert closing is not None
    of_another = structs.replace(closing, on_behalf_of="ann")
    record = structs.replace(record, state=structs.replace(record.state, closing=of_another))
    assert list(SCHEMAS["decision"]["schema"]["properties"]) == list(decision_of(record))


def test_the_states_that_people_see_are_those_of_the_code() -> None:
    record = started(start(taskUser="ann"))
    assert record.ownership == TaskOwnership("ann", (), "ann")
    records = [started(), record, *(closed_by(end, started()) for end in (proceed(), timeout(), cancelled()))]
    states = SCHEMAS["task"]["schema"]["properties"]["status"]["enum"]
    assert [task_result(each)["status"] for each in records] == states


def test_the_codes_are_those_of_the_code() -> None:
    codes = [value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)]
    assert SCHEMAS["error"]["schema"]["properties"]["code"]["enum"] == sorted(codes)
    assert SCHEMAS["cancellation"]["schema"]["properties"]["code"]["const"] == errors.TASK_CANCELLED


def test_each_part_of_a_record_has_its_message_in_the_changelog() -> None:
    record = schema.json_schema()
    parts = {
        f"^{name}$": node for name, node in record["properties"].items() if name not in {"state", "start"}
    }
    parts |= record["patternProperties"]
    assert len(names_of("tellChange")) == 1 + len(parts)
    for pattern, node in parts.items():
        name = pattern.strip("^$")
        message = MESSAGES[f"{name.partition('/')[0]}Changed"]
        said = message["payload"]["schema"]["properties"]
        assert said["part"] == {"type": "string", "pattern": pattern}
        assert said["value"] == {"$ref": f"./record.schema.json{node['$ref']}"}
        assert message["bindings"]["kafka"]["key"]["pattern"] == f"^{DOMAIN_IN_KEY}%{name}:"
    removed = "|".join(pattern.strip("^$") for pattern in parts)
    assert MESSAGES["partRemoved"]["bindings"]["kafka"]["key"]["pattern"] == f"^{DOMAIN_IN_KEY}%({removed}):"
    of_task = document()["components"]["messageBindings"]["task"]["kafka"]["key"]
    assert of_task["pattern"] == f"^{DOMAIN_IN_KEY}:"


def test_patterns_and_numbers_are_those_of_the_code() -> None:
    for name in ("runner-origin", "source", "event"):
        assert SCHEMAS[f"header.{name}"]["pattern"] == SOURCE
    assert SCHEMAS["changeOfPart"]["schema"]["properties"]["source"]["pattern"] == SOURCE
    assert SCHEMAS["header.runner-timer"]["pattern"].startswith(f"^{WRITTEN.pattern};")
    assert f" {MAX_HOPS} times at most" in SCHEMAS["header.runner-hops"]["description"]
    assert SCHEMAS["header.dead-letter-message"]["maxLength"] == MAX_MESSAGE_CHARACTERS
    assert MESSAGES["deadLetter"]["headers"]["required"] == list(HEADERS)


def test_version_and_groups_are_those_of_the_code() -> None:
    config = Config()
    assert document()["info"]["version"] == __version__
    groups = document()["components"]["operationBindings"]
    assert groups["group"]["kafka"]["groupId"]["default"] == config.kafka.group
    assert groups["groupOfInput"]["kafka"]["groupId"]["default"] == group_of(config, "{input}")
    assert SCHEMAS["timer"]["schema"]["properties"]["eventMeta"]["properties"]["handler"] == {
        "const": config.handler
    }


def test_the_reasons_of_dead_letters_are_those_of_the_code() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "runner").rglob("*.py"))
    reasons = set(re.findall(r'PoisonError\(\s*"([A-Z_0-9]+)"', source))
    described = SCHEMAS["header.dead-letter-reason"]
    assert set(described["enum"]) == reasons | {UNANSWERABLE}
    assert re.findall(r"([A-Z_0-9]+): ", described["description"]) == described["enum"]


def test_the_headers_are_those_of_the_protocol() -> None:
    table = [cells[0] for cells in rows(PROTOCOL, r"(header )?`[a-z]+-?[a-z-]*`(, `[a-z-]+`)*")]
    in_tables = {name for cell in table for name in re.findall(r"`([a-z-]+)`", cell)}
    in_text = set(re.findall(r"`(dead-letter-replay[a-z-]*|content-type)`", text_of(PROTOCOL)))
    named = {name.removeprefix("header.") for name in SCHEMAS if name.startswith("header.")}
    with_hyphen = {name for name in in_tables if "-" in name and name != "dead-letters"}
    assert with_hyphen <= named
    assert named - {"content-type"} <= in_tables | in_text


def test_a_notification_is_described_by_its_schema() -> None:
    assert MESSAGES["notification"]["payload"]["schema"] == {"$ref": "./notification.schema.json"}
