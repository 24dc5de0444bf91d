"""Commands: which requests are one and the same, and where a new task is at home."""

from dataclasses import replace
from zlib import crc32

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.envelope.codec import JsonCodec
from runner.envelope.event import NO_RULES, read_event
from runner.projection.sight import Viewer
from runner.tasks.keys import TaskKey
from runner.web.callers import Caller
from runner.web.commands import Commands, RequestIdentity, home_of_new, request_id
from runner.web.problems import Refused
from tests.unit.web.desk import POLICY, REPLIES

ANN = Caller(
    user="ann",
    name="Ann",
    roles=frozenset({"manager", "clerk"}),
    domains=frozenset({"orders"}),
    tenant="acme",
    issuer="staff",
    viewer=Viewer("ann", frozenset(), frozenset({"orders"})),
)
ASKED = RequestIdentity("POST", "/api/v1/tasks/orders/t-1/claim", b"{}", "k")
COMMANDS = Commands(POLICY, NO_RULES, REPLIES)


def test_a_request_id_is_as_it_always_was() -> None:
    # Written down: another one would make the commands of yesterday unknown today.
    assert request_id(ANN, ASKED) == "web-8d5682eec0372ac23d6c9bd76efeff30"


@pytest.mark.parametrize(
    "other",
    [
        (replace(ANN, tenant="bolt"), ASKED),
        (replace(ANN, issuer="partners"), ASKED),
        (replace(ANN, user="bob"), ASKED),
        (ANN, replace(ASKED, method="PATCH")),
        (ANN, replace(ASKED, path="/api/v1/tasks/orders/t-2/claim")),
        (ANN, replace(ASKED, idempotency_key="l")),
        (ANN, replace(ASKED, body=b"{ }")),
        # Nothing of one part counts as the end or the beginning of its neighbour.
        (replace(ANN, tenant="acmes", issuer="taff"), ASKED),
        (replace(ANN, issuer="staffa", user="nn"), ASKED),
    ],
)
def test_another_request_has_another_id(other: tuple[Caller, RequestIdentity]) -> None:
    assert request_id(*other) != request_id(ANN, ASKED)


def test_a_refreshed_token_is_no_other_command() -> None:
    renewed = replace(ANN, roles=frozenset({"clerk"}), name="Ann B.", expires_at=5.0)
    assert request_id(renewed, ASKED) == request_id(ANN, ASKED)


def test_without_a_key_every_request_is_a_command_of_its_own() -> None:
    keyless = replace(ASKED, idempotency_key=None)
    ids = {request_id(ANN, keyless) for _ in range(100)}
    assert len(ids) == 100
    assert {len(each) for each in ids} == {len("web-") + 32}


@given(st.text(), st.binary(), st.text())
def test_any_key_and_any_body_make_an_id(key: str, body: bytes, path: str) -> None:
    found = request_id(ANN, RequestIdentity("POST", path, body, key))
    assert found.startswith("web-")
    assert found.isascii()


def test_a_new_task_is_at_home_by_its_id() -> None:
    assert home_of_new("rechnung-ü", 12) == crc32("rechnung-ü".encode()) % 12


def test_roles_are_sorted_so_that_the_same_command_is_the_same_event() -> None:
    one, other = (
        COMMANDS.on_task(replace(ANN, roles=roles), ASKED, "ClaimTask", TaskKey("orders", "t-1"))
        for roles in (frozenset(("clerk", "manager")), frozenset(("manager", "clerk")))
    )
    assert one.value == other.value
    claims = read_event(JsonCodec().decode(one.value), None).section("requestMeta")["claims"]
    assert claims == {"sub": "ann", "roles": ["clerk", "manager"], "tenant": "acme"}


def test_what_the_worker_could_not_read_is_refused_before_it_is_sent() -> None:
    deep: object = {}
    for _ in range(300):
        deep = {"a": deep}
    with pytest.raises(Refused) as refused:
        COMMANDS.on_task(ANN, ASKED, "SaveTask", TaskKey("orders", "t-1"), {"data": deep})
    assert refused.value.status == 400
    with pytest.raises(Refused) as refused:
        COMMANDS.on_task(ANN, ASKED, "ClaimTask", TaskKey("nowhere", "t-1"))
    assert (refused.value.status, refused.value.code) == (400, 10027)
