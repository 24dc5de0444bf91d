"""The examples in the help of every command work as they are printed."""

import re
import uuid
from collections.abc import Iterator
from typing import Any, Final

import pytest
from confluent_kafka import Producer

from runner.cli.app import build_app
from tests.e2e.site import Site
from tests.e2e.terminal import Terminal
from tests.e2e.typed import lines, start
from tests.waiting import until

pytestmark = pytest.mark.thorough("what a command does with real servers; what it decides has unit tests")

ELSEWHERE: Final = (
    *("runner worker", "runner notify", "runner web", "runner dev", "runner demo", "runner restore"),
    *("runner projection status", "runner projection rebuild"),
)
"""They go on until somebody ends them, play for half a minute, or want no workers or a changelog:
tests of their own start them."""


def commands(group: Any, name: str) -> Iterator[tuple[str, Any]]:
    """Every command below a group, by how it is called."""
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name} {word}")
        else:
            yield f"{name} {word}", command


def examples(command: Any) -> list[str]:
    """The examples of a command's help, each on one line."""
    text = re.split(r"\[bold\]Examples?\[/bold\]", command.help)[1]
    shown = "\n".join(line.strip() for line in text.splitlines() if line.strip())
    return shown.replace("\\\n", "").splitlines()


ALL: Final = [
    pytest.param(example, id=example[:60])
    for name, command in commands(build_app(), "runner")
    if name not in ELSEWHERE
    for example in examples(command)
]


@pytest.fixture(scope="module")
def place(terminal_and_site: tuple[Terminal, Site]) -> tuple[Terminal, str]:
    """A terminal and its site, with all that the examples speak of, and where a dead letter stands."""
    terminal, site = terminal_and_site
    late = start("req-1:approve-3") | {"requestMeta": {"id": "late"}}
    late["eventMeta"]["domain"] = "orders"
    sent = terminal.run("send", "--wait", "-", stdin=lines(late))
    assert sent.code == 0, sent.err
    producer = Producer({"bootstrap.servers": site.kafka.bootstrap})
    producer.produce(site.requests, b"nonsense")
    assert producer.flush(30) == 0
    until(lambda: sum(site.ends(site.dead_letters).values()), "a dead letter")
    (terminal.folder / "kyc.yaml").write_text("taskSpec: kyc\nschema: {type: object}\n")
    put = ("definitions", "put", "kyc.yaml", "--domain", "default", "--as", "root", "--roles", "admin")
    defined = terminal.run(*put)
    assert defined.code == 0, defined.err
    (terminal.folder / "events.jsonl").write_text(lines(start("t-from-a-file")))
    listed = terminal.shell("runner dlq list --json | head -n 1").out
    return terminal, listed.split('"place":"')[1].split('"')[0]


def _on_a_task_of_its_own(terminal: Terminal, command: str) -> str:
    """Start the task that a command speaks of, under another id: no example minds what another has done."""
    named = re.search(r"\bt-[12]\b", command)
    if named is None:
        return command
    task = f"t-{uuid.uuid4().hex[:8]}"
    sent = terminal.run("send", "--wait", "-", stdin=lines(start(task, taskUser="ann", taskRoles="manager")))
    assert sent.code == 0, sent.err
    return command.replace(named[0], task)


@pytest.mark.parametrize("example", ALL)
def test_it_works(place: tuple[Terminal, str], example: str) -> None:
    terminal, letter = place
    command = example.replace("3@17", letter)
    # What goes on until somebody ends it is ended.
    if command == "runner tail":
        command += " --max 1 --from-beginning"
    kafka = terminal.environment({})["RUNNER_KAFKA__BROKERS"]
    command = _on_a_task_of_its_own(terminal, command.replace("kafka-1:9092", kafka))

    done = terminal.shell(command)

    assert done.code == 0, f"{command}: {done.err}"
    assert "error" not in done.err
