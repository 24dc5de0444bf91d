"""``demo`` and ``dev`` as processes: what a newcomer sees, and what is left behind afterwards."""

import json
import os
import re
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.e2e.terminal import Running, Terminal
from tests.waiting import until

UNSET = "unset RUNNER_CONFIG RUNNER_KAFKA__BROKERS RUNNER_REDIS__PREFIX"
FAMILY = 3
"""Broker, store and worker."""

pytestmark = pytest.mark.embedded


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """A terminal whose RUNNER_ variables lead nowhere: what is embedded does not follow them."""
    environment = {"RUNNER_KAFKA__BROKERS": "127.0.0.1:1", "RUNNER_REDIS__PREFIX": "elsewhere"}
    return Terminal(tmp_path, environment)


def children(parent: int) -> dict[int, str]:
    """The command lines of the living children of a process, by pid."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            state, ppid = (process / "stat").read_text().rpartition(")")[2].split()[:2]
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if int(ppid) == parent and state != "Z":
            found[int(process.name)] = command
    return found


def worker_of(running: Running) -> int:
    """The pid of the worker among the children of ``demo`` or ``dev``."""
    [worker] = [pid for pid, command in children(running.child.pid).items() if " worker " in command]
    return worker


def alive(pids: Iterable[int]) -> list[int]:
    """Those of the processes that have not ended."""
    return [pid for pid in pids if _state(pid) not in {"", "Z"}]


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""


def test_the_demo_tells_its_story_and_leaves_nothing_behind(terminal: Terminal) -> None:
    with terminal.start("demo") as demo:
        demo.wait_for("ACK")
        family = children(demo.child.pid)
        told = demo.finished()

    assert told.code == 0, told
    assert len(family) == FAMILY
    assert alive(family) == []
    assert told.err == ""
    timeline = [
        line.split()[1:] for line in told.out.splitlines() if re.match(r"\d\d:\d\d:\d\d\.\d{3} ", line)
    ]
    assert all(len(row) >= 4 for row in timeline)
    responses = [row for row in timeline if row[0] == "responses"]
    purchase, account, refund = responses[:6], responses[6:13], responses[13:]
    assert [(row[2], row[3]) for row in purchase[:4]] == [
        ("buy-7", "ACK"),
        ("buy-7", "TIMEOUT"),
        ("buy-7", "ACK"),
        ("by-carl", "FAIL"),
    ]
    assert {(row[2], row[3]) for row in purchase[4:]} == {("buy-7", "PROCEEDED"), ("by-dora", "SUCCESS")}
    assert [(row[2], row[3]) for row in account[:5]] == [
        ("define-form", "SUCCESS"),
        ("open-9", "ACK"),
        ("kim-claims", "SUCCESS"),
        ("kim-saves", "SUCCESS"),
        ("kim-errs", "FAIL"),
    ]
    assert {(row[2], row[3]) for row in account[5:]} == {("open-9", "PROCEEDED"), ("kim-answers", "SUCCESS")}
    assert {(row[2], row[3]) for row in refund} == {
        ("refund-3", "ACK"),
        ("lena-claims", "SUCCESS"),
        ("olga-cancels", "SUCCESS"),
        ("refund-3", "CANCELLED"),
        ("sam-files", "SUCCESS"),
        ("refund-3", "PROCEEDED"),
    }
    told_of = [row[-1] for row in timeline if row[0] == "notifications"]
    assert told_of == ["reminded", "escalated"]
    assert re.search(r"^/born +format +", told.out, re.MULTILINE)
    assert '"outcome":"accept","by":"kim"' in told.out
    assert "at_least_once" in told.out
    assert told.out.count("✓") == 25
    assert "✗" not in told.out
    assert '"decision":{"approved":true' in told.out


def test_a_demo_whose_worker_dies_fails_and_shows_why(terminal: Terminal) -> None:
    with terminal.start("demo") as demo:
        demo.wait_for("ACK")
        os.kill(worker_of(demo), signal.SIGKILL)
        ended = demo.finished()

    assert ended.code == 1
    assert "✓ the manager's task is acknowledged" in ended.out
    assert "✗ TIMEOUT comes" in ended.out
    assert "✗ the worker ended in good order (exit code -9)" in ended.out
    assert '"started"' in ended.err
    assert ended.err.splitlines()[-1].startswith("error: the demo went wrong")


def test_a_demo_that_is_killed_takes_everything_with_it(terminal: Terminal) -> None:
    with terminal.start("demo") as demo:
        demo.wait_for("StartTask")
        family = children(demo.child.pid)
        assert len(family) == FAMILY
        demo.child.kill()
        until(lambda: not alive(family), lambda: f"the end of {family}: {alive(family)} live")


@pytest.fixture
def dev(terminal: Terminal) -> Iterator[Running]:
    """``runner dev``, ready."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    # Several tests run at once: each has a port of its own.
    with terminal.start("dev", "--no-examples", "--partitions", "3", RUNNER_WEB__PORT="0") as running:
        running.wait_for("health/ready")
        yield running
    signal.signal(signal.SIGINT, before)


def test_what_dev_prints_can_be_typed(dev: Running, terminal: Terminal) -> None:
    typed = [line.strip() for line in dev.out.splitlines() if line.startswith("  ")]
    exports = [line for line in typed if line.startswith("export RUNNER_")]
    commands = [line for line in typed if line.startswith(("echo", "runner task"))]
    script = "\n".join(
        [
            # Nothing of the surroundings: only what dev says.
            UNSET,
            *exports,
            "set -e",
            *commands,
            "runner tail --from-beginning --max 3",
        ]
    )

    done = terminal.shell(script)

    assert done.code == 0, done
    assert re.search(r"^home +partition [012]$", done.out, re.MULTILINE)
    assert [line.split()[3:] for line in done.out.splitlines() if " resume " in line] == [
        ["resume", "PROCEEDED", "t-1"]
    ]
    assert " SUCCESS " in done.out


def test_the_examples_in_the_help_work(dev: Running, terminal: Terminal) -> None:
    [export] = [line.strip() for line in dev.out.splitlines() if "export RUNNER_CONFIG=" in line]
    examples = [example for command in ("send", "tail") for example in examples_of(terminal, command)]
    [by_hand] = [example for example in examples if "printf" in example]
    [scripted] = [example for example in examples if "--until-idle" in example and "--json" in example]

    done = terminal.shell(f"{UNSET}\n{export}\nset -e\n{by_hand}\n{scripted}")

    assert done.code == 0, done
    assert " ACK " in done.out
    [task_id] = re.findall(r'"taskId": ?"([^"]+)"', by_hand)
    assert json.loads(done.out.splitlines()[-1])["taskId"] == task_id


def examples_of(terminal: Terminal, command: str) -> list[str]:
    """The examples of a command's help, each as it would be typed."""
    text = terminal.run(command, "--help").out.split("Examples", 1)[1].split("╭", 1)[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return re.sub(r"\\\n", "", "\n".join(lines)).splitlines()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_dev_ends_everything_at_ctrl_c(dev: Running, number: int) -> None:
    family = children(dev.child.pid)
    assert len(family) == FAMILY + 1, "the HTTP API, too"

    ended = dev.signalled(number)

    assert (ended.code, ended.err.splitlines()[-1]) == (0, "ended")
    assert '"stopped"' in ended.err
    assert alive(family) == []


def test_dev_says_so_when_its_worker_dies(dev: Running) -> None:
    os.kill(worker_of(dev), signal.SIGKILL)

    ended = dev.finished()

    assert ended.code == 1
    assert (
        ended.err.splitlines()[-1] == "error: the worker ended by itself with exit code -9; its log is above"
    )
