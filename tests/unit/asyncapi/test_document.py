"""The AsyncAPI document is that of the code, and all that it names is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from jsonschema import Draft7Validator, Draft202012Validator
from msgspec import structs

from runner.actions.checks import START_TASK
from runner.actions.registry import TIMEOUT_BETWEEN, VERBS
from runner.actions.render import decision_of
from runner.actions.task_result import task_result
from runner.actions.timeout_between import TIMEOUT_COMMAND
from runner.cli.asyncapi.building import DIALECT
from runner.cli.asyncapi.document import text
from runner.cli.asyncapi.envelope import STATUSES
from runner.cli.asyncapi.headers import REASONS, header_schemas
from runner.cli.topics_command import wanted_topics
from runner.config import Config
from runner.tasks.parts import TaskOwnership
from runner.worker.decider import UNANSWERABLE
from tests.unit.actions.events import cancelled, closed_by, proceed, start, started, timeout
from tests.unit.actions.schemas import FOLDER
from tests.unit.asyncapi.reading import FILE, document, resolved
from tests.unit.docs.pages import PROTOCOL, ROOT, rows, text_of

MESSAGES: Final = document()["components"]["messages"]
SCHEMAS: Final = document()["components"]["schemas"]


def test_the_document_is_that_of_the_code() -> None:
    remedy = "run python -m runner.cli.asyncapi > schemas/asyncapi.yaml"
    assert FILE.read_text(encoding="utf-8") == text(), remedy


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
        Draft7Validator.check_schema(message["bindings"]["kafka"]["key"])
    for name, schema in SCHEMAS.items():
        if "schemaFormat" in schema:
            Draft202012Validator.check_schema(schema["schema"])
        else:
            assert name.startswith("header.")
            Draft7Validator.check_schema(schema)


def test_every_message_is_sent_or_received_on_each_of_its_channels() -> None:
    for name, channel in document()["channels"].items():
        moved = {
            each["$ref"]
            for operation in document()["operations"].values()
            for part in (operation, operation.get("reply", {}))
            if part.get("channel", {}).get("$ref") == f"#/channels/{name}"
            for each in part["messages"]
        }
        assert moved == {f"#/channels/{name}/messages/{message}" for message in channel["messages"]}


def test_each_action_has_a_request_with_its_schema_and_a_reply() -> None:
    answered = {
        operation["messages"][0]["$ref"].rpartition("/")[2]
        for operation in document()["operations"].values()
        if "reply" in operation
    }
    titles = {MESSAGES[name]["title"] for name in answered}
    assert titles == {*VERBS, TIMEOUT_BETWEEN, TIMEOUT_COMMAND}
    for name in answered:
        action = MESSAGES[name]["title"]
        meta = MESSAGES[name]["payload"]["schema"]["properties"]["eventMeta"]
        if action != TIMEOUT_COMMAND:
            assert meta == {"$ref": f"./event-meta/{action}.schema.json"}
            assert resolved(meta["$ref"])["properties"]["action"] == {"const": action}


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
        assert str(made.get("max.message.bytes")) == settings.get("max.message.bytes", "None")
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
    assert [task_result(each)["status"] for each in records] == list(STATUSES)


def test_the_reasons_of_dead_letters_are_those_of_the_code() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "runner").rglob("*.py"))
    reasons = set(re.findall(r'PoisonError\(\s*"([A-Z_0-9]+)"', source))
    assert set(REASONS) == reasons | {UNANSWERABLE}


def test_the_headers_are_those_of_the_protocol() -> None:
    table = [cells[0] for cells in rows(PROTOCOL, r"(header )?`[a-z]+-?[a-z-]*`(, `[a-z-]+`)*")]
    in_tables = {name for cell in table for name in re.findall(r"`([a-z-]+)`", cell)}
    in_text = set(re.findall(r"`(dead-letter-replay[a-z-]*|content-type)`", text_of(PROTOCOL)))
    named = {name.removeprefix("header.") for name in header_schemas()}
    with_hyphen = {name for name in in_tables if "-" in name and name != "dead-letters"}
    assert with_hyphen <= named
    assert named - {"content-type"} <= in_tables | in_text


def test_a_notification_is_described_by_its_schema_once_there_is_one() -> None:
    payload = MESSAGES["notification"]["payload"]["schema"]
    if (FOLDER / "notification.schema.json").exists():
        remedy = (
            'in runner/cli/asyncapi/notifications.py make the payload of_file("notification.schema.json")'
        )
        assert payload == {"$ref": "./notification.schema.json"}, remedy
    else:
        assert payload["properties"]["specversion"] == {"const": "1.0"}
