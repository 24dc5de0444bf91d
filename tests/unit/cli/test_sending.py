"""What a command that sends a verb takes, and what it shows of the reply."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.cli.app import run
from runner.cli.sending import show_reply
from runner.cli.task.verb_command import Changeable, changes_of
from runner.errors import FatalError
from tests.unit.cli.builders import seen

VIOLATIONS: list[Any] = [
    {"pointer": "/born", "rule": "format", "message": "is not a valid date\x1b[31m"},
    {"pointer": "", "rule": "outcome", "message": "needs an outcome, one of accept, decline"},
]


def refused(violations: Any) -> Any:
    error = {"code": 10134, "message": "the answers do not fit the form", "violations": violations}
    return seen(status="FAIL", event={"result": {"error": error}})


def test_what_is_wrong_with_answers_is_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError, match=r"^the answers do not fit the form \(FAIL 10134\); look$"):
        show_reply(refused(VIOLATIONS), [("task", "t-1")], {"10134": "; look"}, as_json=False)

    shown = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert shown == [
        ["task", "t-1"],
        ["status", "FAIL"],
        ["request", "r-1"],
        ["field", "rule", "what is wrong"],
        ["/born", "format", r"is not a valid date\x1b[31m"],
        ["-", "outcome", "needs an outcome, one of accept, decline"],
    ]


def test_programs_get_what_is_wrong_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError):
        show_reply(refused(VIOLATIONS), [("task", "t-1")], {}, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["event"]["result"]["error"]["violations"] == VIOLATIONS


@pytest.mark.parametrize("odd", [None, 5, "text", [5, None], {}])
def test_violations_that_are_none_are_not_shown(odd: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(FatalError):
        show_reply(refused(odd), [("task", "t-1")], {}, as_json=False)
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_success_is_shown_by_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    show_reply(seen(status="SUCCESS"), [("definition", "kyc"), ("version", "1, new")], {}, as_json=False)
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == [
        "definition",
        "status",
        "request",
        "version",
    ]


def test_what_is_cleared_is_null_and_all_else_is_left_out() -> None:
    assert [each.parameter for each in Changeable] == ["timeout", "dueOn", "followUpOn", "priority", "notes"]
    assert changes_of({"priority": 0}, []) == {"priority": 0}
    assert changes_of({"notes": "x"}, [Changeable.TIMEOUT, Changeable.FOLLOW_UP_ON]) == {
        "notes": "x",
        "timeout": None,
        "followUpOn": None,
    }


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("update t-1", "what is to be changed? name a new value, or --clear an old one"),
        ("update t-1 --timeout-in 2h --timeout-on 2026-12-01", "are two deadlines; name one"),
        ("update t-1 --timeout-in soon", "--timeout-in soon is no span; write 90s, 15min, 2h or 3d"),
        ("update t-1 --due-on soon", "--due-on soon is no time; write 15min, 2h or 3d from now on"),
        ("update t-1 --priority 101", "less than or equal to 100"),
        ("update t-1 --clear draft", "'draft' is not one of"),
        ("update t-1 --clear notes --notes x", "--clear notes takes away what is set beside it"),
        ("update t-1 --clear timeout --timeout-on 2h", "--clear timeout takes away what is set beside it"),
        ("update t-1 --notes=", "--notes is blank; --clear notes takes them away"),
        ("save t-1", "Missing option '--data'"),
        ("save t-1 --data [1]", "--data must be a JSON object"),
        ("save t-1 --data {", "--data is not JSON"),
        ("save t-1 --data @nowhere", "--data @nowhere cannot be read: No such file"),
        ("proceed t-1 --payload 5", "--payload must be a JSON object"),
    ],
)
def test_a_value_that_is_none_is_wrong_usage(
    tmp_path: Path, arguments: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "runner.yaml"
    empty.touch()
    assert run(["task", *arguments.split(), "--config", str(empty)]) == 2
    assert said in " ".join(capsys.readouterr().err.replace("│", " ").split())
