"""``runner definitions`` and the verbs on a task with a form, against a real worker."""

import json
import uuid
from typing import Any, Final

import pytest

from tests.e2e.site import Site
from tests.e2e.terminal import Finished, Terminal
from tests.e2e.typed import failed, lines, rows, start

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")

ROOT: Final = ("--as", "root", "--roles", "admin")
ANN: Final = ("--as", "ann", "--roles", "manager")
SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["name", "born"],
    "properties": {"name": {"type": "string"}, "born": {"type": "string", "format": "date"}},
}


@pytest.fixture
def terminal(terminal_and_site: tuple[Terminal, Site]) -> Terminal:
    """Where commands are typed; a worker runs."""
    return terminal_and_site[0]


@pytest.fixture
def spec() -> str:
    """The name of a definition that no other test has."""
    return f"kyc-{uuid.uuid4().hex[:8]}"


def put(terminal: Terminal, spec: str, *options: str, **fields: Any) -> Finished:
    file = terminal.folder / f"{spec}.json"
    file.write_text(json.dumps({"taskSpec": spec, "schema": SCHEMA, **fields}))
    return terminal.run("definitions", "put", file.name, "--domain", "default", *(options or ROOT))


def shown(finished: Finished) -> dict[str, str]:
    assert finished.code == 0, finished
    lines = [line.partition(" ") for line in finished.out.splitlines()]
    return {label: value.strip() for label, _, value in lines}


def test_a_definition_is_put_again_changed_listed_and_shown(terminal: Terminal, spec: str) -> None:
    assert shown(put(terminal, spec, description="who?"))["version"] == "0, new"
    assert shown(put(terminal, spec, description="who?"))["version"] == "0, as it was"
    assert shown(put(terminal, spec, description="who else?"))["version"] == "1, new"

    listed = terminal.run("definitions", "list", "--json", "--domain", "default")
    [mine] = [each for each in map(json.loads, listed.out.splitlines()) if each["taskSpec"] == spec]
    assert (mine["version"], mine["by"], mine["description"]) == (1, "root", "who else?")
    table = rows(terminal.run("definitions", "list"))
    assert table[0] == ["spec", "domain", "version", "defined", "by", "description"]
    assert [row[-2:] for row in table if row[0] == spec] == [["who", "else?"]]

    assert (
        shown(terminal.run("definitions", "show", spec, "--version", "0"))["version"] == "0 (1 is the newest)"
    )
    whole = json.loads(terminal.run("definitions", "show", spec, "--json").out)
    assert (whole["version"], whole["schema"]) == (1, SCHEMA)
    failed(
        terminal.run("definitions", "show", spec, "--version", "2"), 1, "has no version 2; 1 is the newest"
    )
    failed(terminal.run("definitions", "show", f"no-{spec}"), 1, f"there is no definition no-{spec}")


def test_a_definition_that_is_refused_says_why_and_what_to_do(terminal: Terminal, spec: str) -> None:
    refused = put(terminal, spec, "--as", "ann", "--roles", "manager")
    failed(refused, 1, "(FAIL 14)", "only role admin may", "name an admin with --as and --roles")
    failed(put(terminal, spec, schema={"type": "nonsense"}), 1, "(FAIL 10011)", "/schema/type")
    failed(put(terminal, f"{spec}-"), 1, "(FAIL 10011)", "is no name of a definition")
    failed(terminal.run("definitions", "show", spec), 1, "there is no definition")


def test_a_form_is_saved_updated_and_answered(terminal: Terminal, spec: str) -> None:
    assert put(terminal, spec, outcomes=["accept", "decline"]).code == 0
    task = f"t-{spec}"
    sent = terminal.run("send", "--wait", "-", stdin=lines(start(task, taskRoles="manager", taskSpec=spec)))
    assert sent.code == 0, sent.err
    assert terminal.run("task", "claim", task, *ANN).code == 0

    bob = ("--as", "bob", "--roles", "manager")
    failed(terminal.run("task", "save", task, "--data", '{"name": "Bo"}', *bob), 1, "(FAIL 10131)")
    assert terminal.run("task", "save", task, "--data", '{"name": "Bo"}', "--ignore-claim", *bob).code == 0
    (terminal.folder / "ada.json").write_text('{"name": "Ada"}')
    assert terminal.run("task", "save", task, "--data", "@ada.json", *ANN).code == 0
    unknown = terminal.run("task", "save", task, "--data", "-", *ANN, stdin='{"nickname": "A"}')
    failed(unknown, 1, "(FAIL 10134)")
    assert [row[:2] for row in rows(unknown)][-1] == ["/nickname", "unknown"]

    dates = ("--timeout-in", "2h", "--due-on", "3d", "--priority", "80", "--notes", "call first")
    assert terminal.run("task", "update", task, *dates, *ANN).code == 0
    told = shown(terminal.run("task", "show", task))
    assert (told["spec"], told["priority"], told["notes"]) == (f"{spec}, version 0", "80", "call first")
    assert told["draft"].startswith('{"name":"Ada"}')
    assert {"due", "deadline"} <= told.keys()
    cleared = ("--clear", "timeout", "--clear", "due-on", "--clear", "priority", "--clear", "notes")
    assert terminal.run("task", "update", task, *cleared, *ANN).code == 0
    told = shown(terminal.run("task", "show", task))
    assert told["deadline"] == "never"
    assert not {"due", "priority", "notes"} & told.keys()

    wrong = terminal.run("task", "proceed", task, "--payload", '{"born": "soon"}', *ANN)
    failed(wrong, 1, "(FAIL 10134)")
    assert [row[:2] for row in rows(wrong)[3:]] == [["field", "rule"], ["/born", "format"], ["-", "outcome"]]
    as_json = json.loads(terminal.run("task", "proceed", task, "--json", *ANN).out)
    violations = as_json["event"]["result"]["error"]["violations"]
    assert [each["pointer"] for each in violations] == ["/born", ""]
    answers = ("--payload", '{"born": "1995-12-10"}', "--outcome", "accept")
    assert terminal.run("task", "proceed", task, *answers, *ANN).code == 0
    told = shown(terminal.run("task", "show", task))
    assert (told["outcome"], told["by"]) == ("accept", "ann")
    history = terminal.run("task", "history", task, "--json").out.splitlines()
    assert [json.loads(each)["event"] for each in history] == [
        "created",
        "assigned",
        "saved",
        "saved",
        "updated",
        "updated",
        "proceeded",
    ]
    seen = terminal.run("tail", "--from-beginning", "--until-idle", "1", "--json").out.splitlines()
    [resumed] = [
        each for each in map(json.loads, seen) if each["taskId"] == task and each["kind"] == "resume"
    ]
    assert resumed["event"]["payload"]["name"] == "Ada"
    assert resumed["event"]["result"]["task"]["outcome"] == "accept"
