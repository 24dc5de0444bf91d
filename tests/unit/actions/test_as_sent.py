"""What no pattern computes with comes out as it was sent, digit for digit."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.actions.decision import Decision
from runner.changelog.codec import encode_entry, read_entry
from runner.tasks.record import Record
from tests.unit.actions.events import answer, code, envelope, incoming, reply, resumed, start, started

NUMBERS = (
    *("0.1234567890123456789", "1.0", "1.50", "1e2", "1E+2", "-0", "-0.0", "1e400", "1e-400"),
    *("12345678901234567890123", "9007199254740993.0", "123456789012345678901234567890e-10"),
)
AMOUNTS = f'{{"amounts":[{",".join(NUMBERS)}],"n":{{"":-0}}}}'
ORDER = f'{{"note":"fine \\ud83d","\\ude00":{AMOUNTS}}}'


def sent(action: str, payload: str, meta: dict[str, Any] | None = None, **parameters: Any) -> bytes:
    """Give an event whose payload is this text, as it stands."""
    request = {"id": "req-1" if action == "StartTask" else "req-2"}
    whole = envelope(action, payload="PAYLOAD", request=request, meta=meta, **parameters)
    return json.dumps(whole).encode().replace(b'"PAYLOAD"', payload.encode())


def kept(record: Record) -> Record:
    """Give a record as it is restored from the changelog."""
    return read_entry(encode_entry(record)).record


def values(decision: Decision) -> list[str]:
    return [(outgoing.value or b"").decode() for outgoing in decision.messages]


def test_what_is_beside_an_enrichment_keeps_its_digits() -> None:
    value = sent("StartTask", f'{{"taskId":"task-1","order":{ORDER}}}', {"outputElement": "approval"})
    task = kept(started(incoming(value)))
    assert bytes(task.start.event) == value
    done = answer(
        incoming(sent("ProceedTask", f'{{"taskId":"task-1","form":{ORDER}}}', enrichPath="form")), task
    )
    assert done.status == "PROCEEDED"
    for text in values(done):
        assert f'"order":{ORDER}' in text
    assert f'"approval":{ORDER}' in values(done)[0]
    assert f'"form":{ORDER}' in values(done)[1]


@pytest.mark.parametrize(
    ("meta", "parameters"),
    [
        ({"inputElement": "order"}, {}),
        ({}, {"inputPattern": "order"}),
        ({}, {"inputPattern": "{amounts: order.amounts, note: note}"}),
        ({}, {"inputPattern": "[order][0]"}),
        ({}, {"inputPattern": "not_null(nothing, [order]) | [?amounts[1] < `2`] | max_by(@, &amounts[2])"}),
    ],
)
def test_data_that_a_pattern_only_passes_on_keeps_its_digits(
    meta: dict[str, Any], parameters: dict[str, Any]
) -> None:
    payload = f'{{"taskId":"task-1","order":{AMOUNTS}}}'
    value = sent("StartTask", payload, meta, taskIdPath="$.taskId", **parameters)
    decision = answer(incoming(value))
    assert decision.record is not None, code(decision)
    task = kept(decision.record)
    done = answer(incoming(sent("ProceedTask", '{"taskId":"task-1"}', {"outputElement": "data"})), task)
    assert all(number in values(done)[1] for number in NUMBERS)


def test_numbers_are_numbers_where_a_pattern_computes_with_them() -> None:
    pattern = (
        "{sum: sum([a, b]), larger: a > b, same: a == `0.10`, max: max([a, b]), text: to_string(b), "
        "type: type(a), whole: to_int(c)}"
    )
    value = sent(
        "StartTask",
        '{"taskId":"task-1","a":0.10,"b":1e-1,"c":43.0}',
        inputPattern=pattern,
        taskIdPath="$.taskId",
    )
    task = started(incoming(value))
    computed = task.data(task.starting_event())
    assert (computed["sum"], computed["larger"], computed["same"], computed["max"]) == (0.2, False, True, 0.1)
    assert (computed["text"], computed["type"], computed["whole"]) == ("1e-1", "NUMBER", 43)


def test_what_cannot_be_told_is_refused_where_it_is_to_be_told() -> None:
    half = {"taskId": "task-1", "user": {"id": "\ud83d", "roles": ["\ud83d"]}, "half": "\ud83d"}
    for parameters in ({"taskIdPath": "half"}, {"inputPattern": "upper(half)"}, {"taskName": "\ud83d"}):
        assert code(answer(start(payload=half, **parameters))) == 10011
    assert reply(answer(start(payload=half))).payload == half
    assert (
        resumed(answer(incoming(sent("ProceedTask", json.dumps(half))), started(start(payload=half)))).payload
        == half
    )


def test_a_caller_whose_name_is_half_a_character_is_refused_in_words() -> None:
    claimed = {"taskId": "task-1", "user": {"id": "\ud83d", "roles": ["\ud83d"]}}
    task = started(start(meta={"domain": "trusting"}, taskRoles="manager"))
    refused = answer(incoming(sent("ProceedTask", json.dumps(claimed), {"domain": "trusting"})), task)
    assert code(refused) == 14


def test_digits_make_no_other_event_of_a_repeat_and_another_spelling_does() -> None:
    value = sent("StartTask", '{"taskId":"task-1","n":1.50}')
    task = started(incoming(value))
    again = answer(incoming(value, offset=99), task)
    assert (again.status, again.record) == ("ACK", None)
    assert code(answer(incoming(value.replace(b"1.50", b"1.5"), offset=99), task)) == 11006
