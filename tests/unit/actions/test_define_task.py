"""DefineTask: versions of a definition, and the tasks that are pinned to them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest
from msgspec import structs

from runner.actions.decision import Done, Forwarded
from runner.actions.definitions import first_home
from runner.actions.plan import Reading, TaskPlan
from runner.actions.policy import DomainPolicy
from runner.errors import (
    DOMAIN_UNKNOWN,
    FORBIDDEN,
    NOT_CONVERTIBLE,
    PARAMETER_MISSING,
    RecordAwaited,
)
from runner.tasks.keys import TaskKey, definition_key, is_definition
from runner.tasks.parts import version_part
from tests.unit.actions.events import (
    NOW,
    POLICY,
    again,
    answer,
    code,
    envelope,
    incoming,
    planned,
    reply,
    start,
)
from tests.unit.actions.people import (
    NOBODY,
    PURCHASE,
    VOTE,
    after,
    begun,
    claim,
    define,
    defined,
    finish,
    get,
    part,
    save,
    told,
    verb,
    violations,
    written,
    wrong,
)

KEY: Final = definition_key("orders", "purchase")
WITH_NOTE: Final = {**PURCHASE, "description": "Approve a purchase"}


def version_of(decision: Any) -> int:
    definition = reply(decision).result["definition"]
    assert (definition["domain"], set(definition)) == ("orders", {"domain", "taskSpec", "version"})
    return int(definition["version"])


# Defining.


def test_the_first_version_is_nought_and_told_to_the_sender() -> None:
    decision = answer(define(**PURCHASE))
    said = reply(decision)
    assert (said.status, said.payload) == ("SUCCESS", {"taskId": "task-1"})
    assert said.result["definition"] == {"domain": "orders", "taskSpec": "purchase", "version": 0}
    assert not {"task-id", "task-domain"} & said.headers.keys()
    record = decision.record
    assert record is not None
    assert record.key == KEY
    assert written(decision) == {"life", "version/0"}
    kept = part(record, "version/0")
    assert (kept["number"], kept["by"], kept["at"]) == (0, "root", NOW)
    assert kept["definition"] == {"schema": PURCHASE["schema"]}


def test_no_task_id_can_name_a_definition() -> None:
    assert is_definition(KEY)
    assert not is_definition(TaskKey("orders", "purchase"))
    assert POLICY.domains.keys().isdisjoint({KEY.domain})
    assert code(answer(get("root", meta={"domain": KEY.domain}))) == DOMAIN_UNKNOWN


def test_the_same_again_is_the_same_version_and_changes_nothing() -> None:
    first = answer(define(**WITH_NOTE))
    record = first.record
    reordered = {**WITH_NOTE, "schema": dict(reversed(PURCHASE["schema"].items()))}
    for number, form in enumerate((WITH_NOTE, reordered, {**WITH_NOTE, "uiOrder": None}), 2):
        same = answer(define(number, **form), record)
        assert (version_of(same), same.record) == (0, None), "compared as JSON"


@pytest.mark.parametrize(
    "changed",
    [
        {"description": "another"},
        {"outcomes": ["yes", "no"]},
        {"uiOrder": ["amount", "decision"]},
        {"uiWidgets": {"note": "textarea"}},
        {"schema": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    ],
)
def test_whatever_has_changed_is_one_version_more(changed: dict[str, Any]) -> None:
    record = answer(define(**WITH_NOTE)).record
    decision = answer(define(2, **{**WITH_NOTE, **changed}), record)
    assert version_of(decision) == 1
    assert written(decision) == {"life", "version/1"}, "an earlier version is written once"


def test_a_version_of_before_is_new_again() -> None:
    record = after(None, define(1, **PURCHASE), define(2, **WITH_NOTE))
    assert version_of(answer(define(3, **PURCHASE), record)) == 2


def test_only_the_newest_version_is_read_to_compare() -> None:
    record = after(None, define(1, **PURCHASE), define(2, **WITH_NOTE))
    unread = structs.replace(record, parts={})
    plan = planned(define(3, **PURCHASE))
    assert isinstance(plan, TaskPlan)
    assert plan.verb.asks(plan, unread) == (Reading(KEY, (version_part(1),)),)


def test_a_repeat_is_told_the_newest_version_and_defines_nothing() -> None:
    one = define(1, **PURCHASE)
    record = after(None, one, define(2, **WITH_NOTE))
    repeated = answer(again(one), record)
    assert (version_of(repeated), repeated.record) == (1, None)


def test_only_an_admin_defines() -> None:
    for who in ("ann", "eve", NOBODY):
        refused = answer(define(by=who, **PURCHASE))
        assert code(refused) == FORBIDDEN
    nobody = replace(POLICY, domains={"orders": DomainPolicy()})
    assert code(answer(define(**PURCHASE), policy=nobody)) == FORBIDDEN, "no adminRole: nobody is admin"
    assert code(answer(define(meta={"domain": "nope"}, **PURCHASE))) == DOMAIN_UNKNOWN


@pytest.mark.parametrize(
    ("parameters", "payload"),
    [
        (PURCHASE, {}),
        ({"taskSpecPath": "form.taskSpec", "schemaPath": "form.schema"}, {"form": PURCHASE}),
        ({}, PURCHASE),
    ],
)
def test_a_value_is_a_parameter_or_at_a_path_or_a_field(
    parameters: dict[str, Any], payload: dict[str, Any]
) -> None:
    decision = answer(verb("DefineTask", "root", payload=payload, **parameters))
    assert version_of(decision) == 0
    assert decision.record is not None
    assert decision.record.key == KEY


@pytest.mark.parametrize("spec", ["a", "A.b_9", "a-b", "a--b", "_", 7, "x" * 200])
def test_a_name_has_letters_digits_points_underscores_and_inner_dashes(spec: Any) -> None:
    assert answer(define(**{**PURCHASE, "taskSpec": spec})).status == "SUCCESS"


@pytest.mark.parametrize("spec", ["a b", "-a", "a-", "ä", "a/b", "a:b", "a\n", "x" * 201, " a", True, ["a"]])
def test_any_other_name_is_refused(spec: Any) -> None:
    refused = answer(wrong("DefineTask", "root", **{**PURCHASE, "taskSpec": spec}))
    assert code(refused) == NOT_CONVERTIBLE
    assert "taskSpec" in reply(refused).result["error"]["message"]


@pytest.mark.parametrize("name", ["taskSpec", "schema"])
def test_name_and_schema_are_needed(name: str) -> None:
    left_out = {key: value for key, value in PURCHASE.items() if key != name}
    for values in (left_out, {**left_out, name: None}):
        assert code(answer(wrong("DefineTask", "root", **values))) == PARAMETER_MISSING


@pytest.mark.parametrize(
    "values",
    [
        {"description": 5},
        {"description": "x" * 4001},
        {"uiOrder": "a,b"},
        {"uiOrder": [1]},
        {"uiWidgets": ["a"]},
        {"uiWidgets": {"a": "x" * 70_000}},
        {"outcomes": "approve,reject"},
        {"outcomes": ["approve", "approve"]},
        {"outcomes": [" approve"]},
        {"outcomes": [""]},
        {"outcomes": ["x" * 101]},
        {"outcomes": [str(number) for number in range(51)]},
    ],
)
def test_a_value_that_is_no_good_is_refused_by_name(values: dict[str, Any]) -> None:
    refused = answer(wrong("DefineTask", "root", **{**PURCHASE, **values}))
    assert code(refused) == NOT_CONVERTIBLE
    assert next(iter(values)) in reply(refused).result["error"]["message"]


@pytest.mark.parametrize(
    ("schema", "pointer"),
    [
        ({"type": "object", "properties": {"a": {"type": "txt"}}}, "/schema/properties/a"),
        (
            {"type": "object", "properties": {"a": {"$ref": "https://example.com/a.json"}}},
            "/schema/properties/a",
        ),
        ({"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}, "/schema/properties/a"),
        ({"type": "object", "required": "a"}, "/schema/required"),
        ("text", "/schema"),
    ],
)
def test_an_invalid_schema_is_refused_with_its_pointer(schema: Any, pointer: str) -> None:
    refused = answer(wrong("DefineTask", "root", **{**PURCHASE, "schema": schema}))
    assert code(refused) == NOT_CONVERTIBLE
    assert pointer in reply(refused).result["error"]["message"]


def test_what_an_earlier_reply_said_of_a_definition_is_not_told_again() -> None:
    ours = {"status": "SUCCESS", "definition": {"domain": "orders", "taskSpec": "purchase", "version": 3}}
    others = {"status": "DONE", "definition": {"of": "another handler"}}
    for earlier, kept in ((ours, None), (others, {"of": "another handler"})):
        sent = {**envelope("StartTask"), "result": earlier}
        assert reply(answer(incoming(sent))).result.get("definition") == kept


# Its home.


def test_a_definition_read_elsewhere_is_forwarded_to_its_home() -> None:
    wide = replace(POLICY, partitions=4)
    home = first_home(KEY, 4)
    for partition in range(4):
        sent = incoming(define(**PURCHASE).value, partition=partition, offset=7)
        decision = answer(sent, policy=wide)
        if partition == home:
            assert version_of(decision) == 0
            assert decision.record is not None
            assert decision.record.state.home == home
        else:
            assert decision.outcome == Forwarded(home)
            assert [outgoing.partition for outgoing in decision.messages] == [home]


def test_it_keeps_its_home_when_partitions_are_added() -> None:
    wide = replace(POLICY, partitions=4)
    home = first_home(KEY, 4)
    record = answer(incoming(define(**PURCHASE).value, partition=home), policy=wide).record
    more = next(count for count in range(5, 50) if first_home(KEY, count) != home)
    later = answer(
        incoming(define(2, **WITH_NOTE).value, partition=home),
        record,
        policy=replace(POLICY, partitions=more),
    )
    assert version_of(later) == 1


# Tasks of a definition.


def test_a_task_is_pinned_to_the_newest_version_or_to_the_one_it_names() -> None:
    others = defined(PURCHASE, WITH_NOTE)
    assert begun(taskSpec="purchase", others=others).start.spec_version == 1
    for version in (0, "0", 1):
        pinned = begun(taskSpec="purchase", taskSpecVersion=version, others=others)
        assert pinned.start.spec_version == int(version)
    by_path = begun(
        taskSpec="purchase", taskSpecVersionPath="v", payload={"taskId": "task-1", "v": 0}, others=others
    )
    assert by_path.start.spec_version == 0
    bare = begun(taskSpec="purchase", payload={"taskId": "task-1", "taskSpecVersion": 0}, others=others)
    assert bare.start.spec_version == 1, "a saga's payload changes nothing"
    assert told(answer(get("ann"), by_path))["specVersion"] == 0


@pytest.mark.parametrize("version", [2, "2", -1, 1.5, "1e999", "first", True, [0]])
def test_a_version_that_is_not_there_is_refused(version: Any) -> None:
    sent = envelope("StartTask", taskSpec="purchase", wrong_meta={"parameters": {"taskSpecVersion": version}})
    decision = answer(incoming(sent, offset=10), others=defined(PURCHASE, WITH_NOTE))
    assert code(decision) == NOT_CONVERTIBLE


@pytest.mark.parametrize("spec", [None, "nothing", "no name of a definition"])
def test_a_version_of_nothing_is_refused(spec: str | None) -> None:
    sent = envelope("StartTask", taskSpec=spec, taskSpecVersion=0)
    assert code(answer(incoming(sent, offset=10), others=defined(PURCHASE))) == NOT_CONVERTIBLE


@pytest.mark.parametrize("spec", [None, "purchases", "no name of a definition"])
def test_a_task_without_a_definition_takes_any_answers(spec: str | None) -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec=spec, others=others)
    assert record.start.spec_version is None
    assert answer(finish("ann", {"whatever": [1]}, outcome="x"), record, others=others).status == "PROCEEDED"


@pytest.mark.parametrize("parameters", [{}, {"taskSpec": "purchases"}, {"taskSpec": "two words"}])
def test_a_domain_may_require_a_definition(parameters: dict[str, Any]) -> None:
    strict = replace(POLICY, domains={"orders": DomainPolicy(requires_definition=True)})
    others = defined(PURCHASE)
    assert code(answer(start(**parameters), policy=strict, others=others)) == PARAMETER_MISSING
    assert answer(start(taskSpec="purchase"), policy=strict, others=others).status == "ACK"


def test_a_definition_is_of_one_domain() -> None:
    decision = answer(start(taskSpec="purchase", meta={"domain": "shared"}), others=defined(PURCHASE))
    assert decision.record is not None
    assert decision.record.start.spec_version is None


def test_a_pinned_version_that_is_not_there_is_waited_for_and_nobody_is_told_anything() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    no_version = structs.replace(others[KEY] or record, parts={})
    for found in ({KEY: None}, {KEY: no_version}):
        for event in (finish("ann", {"decision": "yes", "amount": 1}), save("ann", {"decision": "yes"})):
            with pytest.raises(RecordAwaited):
                answer(event, record, others=found)
    assert answer(claim("ann"), record, others={KEY: None}).status == "SUCCESS", "it needs no definition"


def test_an_event_asks_for_the_version_that_its_task_is_pinned_to_and_no_other() -> None:
    record = begun(taskSpec="purchase", taskSpecVersion=0, others=defined(PURCHASE, WITH_NOTE))
    for event in (finish("ann"), save("ann", {})):
        plan = planned(event)
        assert isinstance(plan, TaskPlan)
        assert plan.verb.asks(plan, record) == (Reading(KEY, (version_part(0),)),)
        assert plan.verb.asks(plan, begun()) == (), "a plain task asks for nothing"


def test_a_task_without_spec_asks_for_no_definition() -> None:
    plan = planned(start())
    assert isinstance(plan, TaskPlan)
    assert plan.verb.asks(plan, None) == ()


# The answers.


def test_answers_that_do_not_fit_are_refused_with_all_that_is_wrong() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    wrong_answers = {"decision": "perhaps", "amount": " ", "colour": "red", "address": {"street": "x"}}
    refused = answer(finish("ann", wrong_answers), record, others=others)
    pointers = {pointer for pointer, _ in violations(refused)}
    assert pointers == {"/address/street", "/amount", "/colour", "/decision"}
    assert reply(refused).result["error"]["http"] == 422


def test_what_is_required_and_missing_points_to_itself() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    for event in (finish("ann"), finish("ann", {})):
        refused = violations(answer(event, record, others=others))
        assert refused == [("/amount", "required"), ("/decision", "required")]


def test_a_required_text_that_is_blank_is_missing() -> None:
    form = {
        "taskSpec": "purchase",
        "schema": {"type": "object", "required": ["why"], "properties": {"why": {"type": "string"}}},
    }
    others = defined(form)
    record = begun(taskSpec="purchase", others=others)
    [(pointer, _)] = violations(answer(finish("ann", {"why": " "}), record, others=others))
    assert pointer == "/why"


def test_a_default_is_never_filled_in() -> None:
    form = {
        "taskSpec": "purchase",
        "schema": {"type": "object", "properties": {"why": {"type": "string", "default": "none"}}},
    }
    others = defined(form)
    record = begun(taskSpec="purchase", others=others)
    payload = reply(answer(finish("ann", {}), record, others=others)).payload
    assert "none" not in str(payload)


def test_an_outcome_is_one_of_those_named() -> None:
    others = defined(VOTE)
    record = begun(taskSpec="vote", others=others)
    answers = {"decision": "yes", "amount": 1}
    assert answer(finish("ann", answers, outcome="approve"), record, others=others).status == "PROCEEDED"
    for values in ({}, {"outcome": "Approve"}, {"outcome": None}, {"outcome": " "}, {"outcome": "other"}):
        refused = violations(answer(finish("ann", answers, **values), record, others=others))
        assert [rule for _, rule in refused] == ["outcome"]


def test_an_outcome_is_a_parameter_or_at_a_path_and_no_bare_field() -> None:
    others = defined(VOTE)
    record = begun(taskSpec="vote", others=others)
    fields = {
        "taskId": "task-1",
        "answers": {"decision": "yes", "amount": 1},
        "outcome": "approve",
        "o": "reject",
    }
    bare = verb("ProceedTask", "ann", payload=fields, enrichPath="answers")
    assert [rule for _, rule in violations(answer(bare, record, others=others))] == ["outcome"]
    by_path = verb("ProceedTask", "ann", payload=fields, enrichPath="answers", outcomePath="o")
    assert told(answer(by_path, record, others=others))["status"] == "DONE"


def test_an_outcome_where_none_is_named_is_refused_and_without_a_definition_not_read() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", others=others)
    answers = {"decision": "yes", "amount": 1}
    refused = answer(finish("ann", answers, outcome="approve"), record, others=others)
    assert [rule for _, rule in violations(refused)] == ["outcome"]
    blank = answer(finish("ann", answers, outcome=" "), record, others=others)
    assert blank.status == "PROCEEDED"
    assert answer(wrong("ProceedTask", "ann", outcome=[1]), begun()).status == "PROCEEDED"


def test_other_verbs_need_no_definition_and_a_timeout_is_not_checked() -> None:
    others = defined(PURCHASE)
    record = begun(taskSpec="purchase", timeout=1, others=others)
    end = answer(verb("TimeoutTask", "ann"), record, others={KEY: None})
    assert end.status == "TIMEOUT"
    assert isinstance(end.outcome, Done)
