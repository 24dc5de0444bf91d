"""Lists and counts over HTTP: which filters a query becomes, and waiting for one's own writes."""

from typing import Any

import pytest

from runner.projection.filters import AttributeFilter, Filters, Order, Range
from runner.tasks.keys import TaskKey
from runner.web.tokens import after_token, read_after
from tests.unit.web.desk import Inquirer, problem_of


@pytest.fixture
def desk() -> Inquirer:
    made = Inquirer()
    for number in range(3):
        made.start(f"t-{number}", taskRoles="manager")
    return made


def asked(desk: Inquirer, query: str) -> Any:
    answer = desk.get("ann", f"/tasks{query}")
    assert answer.status_code == 200, answer.text
    return desk.lists.asked[-1]


def test_a_page_has_rows_as_they_stand_in_the_database(desk: Inquirer) -> None:
    page = desk.get("ann", "/tasks?limit=2").json()

    assert [each["id"] for each in page["tasks"]] == ["t-0", "t-1"]
    assert (page["next"], page["complete"]) == ("more", True)
    assert desk.get("eve", "/tasks").json() == {"tasks": [], "next": None, "complete": True}


def test_without_a_query_the_newest_come_first(desk: Inquirer) -> None:
    assert asked(desk, "") == (Filters(), Order("created", descending=True), None, 50)


def test_a_query_becomes_filters(desk: Inquirer) -> None:
    query = (
        "?domain=orders&domain=care&status=UNASSIGNED&status=ASSIGNED&owner=ann&mine=true&forMe=1&role=manager"
        "&spec=kyc&action=check&priorityFrom=5&priorityTo=90&createdFrom=1&createdTo=2&dueFrom=3&dueTo=4"
        "&deadlineFrom=5&deadlineTo=6&finishedFrom=7&finishedTo=8&overdue=false&text=Anna%20b"
        "&attributes.amount%5Bfrom%5D=10&attributes.amount[to]=20&attributes.city=K%C3%B6ln"
        "&attributes.name[prefix]=An&order=-attributes.amount&cursor=abc&limit=200"
    )
    filters = Filters(
        domains=frozenset({"orders", "care"}),
        statuses=frozenset({"UNASSIGNED", "ASSIGNED"}),
        owners=frozenset({"ann"}),
        mine=True,
        for_me=True,
        roles=frozenset({"manager"}),
        specs=frozenset({"kyc"}),
        actions=frozenset({"check"}),
        priority=Range(5, 90),
        created=Range(1, 2),
        due=Range(3, 4),
        deadline=Range(5, 6),
        finished=Range(7, 8),
        overdue=False,
        text="Anna b",
        attributes=(
            AttributeFilter("amount", lowest="10", highest="20"),
            AttributeFilter("city", equals="Köln"),
            AttributeFilter("name", prefix="An"),
        ),
    )
    assert asked(desk, query) == (filters, Order("attributes.amount", descending=True), "abc", 200)


@pytest.mark.parametrize(
    "query",
    [
        "status=OPEN",
        "limit=0",
        "limit=201",
        "limit=many",
        "order=colour",
        "order=--created",
        "mine=perhaps",
        "createdFrom=yesterday",
        "createdFrom=1.5",
        "createdFrom=-1",
        "createdFrom=99999999999999999",
        "priorityFrom=101",
        "attributes.a[like]=x",
        "attributes.=x",
        "attributes.a=1&attributes.a=2",
        "after=nonsense",
        "after=",
        "after=W10",
        "after=WyJkIiwiaSIsInYiXQ",
        "text=" + "x" * 501,
    ],
)
def test_what_cannot_be_asked_for_is_400(desk: Inquirer, query: str) -> None:
    assert problem_of(desk.get("ann", f"/tasks?{query}")) == (400, None)


def test_counts_say_what_tasks_have_in_common(desk: Inquirer) -> None:
    counted = desk.get("ann", "/tasks/count?group_by=role&spec=kyc").json()

    assert counted == {
        "counts": [{"value": "ALL", "count": 3}, {"value": None, "count": 0}],
        "complete": True,
    }
    assert problem_of(desk.get("ann", "/tasks/count?group_by=colour")) == (400, None)


def test_a_list_waits_for_what_its_caller_has_changed(
    desk: Inquirer, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = desk.post("ann", "/tasks/orders/t-0/claim").json()
    key, version = read_after(done["after"])
    assert version == done["task"]["version"]
    has, asked_often = desk.lists.has, 0

    def has_at_last(*named: Any) -> bool:
        nonlocal asked_often
        asked_often += 1
        if asked_often == 3:
            desk.lists.note(key)
        return has(*named)

    monkeypatch.setattr(desk.lists, "has", has_at_last)

    page = desk.get("ann", "/tasks", params={"after": done["after"]}).json()

    assert page["complete"] is True
    assert page["tasks"][0]["owner"] == "ann"
    assert asked_often == 3


def test_a_list_says_that_it_has_not_got_it_in_time(desk: Inquirer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.web.own_writes.PATIENCE_SECONDS", 0.05)
    done = desk.post("ann", "/tasks/orders/t-0/claim").json()

    for path in ("/tasks", "/tasks/count"):
        assert desk.get("ann", path, params={"after": done["after"]}).json()["complete"] is False


def test_what_somebody_else_may_see_is_not_waited_for(desk: Inquirer) -> None:
    token = after_token(TaskKey("care", "c-1"), "1;1/1@1")

    assert desk.get("ann@orders", "/tasks", params={"after": token}).json()["complete"] is True
