"""What the documents say is true: examples run, tables match the code, what they name exists.

An example of docs/protocol.md is a *story*: blocks opened with ``json in STORY partition=N`` are fed, in
their order, to an empty runner (the worker's middle over the memory store), and what it sends must be
the ``json out STORY`` blocks, whose last line of prose before them names topic, key and headers.
``after=MS`` lets time pass; what falls due then is part of the story. ``input=NAME`` feeds a payload to an
input topic of the page's own configuration, with ``headers=name:value,…``.
"""

from __future__ import annotations

import ast
import json
import re
import shlex
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest
import typer
import yaml

from runner import __version__, errors
from runner.actions import inputs
from runner.actions.decision import Emit
from runner.actions.incoming import HOPS, MAX_HOPS, ORIGIN, PERIOD, TIME, TIMER, TRACE_HEADERS, Headers
from runner.actions.policy import DomainPolicy, Policy
from runner.cli.app import INTERRUPTED, build_app
from runner.cli.input_wiring import build_inputs
from runner.cli.worker_command import STOPPED_LATE
from runner.config import Config, load
from runner.envelope import codec, jsonpath, paths, patterns, units
from runner.envelope.codec import JsonCodec, Sections
from runner.envelope.event import NO_RULES
from runner.store.calls import Ownership
from runner.store.memory_store import MemoryStore
from runner.tasks.feed import encode_entry, entry_headers, feed_key, read_entry
from runner.worker.assignment import Batch
from runner.worker.event_log import Message
from runner.worker.input_topics.input_topic import InputTopic
from runner.worker.input_topics.normalise import INPUT
from runner.worker.input_topics.process import InputProcess
from runner.worker.intake import Terms
from runner.worker.process import UNANSWERABLE, Process
from runner.worker.store_time import StoreTime
from runner.worker.timers import Timers, TimerSettings

ROOT: Final = Path(__file__).parents[2]
README: Final = ROOT / "README.md"
PROTOCOL: Final = ROOT / "docs" / "protocol.md"
PAGES: Final = (README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")))

NOW: Final = 1_795_000_000_000
HOMES: Final = 4
TOPIC_ID: Final = "w8pP3cZzQ1S7a0bN5dXJ4g"
FIRST_OFFSET: Final = 100
LIMITS: Final = {
    "requests": 1_000_000,
    "responses": 1_000_000,
    "approvals": 1_000_000,
    "dead-letters": 2_000_000,
}
FEED: Final = ["json", "feed"]
SPAN: Final = re.compile(r"(`+)(?P<text>.+?)\1", re.DOTALL)


# -- reading a page ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Block:
    """A fenced block: what stands behind its fence, its text, and the paragraph before it."""

    info: str
    text: str
    before: str
    place: str

    @property
    def words(self) -> list[str]:
        return self.info.split()

    def text_of(self, name: str) -> str:
        """The text of ``name=TEXT`` behind the fence; empty if there is none."""
        found = re.search(rf"\b{name}=(\S+)", self.info)
        return "" if found is None else found[1]

    @property
    def headers(self) -> Headers:
        """The pairs of ``headers=name:value,…``."""
        pairs = (pair.partition(":") for pair in self.text_of("headers").split(",") if pair)
        return tuple((name, value.encode()) for name, _, value in pairs)

    def option(self, name: str) -> int | None:
        """The number of ``name=N`` behind the fence."""
        found = re.search(rf"\b{name}=(\d+)", self.info)
        return None if found is None else int(found[1])


@cache
def blocks(page: Path) -> tuple[Block, ...]:
    found = re.finditer(r"^```([^\n]*)\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL)
    return tuple(_block(page, match) for match in found)


def _block(page: Path, match: re.Match[str]) -> Block:
    above = text_of(page)[: match.start()]
    place = f"{page.name}:{above.count(chr(10)) + 1}"
    return Block(match[1], match[2], above.rstrip().rpartition("\n\n")[2], place)


@cache
def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


@cache
def prose_of(page: Path) -> str:
    """The page without its fenced blocks."""
    return re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)


@cache
def code_of(page: Path) -> tuple[str, ...]:
    """Everything set as code: fenced blocks and spans."""
    spans = [" ".join(match["text"].split()) for match in SPAN.finditer(prose_of(page))]
    return (*(block.text for block in blocks(page)), *spans)


def rows(page: Path, first: str) -> Iterator[list[str]]:
    """The cells of every table row whose first cell matches ``first`` in full."""
    for line in prose_of(page).splitlines():
        cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if cells and re.fullmatch(first, cells[0]):
            yield cells


# -- an empty runner ---------------------------------------------------------------------------------


def documented_inputs() -> list[InputTopic]:
    """The input topics of the page's example."""
    (example,) = (b.text for b in blocks(PROTOCOL) if b.words == ["yaml"] and b.text.startswith("inputs:"))
    settings = {**yaml.safe_load(example), "domains": {"orders": {}}}
    return build_inputs(Config.model_validate(settings))


class Outlet:
    """Topics with limits; JSON on all of them."""

    def encode(self, stream: str, sections: Sections) -> bytes:
        assert stream in {"requests", *LIMITS}
        return JsonCodec().encode(sections)

    def limit_bytes(self, stream: str) -> int | None:
        return LIMITS.get(stream)

    def partition(self, stream: str, request_id: str) -> int | None:  # noqa: ARG002 - as the Outlet has it
        return None


class Runner:
    """The worker's middle over a memory store; what it sends to requests comes back to it at once."""

    def __init__(self, policy: Policy) -> None:
        self.now_ms = NOW
        self._policy = policy
        self._store = MemoryStore(lambda: self.now_ms)
        self._store.open(Ownership("cluster", "requests", "topic-1", "group", HOMES))
        self._offsets = dict.fromkeys(range(HOMES), FIRST_OFFSET)
        terms = Terms(policy, JsonCodec(), NO_RULES, 1, 1_000_000, 0)
        self._process = Process(terms, self._store, Outlet(), "dead-letters")
        self._inputs = {
            each.name: InputProcess(each, TOPIC_ID, terms, self._store, Outlet(), "dead-letters")
            for each in documented_inputs()
        }
        self._input_offsets = dict.fromkeys(self._inputs, FIRST_OFFSET)

    def receive(self, value: bytes, partition: int, key: bytes, headers: Headers = ()) -> list[Emit]:
        """Everything that is sent on account of one message, in its order."""
        waiting = deque([(partition, key, value, headers)])
        sent: list[Emit] = []
        while waiting:
            for emit in self._processed(*waiting.popleft()):
                sent.append(emit)
                if emit.stream == self._policy.requests:
                    waiting.append((emit.partition or 0, emit.key or b"", emit.value or b"", emit.headers))
        return sent

    def receive_input(self, name: str, value: bytes, partition: int, headers: Headers) -> list[Emit]:
        """Everything that is sent on account of one message on an input topic."""
        offset = self._input_offsets[name]
        self._input_offsets[name] += 1
        message = Message(partition, offset, b"k-9", value, headers, timestamp_ms=self.now_ms)
        made = self._inputs[name].run(Batch((message,), {partition: offset}), {}).emits
        sent = list(made)
        for emit in made:
            sent += self.receive(emit.value or b"", emit.partition or 0, emit.key or b"", emit.headers)
        return sent

    def pass_time(self, duration_ms: int) -> list[Emit]:
        """Let time pass, and return everything that is sent on account of deadlines."""
        self.now_ms += duration_ms
        time = StoreTime(lambda: 0.0)
        timers = Timers(self._store, self._policy, Outlet(), TimerSettings(), time, lambda: 0.0)
        timers.own(range(HOMES))
        sent: list[Emit] = []
        for emit in timers.due():
            follow = self.receive(emit.value or b"", emit.partition or 0, emit.key or b"", emit.headers)
            sent += [emit, *follow]
        return sent

    def _processed(self, partition: int, key: bytes, value: bytes, headers: Headers) -> list[Emit]:
        offset = self._offsets[partition]
        self._offsets[partition] += 1
        message = Message(partition, offset, key, value, headers, timestamp_ms=self.now_ms)
        return self._process.run(Batch((message,), {partition: offset}), {}).emits


def shown(emit: Emit) -> tuple[str, Any]:
    """An emit as the page shows it: the line before it, and its value."""
    at = "" if emit.partition is None else f", partition {emit.partition},"
    headers = ", ".join(f"`{name}: {value.decode()}`" for name, value in emit.headers)
    line = f"On `{emit.stream}`{at} with key `{(emit.key or b'').decode()}` and headers {headers}:"
    return line, json.loads(emit.value or b"")


def story(name: str) -> list[Block]:
    return [block for block in story_blocks() if block.words[2] == name]


def stories() -> list[str]:
    return sorted({block.words[2] for block in story_blocks()})


def story_blocks() -> list[Block]:
    """The JSON examples of the protocol but for that of the task feed, which is no event."""
    return [block for block in blocks(PROTOCOL) if block.words[:1] == ["json"] and block.words != FEED]


def told(blocks_of_story: list[Block]) -> Iterator[tuple[Block | None, Emit | None]]:
    """Play a story: each block that it shows beside what was sent, and what was sent but is not shown.

    Messages to requests need not be shown: they are the runner's own.
    """
    runner = Runner(Policy({"orders": DomainPolicy()}, allowed_streams=frozenset({"approvals"})))
    sent: deque[Emit] = deque()
    for block in blocks_of_story:
        passed_ms = block.option("after")
        if block.words[1] == "in":
            yield from ((None, emit) for emit in sent if emit.stream != "requests")
            runner.now_ms += passed_ms or 0
            key = re.search(r'"id": "([^"]+)"', block.text)
            value, partition = block.text.strip().encode(), block.option("partition")
            assert partition is not None, block.place
            if "input=" in block.info:
                sent = deque(runner.receive_input(block.text_of("input"), value, partition, block.headers))
                continue
            sent = deque(runner.receive(value, partition, b"k-9" if key is None else key[1].encode()))
            continue
        if passed_ms is not None:
            yield from ((None, emit) for emit in sent)
            sent = deque(runner.pass_time(passed_ms))
        while sent and sent[0].stream == "requests" and "On `requests`" not in block.before:
            sent.popleft()
        yield block, sent.popleft() if sent else None
    yield from ((None, emit) for emit in sent if emit.stream != "requests")


# -- examples ----------------------------------------------------------------------------------------


def test_there_is_an_example_of_every_action_and_status() -> None:
    examples = "".join(block.text for name in stories() for block in story(name))
    for word in ("StartTask", "ProceedTask", "TimeoutTask", "TimeoutBetween"):
        assert f'"action": "{word}"' in examples
    for word in ("ACK", "PROCEEDED", "TIMEOUT", "SUCCESS", "FAIL"):
        assert f'"status": "{word}"' in examples


@pytest.mark.parametrize("name", stories())
def test_every_example_request_leads_to_exactly_the_documented_messages(name: str) -> None:
    played = list(told(story(name)))
    assert played
    for block, emit in played:
        assert block is not None, f"not documented: {shown(emit) if emit else None}"
        assert emit is not None, f"{block.place} is not sent"
        line, value = shown(emit)
        assert " ".join(block.before.split()) == line, block.place
        assert json.loads(block.text) == value, block.place


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_json_block_parses(page: Path) -> None:
    for block in blocks(page):
        if block.words[:1] == ["json"]:
            json.loads(block.text)
            part = block.words == FEED or block.words[1] in {"in", "out"}
            assert page != PROTOCOL or part, f"{block.place}: no part of a story"


def events_by_hand() -> list[str]:
    """The events that the README has people send."""
    commands = [block.text for block in blocks(README) if block.words == ["sh"]]
    return re.findall(r"""^echo '(\{.*\})' \| """, "".join(commands), re.MULTILINE)


def test_the_events_by_hand_lead_to_the_responses_that_are_printed_below_them() -> None:
    runner = Runner(Policy())
    sent: list[Emit] = []
    for event in events_by_hand():
        key = json.loads(event)["requestMeta"]["id"].encode()
        sent += runner.receive(event.encode(), 3, key)
    assert len(sent) > len(events_by_hand())
    expected = [_row(emit) for emit in sent if emit.stream == "responses"]
    printed = "".join(block.text for block in blocks(README) if block.words == ["text"])
    seen = re.findall(
        r"^[\d:.]+ +\d+ +(\S+) +(reply|resume) +([A-Z]+(?: \d+)?) +(\S+)$", printed, re.MULTILINE
    )
    assert sorted(seen) == sorted(expected)


def _row(emit: Emit) -> tuple[str, str, str, str]:
    headers = {name: value.decode() for name, value in emit.headers}
    error = json.loads(emit.value or b"")["result"].get("error")
    status = headers["event-status"] + (f" {error['code']}" if error else "")
    return (emit.key or b"").decode(), headers["event-kind"], status, headers["task-id"]


# -- tables ------------------------------------------------------------------------------------------


def test_the_table_of_error_codes_is_that_of_the_code() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    table = {int(code): int(http) for code, _, http, _ in rows(PROTOCOL, r"\d+")}
    assert table == {code: errors.EventError(code, "").http for code in codes}


def test_every_header_is_documented_and_no_other() -> None:
    sent = [emit for name in stories() for _, emit in told(story(name)) if emit is not None]
    known = {name for emit in sent for name, _ in emit.headers} | {
        ORIGIN,
        HOPS,
        TIME,
        TIMER,
        INPUT,
        PERIOD,
        *TRACE_HEADERS,
    }
    table = [cells[0] for cells in rows(PROTOCOL, r"`[a-z]+-?[a-z-]*`(, `[a-z-]+`)*")]
    named = {name for cell in table for name in re.findall(r"`([a-z-]+)`", cell)}
    headers = {name for name in named if "-" in name and not name.startswith("dead-letters")}
    assert headers | set(TRACE_HEADERS) == known
    assert named >= set(TRACE_HEADERS)


def test_the_message_of_the_task_feed_is_one() -> None:
    (example,) = [block for block in blocks(PROTOCOL) if block.words == FEED]
    record = read_entry(example.text.encode()).record
    assert json.loads(encode_entry(record)) == json.loads(example.text)
    section = text_of(PROTOCOL).partition("## The task feed")[2]
    assert f"| key | domain and task id, `{feed_key(record.key).decode()}`;" in section
    assert re.findall(r"\| header `(\w+)` \|", section) == [name for name, _ in entry_headers(record)]


def test_every_reason_of_a_dead_letter_is_documented_and_no_other() -> None:
    source = "".join(file.read_text(encoding="utf-8") for file in (ROOT / "runner").rglob("*.py"))
    reasons = set(re.findall(r'PoisonError\(\s*"([A-Z_0-9]+)"', source))
    table = {cells[0].strip("`") for cells in rows(PROTOCOL, r"`[A-Z_0-9]{6,}`") if len(cells) == 2}
    assert table == reasons | {UNANSWERABLE}


def test_every_exit_code_is_documented_and_no_other() -> None:
    table = {int(cells[0]) for cells in rows(README, r"\d+")}
    fatal = {kind.exit_code for kind in _below(errors.FatalError)}
    assert table == fatal | {0, 1, 2, STOPPED_LATE, INTERRUPTED}


def _below(kind: type[errors.FatalError]) -> set[type[errors.FatalError]]:
    return {kind}.union(*(_below(below) for below in kind.__subclasses__()))


def test_every_action_is_documented_with_all_its_parameters() -> None:
    for schema in (ROOT / "schemas" / "event-meta").glob("*.json"):
        action = schema.name.partition(".")[0]
        described = json.loads(schema.read_text(encoding="utf-8"))["properties"]
        section = text_of(PROTOCOL).partition(f"\n## {action}\n")[2]
        assert section, action
        for name in (*described, *described["parameters"]["properties"]):
            assert f"`{name}`" in text_of(PROTOCOL), f"{action}: {name}"


def test_the_limits_are_those_of_the_code() -> None:
    config = load(None, {})
    bounds = {
        "event": (config.worker.max_event_bytes,),
        "nesting of an event": (codec.MAX_DEPTH,),
        "task id": (inputs.MAX_ID_BYTES,),
        "path": (paths.MAX_CHARACTERS, paths.MAX_SEGMENTS, jsonpath.MAX_STEPS),
        "pattern": (patterns.MAX_CHARACTERS, patterns.MAX_UNITS, units.MAX_DEPTH),
        "hops to a home": (MAX_HOPS,),
    }
    table = {what: bound for what, bound, _ in rows(PROTOCOL, "|".join(bounds))}
    read = {
        what: tuple(int(n.replace(",", "")) for n in re.findall(r"[\d,]+\d|\d", table[what]))
        for what in table
    }
    assert read == bounds
    assert inputs.MAX_TIME_MS == 2**53 - 1


def test_every_setting_that_is_named_exists() -> None:
    known = set(_flat(load(None, {}).describe(), ()))
    sections = "|".join(sorted({path.partition(".")[0] for path in known}))
    for page in PAGES:
        for span in code_of(page):
            for name in re.findall(rf"(?<![\w./@-])((?:{sections})\.[a-z][A-Za-z]+(?:\.[A-Za-z]+)*)\b", span):
                is_file = name.endswith((".py", ".yaml", ".md", ".lua", ".json"))
                is_free = name.startswith(("meta.", "domains."))
                assert is_file or is_free or name in known, f"{page.name}: {name}"


def _flat(tree: Any, above: tuple[str, ...]) -> Iterator[str]:
    if above:
        yield ".".join(above)
    if isinstance(tree, dict):
        for name, value in tree.items():
            yield from _flat(value, (*above, name))


# -- what is named exists ----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere_in_the_project(page: Path) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", prose_of(page)):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert "://" not in link, f"{page.name}: {link} leads out of the project"
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in _anchors(target), f"{page.name}: {link}"


def _anchors(page: Path) -> set[str]:
    titles = re.findall(r"^#+ (.+)$", prose_of(page), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_make_target_that_is_named_exists(page: Path) -> None:
    makefile = text_of(ROOT / "Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for code in code_of(page):
        for target, variable in re.findall(r"\bmake ([a-z]+)(?: ([A-Z]+)=)?", code):
            assert target in targets, f"{page.name}: make {target}"
            assert not variable or f"{variable} ?=" in makefile, f"{page.name}: {variable}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_runner_command_that_is_named_exists(page: Path) -> None:
    for code in code_of(page):
        joined = code.replace("\\\n", " ")
        for words in re.findall(r"(?:^|[\s/|$])runner (?!:)([^|&;`\n#]+)", joined):
            _check_command(shlex.split(words.replace("'", ""), comments=True), f"{page.name}: runner {words}")


def _check_command(words: list[str], place: str) -> None:
    """Follow the words through the groups to a command, and look its options up there."""
    command: Any = typer.main.get_command(build_app())
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        assert words[0] in command.commands, f"{place}: no such command"
        command = command.commands[words.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help", "-"}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{place}: no option {word}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_variable_that_is_named_is_read(page: Path) -> None:
    sources = "".join(
        file.read_text(encoding="utf-8")
        for folder in ("runner", "tests/servers")
        for file in sorted((ROOT / folder).rglob("*.py"))
    )
    for name, value in re.findall(r"\b(RUNNER_[A-Z_]+)(?:=(\S+))?", "\n".join(code_of(page))):
        if "__" in name:
            load(None, {name: value.strip("'\"") or "1"})
        else:
            assert f'"{name}"' in sources or name == "RUNNER_DELIVERY", f"{page.name}: {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_is_named_exists(page: Path) -> None:
    for file, name in re.findall(r"\b(tests/[\w/]+\.py)::(\w+)", text_of(page)):
        assert (ROOT / file).is_file(), f"{page.name}: {file}"
        assert name in _functions(ROOT / file), f"{page.name}: {file} has no {name}"
    everywhere = frozenset().union(*(_functions(file) for file in (ROOT / "tests").rglob("test_*.py")))
    for code in code_of(page):
        for name in re.findall(r"\btest_\w+\b(?!\.py)", code):
            assert name in everywhere, f"{page.name}: {name}"


@cache
def _functions(file: Path) -> frozenset[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))


@pytest.mark.parametrize("page", [README, PROTOCOL, ROOT / "CHANGELOG.md"], ids=lambda page: page.name)
def test_every_file_and_folder_that_is_named_exists(page: Path) -> None:
    """Not in docs/design.md, which also says what was planned and is not there."""
    for code in code_of(page):
        for name in re.findall(r"(?:^|\s)((?:runner|tests|config|docs|schemas|deploy)/[\w./-]*)", code):
            assert (ROOT / name).exists(), f"{page.name}: {name}"


def test_the_changelog_has_the_version_of_the_package() -> None:
    titles = re.findall(r"^## \[(.+?)\]", text_of(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert titles[0] == "Unreleased"
    assert __version__ in titles
