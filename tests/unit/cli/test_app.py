"""Commands, help and exit codes, as far as no server is asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from runner.cli.app import report, run
from runner.config import Config
from runner.embedded import EmbeddedUnavailable
from runner.errors import (
    FatalError,
    Fenced,
    LogUnavailable,
    PositionUnknown,
    RunnerError,
    StoreMismatch,
    StoreUnavailable,
)

COMMANDS = [
    ["worker"],
    ["dev"],
    ["demo"],
    ["send"],
    ["tail"],
    ["task", "list"],
    ["task", "show"],
    ["task", "history"],
    ["task", "claim"],
    ["task", "release"],
    ["task", "assign"],
    ["task", "comment"],
    ["task", "save"],
    ["task", "update"],
    ["task", "proceed"],
    ["task", "cancel"],
    ["task", "timeout"],
    ["definitions", "put"],
    ["definitions", "list"],
    ["definitions", "show"],
    ["dlq", "list"],
    ["dlq", "show"],
    ["dlq", "replay"],
    ["topics", "create"],
    ["config", "check"],
    ["restore"],
]


@pytest.fixture
def empty(tmp_path: Path) -> str:
    """A configuration that says nothing: the one of the current folder does not count."""
    file = tmp_path / "runner.yaml"
    file.touch()
    return str(file)


def test_help_names_every_command_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0

    told = capsys.readouterr().out
    assert {command[0] for command in COMMANDS} <= set(told.split())
    codes = {error.exit_code for error in (FatalError, StoreMismatch, PositionUnknown, Fenced)}
    assert {str(code) for code in codes | {0, 2, 3, 130}} <= set(told.split())


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_explains_itself_with_an_example(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--help"]) == 0

    told = capsys.readouterr().out
    assert "Example" in told
    assert f"runner {' '.join(command)}" in told.split("Example", 1)[1]


def test_a_command_is_loaded_without_what_the_others_need() -> None:
    code = (
        "import sys; from runner.cli.app import run; run(['topics', 'create', '--help']);"
        "print([name for name in ('redis', 'runner.worker', 'runner.cli.demo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["task"],
        ["task", "show"],
        ["task", "list", "--limit", "0"],
        ["task", "list", "--status", "lost"],
        ["task", "proceed"],
        ["task", "timeout", "t-1", "--timeout", "0"],
        ["tail", "--since", "yesterday"],
        ["definitions"],
        ["definitions", "put"],
        ["definitions", "show", "kyc", "--version", "-1"],
        ["dlq", "show", "somewhere"],
        ["dlq", "replay", "--limit", "0"],
        ["dlq", "list", "--until", "soon"],
        ["send"],
        ["tail", "--max", "0"],
        ["tail", "--max", "many"],
        ["tail", "--until-idle", "0"],
        ["topics", "create", "--partitions", "0"],
        ["worker", "--unknown"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2

    captured = capsys.readouterr()
    assert "Usage: runner" in captured.out + captured.err
    assert "Traceback" not in captured.err


def test_an_argument_that_is_no_text_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    odd = os.fsdecode(b"a\xff")
    assert report(_encoding(odd), with_traceback=False) == 2
    assert "'a?' is no text in UTF-8" in capsys.readouterr().err


def _encoding(text: str) -> Exception:
    with pytest.raises(UnicodeEncodeError) as raised:
        text.encode()
    return raised.value


def test_a_file_that_cannot_be_read_is_wrong_usage(
    empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["send", str(tmp_path / "no-such-file"), "--config", empty]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err.replace("\n", " ")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (FatalError("x"), 1),
        (StoreMismatch("x"), 4),
        (PositionUnknown("x"), 5),
        (Fenced("x"), 6),
        (LogUnavailable("x"), 1),
        (StoreUnavailable("x"), 1),
        (RunnerError("x"), 1),
        (EmbeddedUnavailable("x", "y"), 1),
    ],
)
def test_what_a_person_can_mend_is_shown_in_its_own_words(
    error: Exception, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, with_traceback=True) == code
    assert capsys.readouterr().err == f"error: {error}\n"


def test_what_nobody_foresaw_is_one_line_that_says_how_to_see_more(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert report(ValueError("two\nlines"), with_traceback=False) == 1
    assert (
        capsys.readouterr().err
        == "error: ValueError: two (not foreseen, so a bug; RUNNER_DEBUG=1 shows where)\n"
    )

    assert report(ValueError("two\nlines"), with_traceback=True) == 1
    assert capsys.readouterr().err == "ValueError: two\nlines\n"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(24, "Too many open files", "/x"), "Too many open files (/x)"),
        (OSError(28, "No space left on device"), "No space left on device"),
        (FileNotFoundError("No usable temporary directory"), "No usable temporary directory"),
    ],
)
def test_what_the_system_refuses_is_not_called_a_bug(
    error: OSError, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert report(error, with_traceback=False) == 1
    assert capsys.readouterr().err == f"error: the system refuses: {said}; RUNNER_DEBUG=1 shows where\n"


def test_an_error_does_nothing_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report(FatalError("one [bold]\x1b[31m\ntwo"), with_traceback=False)

    assert capsys.readouterr().err == "error: one [bold]\\x1b[31m\ntwo\n"


@pytest.mark.parametrize("command", [["tail"], ["topics", "create"]], ids=" ".join)
def test_no_broker_named_is_a_configuration_error(
    command: list[str], empty: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*command, "--config", empty]) == 3

    assert 'kafka.brokers is empty; set it or run "runner dev"' in capsys.readouterr().err


def test_a_property_that_librdkafka_refuses_is_a_configuration_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("kafka: {brokers: '127.0.0.1:1', properties: {no.such.property: 1}}")

    assert run(["tail", "--config", str(file)]) == 3
    assert "no.such.property" in capsys.readouterr().err


def test_config_check_prints_what_is_effective(empty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config", "check", "--config", empty]) == 0
    captured = capsys.readouterr()
    assert yaml.safe_load(captured.out) == Config().describe()
    assert "kafka.brokers is empty" in captured.err

    assert run(["config", "check", "--json", "--config", empty]) == 0
    assert json.loads(capsys.readouterr().out) == Config().describe()


def test_config_check_masks_secrets(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(
        "kafka: {brokers: 'a:1', properties: {sasl.password: hunter2}}\nredis: {url: 'redis://u:hunter2@h:1/0'}"
    )

    for arguments in (["config", "check"], ["config", "check", "--json"]):
        assert run([*arguments, "--config", str(file)]) == 0
        captured = capsys.readouterr()
        assert "hunter2" not in captured.out + captured.err
        assert "redis://u:******@h:1/0" in captured.out


def test_config_check_tells_every_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("handler: 5\nkafkka: {}\n")

    assert run(["config", "check", "--config", str(file)]) == 3
    assert capsys.readouterr().err.splitlines() == [
        f"error: {file}: handler must be text; put it in quotes",
        f"{file}: kafkka is not a setting; did you mean kafka?",
    ]

    assert run(["config", "check", "--json", "--config", str(file)]) == 3
    assert json.loads(capsys.readouterr().out) == {
        "problems": [
            {"where": str(file), "key": "handler", "what": "must be text", "remedy": "put it in quotes"},
            {
                "where": str(file),
                "key": "kafkka",
                "what": "is not a setting",
                "remedy": "did you mean kafka?",
            },
        ]
    }


def test_config_check_asks_librdkafka_about_its_properties(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text("kafka: {brokers: 'a:1', properties: {no.such.property: 1}}")

    assert run(["config", "check", "--config", str(file)]) == 3
    assert "no.such.property" in capsys.readouterr().err


def test_config_check_refuses_what_would_refuse_every_event(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "runner.yaml"
    file.write_text(
        "kafka: {brokers: 'a:1'}\n"
        "meta: {parameters: {taskRoles: {override: ' , '}, taskUser: {default: ' '}}}\n"
        "caller:\n"
        "  user: ['fullname(requestMeta)', 'requestMeta.claims.sub']\n"
        "  roles: ['[uuid()]', 'get_env(`a`)', 'split(requestMeta.claims.roles, `;`)']\n"
    )

    assert run(["config", "check", "--config", str(file)]) == 3
    said = [line.removeprefix("error: ").removeprefix(f"{file}: ") for line in _lines(capsys)]
    assert said == [
        "meta.parameters.taskRoles.override names nobody; name somebody, or remove it",
        "meta.parameters.taskUser.default names nobody; name somebody, or remove it",
        "caller.user[0] calls fullname(), which is no function; correct the expression",
        "caller.roles[0] calls uuid(), which only patterns of events have; correct the expression",
        (
            "caller.roles[1] calls get_env(), which is left out on purpose: "
            "an event must not read the worker's environment; correct the expression"
        ),
    ]


def _lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize("roles", [",", " ", " , "])
def test_roles_on_the_command_line_that_name_nobody_are_wrong_usage(
    empty: str, roles: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["task", "proceed", "t-1", "--roles", roles, "--config", empty]) == 2
    assert "--roles names nobody" in capsys.readouterr().err


def test_a_line_that_is_no_event_is_named_and_nothing_is_sent(
    empty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    events = tmp_path / "events.jsonl"
    events.write_text('{"requestMeta": {"id": "a"}, "eventMeta": {"action": "StartTask"}}\nnonsense\n')

    assert run(["send", str(events), "--config", empty]) == 1
    told = capsys.readouterr().err
    assert told.startswith(f"error: {events} has lines that are no events; nothing was sent\nline 2: ")

    events.write_text("\n\n")
    assert run(["send", str(events), "--config", empty]) == 1
    assert "has no events" in capsys.readouterr().err
