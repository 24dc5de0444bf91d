"""Definitions, and who somebody is."""

from typing import Any

import pytest

from tests.unit.web.desk import NOW, Inquirer, problem_of

KYC = "/definitions/orders/kyc"
FORM: dict[str, Any] = {"type": "object", "properties": {"sum": {"type": "number", "maximum": 9.50}}}


@pytest.fixture
def desk() -> Inquirer:
    return Inquirer()


def put(desk: Inquirer, who: str = "root", headers: Any = None, **body: Any) -> Any:
    return desk.ask(who, "PUT", KYC, json={"schema": FORM, **body}, headers=headers or {})


def test_a_definition_has_versions(desk: Inquirer) -> None:
    answers = [put(desk), put(desk), put(desk, description="of a customer")]

    assert [each.json()["definition"]["version"] for each in answers] == [0, 0, 1]
    assert answers[-1].headers["etag"] == '"1"'
    shown = desk.get("ann", KYC)
    assert shown.headers["etag"] == '"1"'
    assert shown.json() == {
        "domain": "orders",
        "taskSpec": "kyc",
        "version": 1,
        "newest": 1,
        "definedOn": NOW,
        "by": "root",
        "description": "of a customer",
        "schema": FORM,
    }
    assert desk.get("ann", f"{KYC}/0").json()["version"] == 0
    assert desk.get("ann", KYC, headers={"If-None-Match": '"1"'}).status_code == 304


def test_only_an_admin_defines(desk: Inquirer) -> None:
    assert problem_of(put(desk, "ann")) == (403, 14)
    assert not desk.exchange.sent


def test_the_version_that_is_meant_is_compared(desk: Inquirer) -> None:
    put(desk)

    assert problem_of(put(desk, headers={"If-Match": '"7"'}, description="x")) == (412, 10132)
    assert put(desk, headers={"If-Match": '"0"'}, description="x").json()["definition"]["version"] == 1


def test_what_is_no_schema_is_400(desk: Inquirer) -> None:
    refused = desk.ask("root", "PUT", KYC, json={"schema": {"type": "colour"}})
    assert problem_of(refused) == (400, 10011)
    assert "/schema/type" in refused.json()["detail"]
    assert problem_of(desk.ask("root", "PUT", KYC, json={})) == (400, None)


@pytest.mark.parametrize(
    "path",
    [
        "/definitions/orders/none",
        "/definitions/care/kyc",
        "/definitions/orders/-kyc",
        f"{KYC}/7",
        f"{KYC}/-1",
    ],
)
def test_what_is_not_there_is_404(desk: Inquirer, path: str) -> None:
    put(desk)
    assert problem_of(desk.get("ann", path))[0] == 404


def test_a_domain_that_cannot_be_reached_has_no_definitions(desk: Inquirer) -> None:
    put(desk)
    assert problem_of(desk.get("ann@care", KYC)) == (404, None)
    assert problem_of(desk.ask("root@care", "PUT", KYC, json={"schema": FORM})) == (404, None)


def test_definitions_are_listed_by_domain(desk: Inquirer) -> None:
    listed = desk.get("ann@orders", "/definitions").json()["definitions"]
    assert [each["domain"] for each in listed] == ["orders"]


def test_a_definition_that_is_sent_again_is_the_same_version(desk: Inquirer) -> None:
    for _ in range(2):
        answer = desk.ask("root", "PUT", KYC, json={"schema": FORM}, key="k")
        assert answer.json()["definition"] == {"domain": "orders", "taskSpec": "kyc", "version": 0}


def test_me_is_who_i_am_and_what_i_may_do(desk: Inquirer) -> None:
    me = desk.get("nia@care", "/me").json()

    assert (me["user"], me["roles"], me["tenant"]) == ("nia", ["nurse"], "care")
    [care] = me["domains"]
    assert care == {
        "name": "care",
        "isAdmin": False,
        "mayStart": False,
        "mayTimeOut": True,
        "mayDefine": False,
        "requiresDefinition": False,
        "requiresOwner": False,
        "anyoneEligibleCompletes": False,
    }
    orders = next(each for each in desk.get("root", "/domains").json()["domains"] if each["name"] == "orders")
    assert (orders["isAdmin"], orders["mayStart"], orders["mayDefine"]) == (True, True, True)
    orders = next(each for each in desk.get("sam", "/domains").json()["domains"] if each["name"] == "orders")
    assert (orders["isAdmin"], orders["mayStart"], orders["mayTimeOut"]) == (False, True, False)
