"""Definitions on the command line: files that hold one, and how those of the store are found and shown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from runner.actions.definitions import first_home
from runner.actions.policy import DomainPolicy, Policy
from runner.cli.app import run
from runner.cli.definitions.file import read_definition
from runner.cli.definitions.finding import (
    PAGE,
    all_definitions,
    described,
    find_definition,
    newest_of,
    version_of,
)
from runner.cli.definitions.show_command import as_put, definition_lines
from runner.config import Config
from runner.envelope.plain import Written, encode
from runner.errors import FatalError
from runner.store.calls import Change, HomeCall, ShardCall, Verdict
from runner.tasks.keys import definition_key
from runner.tasks.record import Record
from runner.testing.memory_store import MemoryStore
from tests.unit.actions.events import NOW, answer, envelope, incoming

POLICY: Final = Policy(
    domains={"orders": DomainPolicy(admin_role="admin"), "loans": DomainPolicy(admin_role="admin")},
    partitions=4,
)
CONFIG: Final = Config.model_validate({"domains": {"orders": {}, "loans": {}}})
SCHEMA: Final = {"type": "object", "properties": {"born": {"type": "string", "format": "date"}}}


def defined(spec: str, *schemas: dict[str, Any], domain: str = "orders", **fields: Any) -> Record:
    """The record of a definition with a version for each schema, by root."""
    record = None
    home = first_home(definition_key(domain, spec), POLICY.partitions)
    for number, schema in enumerate(schemas or (SCHEMA,)):
        request = {"id": f"d-{number}", "claims": {"sub": "root", "roles": ["admin"]}}
        sent = envelope(
            "DefineTask",
            meta={"domain": domain},
            request=request,
            payload={},
            taskSpec=spec,
            schema=schema,
            **fields,
        )
        decision = answer(incoming(sent, partition=home, offset=number), record, policy=POLICY)
        assert decision.record is not None, decision
        record = decision.record
    assert record is not None
    return record


def store_with(records: Iterable[Record]) -> MemoryStore:
    store = MemoryStore(lambda: NOW)
    for record in records:
        change = Change(record.key, None, record, parts=record.all_parts)
        call = ShardCall(store.shard(record.key.id), 1, (HomeCall(record.state.home, 0),), (change,))
        assert store.apply([call]) == [Verdict.APPLIED]
    return store


def test_definitions_are_found_by_name_in_the_domain_that_has_them() -> None:
    store = store_with([defined("kyc"), defined("both"), defined("both", domain="loans")])

    assert find_definition(store, CONFIG, "kyc", None).key == definition_key("orders", "kyc")
    assert find_definition(store, CONFIG, "both", "loans").key == definition_key("loans", "both")
    with pytest.raises(
        FatalError, match="there is a definition both in orders and loans; name one with --do"
    ):
        find_definition(store, CONFIG, "both", None)
    with pytest.raises(FatalError, match="there is no definition kyc in domain loans"):
        find_definition(store, CONFIG, "kyc", "loans")
    with pytest.raises(FatalError, match="there is no domain nowhere"):
        find_definition(store, CONFIG, "kyc", "nowhere")


def test_all_definitions_are_listed_by_domain_and_name_however_many_there_are() -> None:
    names = [f"spec{number:04}" for number in range(PAGE + 3)]
    store = store_with([*map(defined, names), defined("kyc", domain="loans")])

    listed = [
        (each.domain, each.spec) for each in map(version_of, all_definitions(store, 4, ["orders", "loans"]))
    ]

    assert listed == [("loans", "kyc"), *(("orders", name) for name in names)]
    assert list(all_definitions(store, 4, [])) == []


def test_the_newest_version_is_shown_or_the_one_that_is_asked_for() -> None:
    record = defined("kyc", SCHEMA, {"type": "object"}, description="who they are", outcomes=["accept"])

    newest, first = version_of(record), version_of(record, 0)

    assert (newest.version, newest.newest, newest_of(record)) == (1, 1, 1)
    assert (first.version, first.newest, first.by, first.at_ms) == (0, 1, "root", NOW)
    assert first.fields["schema"] == SCHEMA
    lines = dict(definition_lines(first, NOW + 1000))
    assert (lines["definition"], lines["domain"], lines["by"]) == ("kyc", "orders", "root")
    assert lines["version"] == "0 (1 is the newest)"
    assert lines["defined"].endswith(", 1 s ago")
    assert dict(definition_lines(newest, NOW))["version"] == "1"
    with pytest.raises(FatalError, match="kyc has no version 2; 1 is the newest"):
        version_of(record, 2)


def test_programs_get_a_definition_as_events_name_it() -> None:
    shown = json.loads(encode(described(version_of(defined("kyc", description="who")))))
    assert shown == {
        "domain": "orders",
        "taskSpec": "kyc",
        "version": 0,
        "newest": 0,
        "definedMs": NOW,
        "by": "root",
        "description": "who",
        "schema": SCHEMA,
    }


def test_what_is_shown_may_be_put_again(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"part": {"type": "number", "minimum": 0.50, "title": "yes"}}}
    file = tmp_path / "kyc.yaml"
    file.write_text(as_put(version_of(defined("kyc", schema, outcomes=["yes", "no"]))))

    assert read_definition(file) == {"taskSpec": "kyc", "schema": schema, "outcomes": ["yes", "no"]}


@pytest.mark.parametrize("name", ["kyc.yaml", "kyc.json"])
def test_a_definition_may_be_yaml_or_json(tmp_path: Path, name: str) -> None:
    definition = {"taskSpec": "kyc", "schema": SCHEMA, "description": "für alle", "uiOrder": ["born"]}
    file = tmp_path / name
    text = yaml.dump(definition) if name.endswith("yaml") else "\ufeff " + json.dumps(definition)
    file.write_text(text, encoding="utf-8")

    assert read_definition(file) == definition


def test_numbers_of_json_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "x"
    file.write_text('{"taskSpec": "kyc", "schema": {"minimum": 12.50}}')
    assert encode(read_definition(file)["schema"]) == b'{"minimum":12.50}'
    assert isinstance(read_definition(file)["schema"]["minimum"], Written)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "holds no definition, but should have taskSpec, description"),
        (b"- a", "holds no definition"),
        (b"taskSpec: kyc", "schema is missing"),
        (b"schema: {}", "taskSpec is missing"),
        (b"taskSpec: kyc\nschema: {}\nversion: 1", "version is no part of a definition; it has taskSpec"),
        (b"taskSpec: kyc\nschema: {a: yes}", "is no YAML at line 2, column 13: YAML 1.1 and 1.2 read yes"),
        (b"a: b: c", "is no YAML at line 1"),
        (b'{"taskSpec": }', "is no JSON"),
        (b"\xff", "is not UTF-8"),
    ],
)
def test_what_is_no_definition_is_said_with_its_place(
    tmp_path: Path, text: bytes, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, empty = tmp_path / "kyc.yaml", tmp_path / "runner.yaml"
    file.write_bytes(text)
    empty.touch()

    assert run(["definitions", "put", str(file), "--config", str(empty)]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {file}: ")
    assert said in told


def test_a_domain_has_to_be_named_where_there_are_several(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, settings = tmp_path / "kyc.yaml", tmp_path / "runner.yaml"
    file.write_text("taskSpec: kyc\nschema: {}")
    settings.write_text("domains: {orders: {}, loans: {}}")

    assert run(["definitions", "put", str(file), "--config", str(settings)]) == 1
    assert "which domain is it for? name one with --domain: orders, loans" in capsys.readouterr().err
    assert run(["definitions", "put", str(file), "--config", str(settings), "--domain", "x"]) == 1
    assert "there is no domain x" in capsys.readouterr().err
    assert run(["definitions", "put", "nowhere.yaml", "--config", str(settings)]) == 2
    assert "nowhere.yaml cannot be read: No such file" in capsys.readouterr().err.replace("\n", " ")
