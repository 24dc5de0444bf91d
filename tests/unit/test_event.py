"""The event (docs/protocol.md, "The envelope"): sections read when asked for, identity, rules, results."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.envelope.codec import JsonCodec
from runner.envelope.event import (
    NO_RULES,
    Event,
    MetaRules,
    as_text,
    read_event,
    require_answerable,
    require_sound,
    stored_event,
)
from runner.errors import NOT_CONVERTIBLE, EventError, PoisonError

CODEC = JsonCodec()
WHOLE: dict[str, Any] = {
    "requestMeta": {"id": "req-1", "channel": "web"},
    "sagaMeta": [{"sagaId": "outer", "stepId": 1}, {"sagaId": "inner", "stepId": "s-2"}],
    "eventMeta": {"action": "StartTask", "domain": "orders", "requestTime": 5, "parameters": {"a": "b"}},
    "payload": {"x": [1, {"y": None}]},
    "result": None,
    "unknown": {"deep": [1.5]},
}


def read(sent: dict[str, Any] | bytes, rules: MetaRules = NO_RULES) -> Event:
    value = sent if isinstance(sent, bytes) else json.dumps(sent).encode()
    return read_event(CODEC.decode(value), value, rules)


def changed(**sections: Any) -> dict[str, Any]:
    return {**WHOLE, **sections}


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in WHOLE.items() if name not in names}


# What can be answered, and what is poison.


@pytest.mark.parametrize(
    "sent",
    [
        without("requestMeta"),
        changed(requestMeta=None),
        changed(requestMeta=[]),
        changed(requestMeta="req-1"),
        changed(requestMeta={}),
        changed(requestMeta={"id": None}),
        changed(requestMeta={"id": ""}),
        changed(requestMeta={"id": True}),
        changed(requestMeta={"id": {"x": 1}}),
        changed(requestMeta={"id": "half \ud83d"}),
        {},
    ],
)
def test_without_a_request_id_nobody_can_be_answered(sent: dict[str, Any]) -> None:
    event = read(sent)
    with pytest.raises(PoisonError) as poison:
        require_answerable(event)
    assert poison.value.reason == "NOT_AN_ENVELOPE"


@pytest.mark.parametrize("meta", [[], "text", 5, True, [{}], {"note": "\ud83d"}, {"\ude00": 1}])
def test_event_meta_that_cannot_be_read_is_said_under_the_request_id(meta: Any) -> None:
    for rules in (NO_RULES, MetaRules(overrides={"action": "StartTask"}, parameter_defaults={"a": 1})):
        event = read(changed(eventMeta=meta), rules)
        require_answerable(event)
        with pytest.raises(EventError) as error:
            require_sound(event)
        assert (error.value.code, "eventMeta" in error.value.message) == (NOT_CONVERTIBLE, True)
        assert json.loads(CODEC.encode(event.answered({})))["eventMeta"] == meta


def test_what_can_be_read_of_event_meta_says_whom_it_is_for() -> None:
    event = read(changed(eventMeta={"handler": "others", "note": "\ud83d"}))
    assert (event.meta["handler"], event.trouble is not None) == ("others", True)


@pytest.mark.parametrize("meta", [None, {}, {"action": None}, {"action": ""}, {"action": ["StartTask"]}])
def test_an_action_that_is_not_there_is_empty(meta: Any) -> None:
    event = read(changed(eventMeta=meta))
    require_answerable(event)
    assert event.action == ""


@pytest.mark.parametrize("number", ["1e999", "1" * 5000, "-1e400"])
def test_a_number_beyond_all_bounds_is_passed_on_and_is_its_own_text(number: str) -> None:
    event = read(
        b'{"requestMeta":{"id":%s},"eventMeta":{"action":"StartTask","n":%s}}'
        % (number.encode(), number.encode())
    )
    require_answerable(event)
    require_sound(event)
    assert (event.request_id, event.text("n")) == (number, number)


@pytest.mark.parametrize(
    ("request_id", "text"),
    [
        ("req-1", "req-1"),
        (7, "7"),
        (43.0, "43"),
        (1.5, "1.5"),
        (2**70, str(2**70)),
        (" ", " "),
        ("a\nb ü", "a\nb ü"),
    ],
)
def test_a_request_id_is_text_or_a_number_read_as_its_text(request_id: Any, text: str) -> None:
    event = read(changed(requestMeta={"id": request_id, "claims": 5}))
    require_answerable(event)
    assert event.request_id == text


def test_the_rest_of_request_meta_is_not_looked_at() -> None:
    for overlap in (rb'"n":1e999', rb'"name":"\ud83d"', rb'"\ude00":[]', b'"id":"not the last"'):
        value = b'{"requestMeta":{%s,"id":"r"},"eventMeta":{"action":"StartTask"},"payload":{}}' % overlap
        event = read(value)
        require_answerable(event)
        assert event.request_id == "r"
        assert CODEC.encode(event.sections) == value


# Sections.


def test_an_absent_and_a_null_section_are_the_same() -> None:
    for sent in (without("payload", "sagaMeta", "result"), changed(payload=None, sagaMeta=None, result=None)):
        event = read(sent)
        require_sound(event)
        assert (event.payload, event.result, event.saga_id, event.step_id) == (None, None, None, None)


def test_the_current_saga_is_the_last() -> None:
    assert (read(WHOLE).saga_id, read(WHOLE).step_id) == ("inner", "s-2")
    assert read(changed(sagaMeta=[])).step_id is None


@pytest.mark.parametrize(
    ("step", "text"), [(20, "20"), ("20", "20"), (20.0, "20"), (0, "0"), ("", None), (None, None)]
)
def test_a_numeric_step_id_is_read_as_its_text(step: Any, text: str | None) -> None:
    assert read(changed(sagaMeta=[{"stepId": step}])).step_id == text


@pytest.mark.parametrize(
    ("section", "values"),
    [
        ("payload", [[], "text", 0, False, [{}]]),
        ("result", [[], "text", 0, False, [{}]]),
        (
            "sagaMeta",
            [{}, "text", 0, False, [1], [{}, None], [None, {}], [{"stepId": []}], [{"sagaId": True}]],
        ),
        ("eventMeta", [{"parameters": []}, {"parameters": "x"}, {"requestTime": {}}, {"requestTime": True}]),
    ],
)
def test_a_section_of_the_wrong_type_is_not_convertible(section: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(EventError) as error:
            require_sound(read(changed(**{section: value})))
        assert error.value.code == NOT_CONVERTIBLE
        assert section in error.value.message


def test_text_fields_and_parameters_are_text_or_nothing() -> None:
    event = read(
        changed(eventMeta={"domain": " ", "inputElement": 5, "parameters": {"a": "x", "b": 1.0, "c": None}})
    )
    assert (event.text("domain"), event.text("inputElement"), event.text("none")) == (None, "5", None)
    assert [event.parameter(name) for name in "abcd"] == ["x", "1", None, None]
    assert read(changed(eventMeta={})).parameter("a") is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("", None),
        (" \t\n", None),
        (" a ", " a "),
        (0, "0"),
        (-0.0, "0"),
        (1.25, "1.25"),
        (1e22, "1" + "0" * 22),
        (10**4299, "1" + "0" * 4299),
    ],
)
def test_a_number_counts_as_its_text_and_blank_text_as_absent(value: Any, text: str | None) -> None:
    assert as_text(value, "it") == text


@pytest.mark.parametrize("value", [True, False, [], {}, ["a"], "half \ud83d"])
def test_what_is_neither_text_nor_number_is_refused_by_name(value: Any) -> None:
    with pytest.raises(EventError) as error:
        as_text(value, "eventMeta.domain")
    assert (error.value.code, "eventMeta.domain" in error.value.message) == (NOT_CONVERTIBLE, True)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("43.0", "43"),
        ("-0", "0"),
        ("-0.0", "0"),
        ("1.50", "1.5"),
        ("15e-1", "1.5"),
        ("4.3e1", "43"),
        ("12345678901234567890.0", "12345678901234567890"),
        ("0.1234567890123456789", "0.1234567890123456789"),
        ("1e-400", "1e-400"),
        ("0e9999999999999999999", "0"),
        ("-0.0e-9999999999999999999", "0"),
        ("1e-9999999999999999999", "1e-9999999999999999999"),
    ],
)
def test_a_number_has_one_text_however_it_was_spelled_and_loses_no_digit(number: str, text: str) -> None:
    event = read(b'{"eventMeta":{"n":%s}}' % number.encode())
    assert event.text("n") == text


@pytest.mark.parametrize("section", ["sagaMeta", "requestMeta"])
def test_a_section_that_has_to_be_told_may_not_hold_half_of_a_character_pair(section: str) -> None:
    event = read(changed(**{section: [{"sagaId": "\ud83d"}]}))
    with pytest.raises(EventError) as error:
        event.section(section)
    assert section in error.value.message
    assert event.whole()[section] == [{"sagaId": "\ud83d"}]


def test_the_whole_event_is_plain_values() -> None:
    assert read(WHOLE).whole() == WHOLE


def test_what_one_reader_does_to_a_section_is_not_seen_by_another() -> None:
    event = read(WHOLE)
    event.section("unknown")["deep"].append(2)
    event.whole()["sagaMeta"].clear()
    assert event.whole() == WHOLE


# Identity.


def same(one: dict[str, Any] | bytes, other: dict[str, Any] | bytes) -> bool:
    return read(one).identity() == read(other).identity()


def test_request_saga_step_and_request_time_make_the_identity() -> None:
    assert same(WHOLE, changed(payload={"other": 1}, unknown=None, result={"status": "FAIL"}))
    assert same(WHOLE, changed(eventMeta={"requestTime": "5", "action": "StartTask"}))
    assert same(WHOLE, changed(requestMeta={"id": "req-1"}))
    assert same(WHOLE, changed(sagaMeta=[{"sagaId": "inner", "stepId": "s-2", "startDT": 9}]))
    for other in (
        changed(requestMeta={"id": "req-2"}),
        changed(eventMeta={"requestTime": 6}),
        changed(eventMeta={}),
        changed(sagaMeta=[{"sagaId": "inner", "stepId": "s-3"}]),
        changed(sagaMeta=[{"sagaId": "other", "stepId": "s-2"}]),
        changed(sagaMeta=[{"stepId": "s-2"}]),
        changed(sagaMeta=[]),
        changed(sagaMeta=[{"sagaId": "inners-2", "stepId": ""}]),
    ):
        assert not same(WHOLE, other), other


@pytest.mark.parametrize("time", [None, "", "  "])
def test_without_request_time_the_whole_value_is_the_identity(time: Any) -> None:
    one = changed(eventMeta={"action": "StartTask", "requestTime": time})
    assert same(one, one)
    assert not same(one, {**one, "payload": {"other": 1}})
    assert not same(one, {**one, "unknown": None})


def test_white_space_around_the_value_is_not_part_of_it() -> None:
    value = json.dumps(changed(eventMeta={})).encode()
    assert same(value, b"\n " + value + b"\r\n\t")


def test_the_identity_survives_being_stored() -> None:
    for sent in (WHOLE, changed(eventMeta={"action": "StartTask"})):
        for rules in (NO_RULES, MetaRules(defaults={"domain": "orders"}, parameter_overrides={"a": 1})):
            event = read(sent, rules)
            assert stored_event(event.raw).identity() == event.identity()
            assert stored_event(event.raw).meta == event.meta


# Answering.


def test_an_answer_changes_the_result_and_nothing_else() -> None:
    sections = read(WHOLE).answered({"status": "ACK"})
    assert json.loads(CODEC.encode(sections)) == {**WHOLE, "result": {"status": "ACK"}}
    sections = read(WHOLE).answered({"status": "ACK"}, {"new": 1})
    assert json.loads(CODEC.encode(sections)) == {**WHOLE, "result": {"status": "ACK"}, "payload": {"new": 1}}
    assert json.loads(CODEC.encode(read(WHOLE).answered({}, None)))["payload"] is None


def test_fields_of_an_earlier_result_survive_unless_they_are_ours() -> None:
    before = {
        "theirs": {"a": [1]},
        "status": "FAIL",
        "error": {"code": 1},
        "task": {"id": "x"},
        "requested": 3,
        "receiveTime": 1,
        "endTime": 2,
    }
    sections = read(changed(result=before)).answered({"status": "ACK", "endTime": 9})
    assert sections["result"] == {"theirs": {"a": [1]}, "status": "ACK", "endTime": 9}


@pytest.mark.parametrize("before", [None, "text", [1], 5])
def test_an_earlier_result_that_is_no_object_is_replaced(before: Any) -> None:
    assert read(changed(result=before)).answered({"status": "FAIL"})["result"] == {"status": "FAIL"}


@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ({"requested": 3, "from": 1, "to": 2, "comment": {"id": 1}}, {}),
        ({"task": {"id": "t"}, "comment": {"id": 1}, "other": 1}, {"other": 1}),
        ({"from": "a", "to": "b", "comment": "c"}, {"from": "a", "to": "b", "comment": "c"}),
    ],
)
def test_what_an_earlier_reply_of_the_runner_said_is_not_taken_for_this_one(
    before: dict[str, Any], kept: dict[str, Any]
) -> None:
    """``from``, ``to`` and ``comment`` are words that others use, too: theirs stay."""
    sections = read(changed(result=before)).answered({"status": "FAIL"})
    assert sections["result"] == {**kept, "status": "FAIL"}


def test_an_answer_without_an_earlier_result_has_one() -> None:
    assert read(without("result")).answered({"status": "ACK"})["result"] == {"status": "ACK"}


# Metadata by topic: default and override for any eventMeta field and for its parameters.

RULES = MetaRules(
    defaults={"domain": "by-default", "action": "StartTask"},
    overrides={"handler": "by-override"},
    parameter_defaults={"timeout": 60000},
    parameter_overrides={"taskRoles": "clerk"},
)


@pytest.mark.parametrize(
    ("meta", "ruled"),
    [
        ({}, {"domain": "by-default", "action": "StartTask", "handler": "by-override"}),
        ({"domain": None}, {"domain": "by-default", "action": "StartTask", "handler": "by-override"}),
        ({"domain": "own"}, {"domain": "own", "action": "StartTask", "handler": "by-override"}),
        ({"domain": ""}, {"domain": "", "action": "StartTask", "handler": "by-override"}),
        ({"handler": "own"}, {"domain": "by-default", "action": "StartTask", "handler": "by-override"}),
        ({"x": [1]}, {"x": [1], "domain": "by-default", "action": "StartTask", "handler": "by-override"}),
    ],
)
def test_a_default_fills_what_is_absent_and_an_override_replaces_what_is_there(
    meta: dict[str, Any], ruled: dict[str, Any]
) -> None:
    event = read(changed(eventMeta=meta), RULES)
    assert event.meta == {**ruled, "parameters": {"timeout": 60000, "taskRoles": "clerk"}}
    assert event.section("eventMeta") == event.meta


@pytest.mark.parametrize(
    ("parameters", "ruled"),
    [
        (None, {"timeout": 60000, "taskRoles": "clerk"}),
        ({}, {"timeout": 60000, "taskRoles": "clerk"}),
        ({"timeout": None}, {"timeout": 60000, "taskRoles": "clerk"}),
        ({"timeout": 1, "x": 2}, {"timeout": 1, "x": 2, "taskRoles": "clerk"}),
        ({"taskRoles": "anyone"}, {"timeout": 60000, "taskRoles": "clerk"}),
    ],
)
def test_parameters_have_rules_of_their_own(parameters: Any, ruled: dict[str, Any]) -> None:
    assert read(changed(eventMeta={"parameters": parameters}), RULES).parameters == ruled


@pytest.mark.parametrize("parameters", [[], "text", 5, True])
def test_rules_do_not_paper_over_parameters_of_the_wrong_type(parameters: Any) -> None:
    event = read(changed(eventMeta={"parameters": parameters}), RULES)
    with pytest.raises(EventError):
        require_sound(event)


def test_without_rules_for_parameters_there_are_none_added() -> None:
    assert read(changed(eventMeta={}), MetaRules(defaults={"domain": "d"})).meta == {"domain": "d"}


def test_a_gateway_can_send_bare_events() -> None:
    event = read({"requestMeta": {"id": "r"}, "payload": {}}, RULES)
    require_answerable(event)
    require_sound(event)
    assert (event.action, event.text("domain")) == ("StartTask", "by-default")
    assert json.loads(event.raw)["eventMeta"] == event.meta


def test_rules_leave_the_other_sections_to_the_byte_and_what_was_sent_readable() -> None:
    value = (
        b'{"payload":{ "a":1.50 },"eventMeta":{"domain":"own","handler":"sent"},"requestMeta":{ "id":"r" }}'
    )
    event = read(value, RULES)
    assert b'{ "a":1.50 }' in event.raw
    assert b'{ "id":"r" }' in event.raw
    assert event.sent_meta == {"domain": "own", "handler": "sent"}
    assert json.loads(value)["eventMeta"] == event.sent_meta


def test_without_rules_the_event_is_the_value_it_came_as() -> None:
    assert not NO_RULES
    value = b' {"payload": {}, "requestMeta":{"id":"r"}}\n'
    event = read(value)
    assert event.raw == value
    assert event.meta == event.sent_meta == {}


@pytest.mark.parametrize(
    ("rules", "meta"),
    [
        (MetaRules(defaults={"a": 1}), {"a": 1}),
        (MetaRules(overrides={"a": 1}), {"a": 1}),
        (MetaRules(parameter_defaults={"a": 1}), {"parameters": {"a": 1}}),
        (MetaRules(parameter_overrides={"a": 1}), {"parameters": {"a": 1}}),
    ],
)
def test_a_single_rule_of_any_kind_counts(rules: MetaRules, meta: dict[str, Any]) -> None:
    assert rules
    assert read(changed(eventMeta={}), rules).meta == meta
