"""``runner task``: listing, ending and looking at tasks of a real worker, as people and programs do."""

import json
import uuid
from collections.abc import Iterable
from typing import Any

import pytest

from tests.e2e.site import Site
from tests.e2e.terminal import Finished, Terminal
from tests.e2e.typed import failed, lines, rows, start

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")

FAR_MS = 4_000_000_000_000


@pytest.fixture
def terminal(terminal_and_site: tuple[Terminal, Site]) -> Terminal:
    """Where commands are typed; a worker runs."""
    return terminal_and_site[0]


@pytest.fixture
def name() -> str:
    """The beginning of task ids that no other test has."""
    return f"t-{uuid.uuid4().hex[:8]}"


def started(terminal: Terminal, tasks: Iterable[tuple[str, dict[str, Any]]], domain: str = "default") -> None:
    events = []
    for task, parameters in tasks:
        event = start(task, **parameters)
        event["eventMeta"]["domain"] = domain
        events.append(event)
    sent = terminal.run("send", "--wait", "-", stdin=lines(*events))
    assert sent.code == 0, sent.err


def objects(finished: Finished) -> list[dict[str, Any]]:
    assert finished.code == 0, finished.err
    return [json.loads(line) for line in finished.out.splitlines()]


def cursor_of(finished: Finished) -> str:
    assert "--after" in finished.err, finished
    return finished.err.split()[-1]


def test_a_task_is_proceeded_and_its_saga_goes_on(terminal: Terminal, name: str) -> None:
    started(terminal, [(name, {"taskRoles": "manager"})])

    refused = terminal.run("task", "proceed", name, "--user", "bob", "--roles", "clerk")
    failed(refused, 1, "(FAIL 14)", "--as and --roles")
    assert dict(line.split(maxsplit=1) for line in refused.out.splitlines())["status"] == "FAIL"

    answer = [
        "--payload",
        '{"decision": "approved"}',
        "--roles",
        "clerk, manager",
        "--request-id",
        f"p-{name}",
    ]
    ended = terminal.run("task", "proceed", name, *answer)
    assert ended.code == 0, ended.err
    shown = dict(line.split(maxsplit=1) for line in ended.out.splitlines())
    assert (shown["task"], shown["status"], shown["request"]) == (name, "SUCCESS", f"p-{name}")
    assert '"amount":12' in shown["payload"]

    seen = objects(terminal.run("tail", "--from-beginning", "--until-idle", "1", "--json"))
    [resumed] = [each for each in seen if each["taskId"] == name and each["kind"] == "resume"]
    assert (resumed["status"], resumed["event"]["payload"]["decision"]) == ("PROCEEDED", "approved")

    again = terminal.run("task", "proceed", name)
    failed(again, 1, "(FAIL 10119)", "task show")
    same = terminal.run("task", "proceed", name, *answer, "--json")
    assert [each["status"] for each in objects(same)] == ["SUCCESS"]


def test_people_claim_hand_over_comment_on_and_cancel_a_task(terminal: Terminal, name: str) -> None:
    ann, bob = ("--as", "ann", "--roles", "manager"), ("--as", "bob", "--roles", "manager")
    started(terminal, [(name, {"taskRoles": "manager", "onCancel": "withdrawn"})])
    assert terminal.run("task", "claim", name, *ann).code == 0
    failed(terminal.run("task", "claim", name, *bob), 1, "(FAIL 10131)", "ann", "assign ID")
    failed(terminal.run("task", "proceed", name, *bob), 1, "(FAIL 10131)")
    failed(terminal.run("task", "assign", name, "--to", "bob", *ann), 1, "(FAIL 14)", "only role admin may")
    failed(terminal.run("task", "assign", name, "--to-roles", ",", *ann), 2, "--to-roles names nobody")
    assert "ann" in terminal.run("task", "show", name).out
    assert terminal.run("task", "release", name, *ann).code == 0
    assert "owner " not in terminal.run("task", "show", name).out
    assert terminal.run("task", "claim", name, *bob).code == 0
    assert terminal.run("task", "comment", name, "waiting for the invoice", *bob).code == 0
    assert terminal.run("task", "comment", name, "it is here", "--edit", "1", *bob).code == 0
    failed(terminal.run("task", "comment", name, "mine", "--edit", "1", *ann), 1, "(FAIL 14)")
    assert "it is here" in terminal.run("task", "show", name).out
    assert terminal.run("task", "comment", name, "--delete", "1", *bob).code == 0
    assert "it is here" not in terminal.run("task", "show", name).out
    failed(terminal.run("task", "cancel", name, *bob), 2, "--reason")
    assert terminal.run("task", "cancel", name, "--reason", "too late", *bob).code == 0
    assert "too late" in terminal.run("task", "show", name).out
    told = objects(terminal.run("task", "history", name, "--json"))
    assert [each["event"] for each in told][:4] == ["created", "assigned", "released", "assigned"]
    assert (told[-1]["event"], told[-1]["data"]) == ("cancelled", {"reason": "too late"})
    assert "from ann (manager) to (manager)" in terminal.run("task", "history", name).out
    seen = objects(terminal.run("tail", "--from-beginning", "--until-idle", "1", "--json"))
    [resumed] = [each for each in seen if each["taskId"] == name and each["kind"] == "resume"]
    error = {"code": 10136, "message": "too late", "name": "withdrawn"}
    assert (resumed["status"], resumed["event"]["result"]["error"]) == ("CANCELLED", error)
    listed = objects(terminal.run("task", "list", "--status", "cancelled", "--json"))
    assert name in [each["id"] for each in listed]


def test_a_task_is_timed_out_before_its_deadline(terminal: Terminal, name: str) -> None:
    started(terminal, [(name, {"timeoutOn": FAR_MS})])

    [reply] = objects(terminal.run("task", "timeout", name, "--domain", "default", "--json"))

    assert (reply["status"], reply["taskId"]) == ("SUCCESS", name)
    assert json.loads(terminal.run("task", "show", name, "--json").out)["state"]["status"] == "TIMED_OUT"
    failed(terminal.run("task", "proceed", name), 1, "(FAIL 10120)")


def test_a_payload_may_come_from_a_file_or_a_pipe_and_part_of_it_may_stay(
    terminal: Terminal, name: str
) -> None:
    started(terminal, [(f"{name}-a", {}), (f"{name}-b", {})])
    (terminal.folder / "answer.json").write_text('{"told": {"from": "file"}, "kept": 1}')
    whole = terminal.run("task", "proceed", f"{name}-a", "--payload", "@answer.json", "--enrich", "told")
    piped = terminal.run("task", "proceed", f"{name}-b", "--payload", "-", stdin='{"from": "pipe"}')
    assert (whole.code, piped.code) == (0, 0), whole.err + piped.err

    seen = objects(terminal.run("tail", "--since", "5min", "--until-idle", "1", "--json"))
    resumed = {each["taskId"]: each["event"]["payload"] for each in seen if each["kind"] == "resume"}
    assert resumed[f"{name}-a"]["from"] == "file"
    assert "kept" not in resumed[f"{name}-a"]
    assert resumed[f"{name}-b"]["from"] == "pipe"


@pytest.mark.parametrize(
    ("payload", "said"),
    [("[1]", "must be a JSON object"), ("{", "is not JSON"), ("@nowhere", "cannot be read")],
)
def test_a_payload_that_is_none_is_wrong_usage(terminal: Terminal, payload: str, said: str) -> None:
    ended = terminal.run("task", "proceed", "t-1", "--payload", payload)
    assert ended.code == 2
    assert said in " ".join(ended.err.replace("│", " ").split())


def test_what_cannot_be_found_is_said(terminal: Terminal, name: str) -> None:
    for command in ("proceed", "timeout", "show"):
        failed(terminal.run("task", command, name), 1, f"there is no task {name} in domain default, orders")
    failed(terminal.run("task", "show", name, "--domain", "no"), 1, "there is no domain no in the conf")
    elsewhere = terminal.run("task", "show", name, RUNNER_REDIS__SHARDS="8")
    failed(
        elsewhere, 4, "were written with redis.shards 16, the configuration has 8", "set redis.shards to 16"
    )
    other = terminal.run("task", "list", RUNNER_TOPICS__REQUESTS="elsewhere")
    failed(other, 4, "topics.requests")
    nobody = terminal.run("task", "list", RUNNER_REDIS__PREFIX=f"nobody-{name}")
    failed(nobody, 1, f"no tasks at all under redis.prefix nobody-{name}")


def test_without_a_worker_the_reply_is_missed_and_said_to_come(
    terminal_and_site: tuple[Terminal, Site], name: str
) -> None:
    """A worker reads requests; the reply goes where this command does not look."""
    terminal, site = terminal_and_site
    started(terminal, [(name, {})])
    waited = terminal.run(
        "task",
        "timeout",
        name,
        "--timeout",
        "1",
        RUNNER_TOPICS__RESPONSES=site.dead_letters,
        RUNNER_TOPICS__DEADLETTERS=site.responses,
    )
    failed(waited, 1, "did not come within 1 s", "is a worker running?")


def test_tasks_are_listed_page_by_page(terminal: Terminal, name: str) -> None:
    # Nothing else is in this domain: it is listed whole.
    dated = [(f"{name}-{number}", {"timeoutOn": FAR_MS + number}) for number in range(7)]
    undated = [(f"{name}-{word}", {"taskRoles": "clerk,manager", "taskName": "Approve"}) for word in "xy"]
    started(terminal, [*dated, *undated], "listed")
    assert terminal.run("task", "proceed", f"{name}-3").code == 0
    assert terminal.run("task", "timeout", f"{name}-x").code == 0
    mine = ("task", "list", "--domain", "listed", "--limit", "3")

    first = terminal.run(*mine)
    assert [row[0] for row in rows(first)] == ["task", f"{name}-0", f"{name}-1", f"{name}-2"]
    assert rows(first)[0] == ["task", "id", "domain", "state", "deadline", "for", "name"]
    second = terminal.run(*mine, "--after", cursor_of(first), "--json")
    assert [each["id"] for each in objects(second)] == [f"{name}-{n}" for n in (4, 5, 6)]
    third = terminal.run(*mine, "--after", cursor_of(second))
    assert [row[0] for row in rows(third)] == ["task", f"{name}-y", f"{name}-3", f"{name}-x"]
    assert [row[2] for row in rows(third)[1:]] == ["UNASSIGNED", "PROCEEDED", "TIMED_OUT"]
    assert rows(third)[1][3:] == ["never", "clerk,", "manager", "Approve"]
    assert third.err == ""

    [open_one] = objects(
        terminal.run(*mine, "--status", "open", "--after", objects(second)[-1]["cursor"], "--json")
    )
    assert {key: open_one[key] for key in ("id", "domain", "status", "deadlineMs", "roles", "name")} == {
        "id": f"{name}-y",
        "domain": "listed",
        "status": "OPEN",
        "deadlineMs": None,
        "roles": ["clerk", "manager"],
        "name": "Approve",
    }
    ended = objects(terminal.run(*mine, "--status", "proceeded", "--status", "timed-out", "--json"))
    assert [each["id"] for each in ended] == [f"{name}-3", f"{name}-x"]
    assert all(each["endedMs"] >= each["startedMs"] for each in ended)


def test_overdue_tasks_are_those_whose_deadline_has_passed(make_overdue: Terminal) -> None:
    listed = objects(make_overdue.run("task", "list", "--overdue", "--json"))
    assert [each["id"] for each in listed] == ["late"]
    assert "ago" in make_overdue.run("task", "list", "--overdue").out
    empty = make_overdue.run("task", "list", "--overdue", "--status", "proceeded")
    assert (empty.code, empty.out) == (0, "")
    assert "no such task" in empty.err


@pytest.fixture
def make_overdue(site: Site) -> Terminal:
    """A site where deadlines do not fire by themselves; one has passed, one has not."""
    terminal = Terminal(site.folder, {**site.environment(), "RUNNER_TIMERS__ENABLED": "false"})
    with terminal.start("worker"):
        started(terminal, [("late", {"timeoutOn": 1_000_000}), ("early", {"timeoutOn": FAR_MS})])
    return terminal


def test_a_cursor_of_nobody_is_wrong_usage(terminal: Terminal) -> None:
    ended = terminal.run("task", "list", "--after", "nonsense")
    assert ended.code == 2
    assert "no cursor" in ended.err
