"""Every table says what the code has, all of it and no more."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import structs

from runner import errors
from runner.actions import inputs
from runner.actions.incoming import HOPS, MAX_HOPS, ORIGIN, PERIOD, TIME, TIMER, TRACE_HEADERS
from runner.actions.plan import Verb
from runner.actions.registry import VERBS
from runner.actions.render import decision_of
from runner.actions.task_result import task_result
from runner.changelog.codec import changelog_key, encode_entry, encode_part_entry, entry_headers, read_entry
from runner.cli.app import INTERRUPTED
from runner.cli.stopping import STOPPED_LATE
from runner.config import load
from runner.envelope import codec, jsonpath, paths, units
from runner.tasks.keys import TaskKey
from runner.tasks.parts import (
    DRAFT,
    LIFE,
    NOTES,
    Comment,
    Status,
    comment_part,
    encode_part,
    history_part,
    version_part,
)
from runner.worker.decider import UNANSWERABLE
from runner.worker.input_topics.normalise import INPUT
from tests.unit.actions.events import closed_by, proceed, started
from tests.unit.docs.pages import (
    PAGES,
    PROTOCOL,
    README,
    ROOT,
    blocks,
    code_of,
    rows,
    text_of,
)
from tests.unit.docs.stories import (
    CHANGELOG,
    stories,
    story,
    told,
)


def test_the_table_of_error_codes_is_that_of_the_code() -> None:
    codes = {value for name, value in vars(errors).items() if name.isupper() and isinstance(value, int)}
    table = {int(code): int(http) for code, _, http, _ in rows(PROTOCOL, r"\d+")}
    assert table == {code: errors.EventError(code, "").http for code in codes}


def test_every_header_is_documented_and_no_other() -> None:
    sent = [outgoing for name in stories() for _, outgoing in told(story(name)) if outgoing is not None]
    known = {name for outgoing in sent for name, _ in outgoing.headers} | {
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


def test_the_message_of_the_changelog_is_one() -> None:
    example, _ = [block for block in blocks(PROTOCOL) if block.words == CHANGELOG]
    record = read_entry(example.text.encode()).record
    assert json.loads(encode_entry(record)) == json.loads(example.text)
    section = text_of(PROTOCOL).partition("## The changelog")[2]
    assert f"| key | domain and task id, `{changelog_key(record.key).decode()}`;" in section
    assert re.findall(r"\| header `(\w+)` \|", section) == [name for name, _ in entry_headers(record)]


def test_the_message_of_a_part_is_one() -> None:
    main, example = [block for block in blocks(PROTOCOL) if block.words == CHANGELOG]
    told = json.loads(example.text)
    key = TaskKey(told["domain"], told["id"])
    record = structs.replace(read_entry(main.text.encode()).record, key=key)
    record = structs.replace(record, state=structs.replace(record.state, source=told["source"]))
    value = encode_part(msgspec.convert(told["value"], Comment))
    assert json.loads(encode_part_entry(record, told["part"], value)) == told
    section = text_of(PROTOCOL).partition("## The changelog")[2]
    assert f"`{changelog_key(key, told['part']).decode()}`" in section


def test_the_table_of_verbs_is_that_of_the_code() -> None:
    section = text_of(PROTOCOL).partition("### Who may send what, and when")[2].partition("\n## ")[0]
    table = [line for line in section.splitlines() if line.startswith("| `")]
    assert table == [_row(action, verb) for action, verb in VERBS.items()]


def _row(action: str, verb: Verb) -> str:
    states = [None, *Status]
    named = ["not there" if state is None else state.value for state in states if state in verb.from_states]
    to = "unchanged" if verb.to is None else verb.to.value
    return f"| `{action}` | {', '.join(named)} | {to} | {verb.who.value} |"


def test_the_task_in_a_reply_is_that_of_the_code() -> None:
    section = text_of(PROTOCOL).partition("### The task in a reply")[2].partition("\n##")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)))
    assert set(named) == {"id", "domain", *task_result(started())}


def test_the_decision_in_a_resumed_event_is_that_of_the_code() -> None:
    section = text_of(PROTOCOL).partition("### How a task was decided")[2].partition("\n##")[0]
    named = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)))
    record = closed_by(proceed(), started())
    closing = record.state.closing
    assert closing is not None
    ending = structs.replace(closing, on_behalf_of="ann")
    for_another = structs.replace(record, state=structs.replace(record.state, closing=ending))
    assert named == list(decision_of(for_another))


def test_the_parts_of_a_record_are_those_of_the_code() -> None:
    section = text_of(PROTOCOL).partition("## The changelog")[2]
    named = set(re.findall(r"^\| `([a-z]+(?:/<number>)?)` \|", section, re.MULTILINE))
    numbered = {name(1).replace("1", "<number>") for name in (comment_part, history_part, version_part)}
    assert named == {LIFE, DRAFT, NOTES, *numbered}


def test_every_reason_of_a_dead_letter_is_documented_and_no_other() -> None:
    # Those of `runner notify` are on its own page.
    files = (file for file in (ROOT / "runner").rglob("*.py") if file.parent.name != "notify")
    source = "".join(file.read_text(encoding="utf-8") for file in files)
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
    limits = config.limits
    bounds = {
        "event": (limits.event_bytes,),
        "nesting of an event": (codec.MAX_DEPTH,),
        "headers of a message": (limits.headers, limits.header_bytes),
        "request id, id of a new task": (limits.id_bytes,),
        "id of a task that is there": (inputs.MAX_ID_BYTES,),
        "path": (paths.MAX_CHARACTERS, paths.MAX_SEGMENTS, jsonpath.MAX_STEPS),
        "pattern": (limits.pattern_characters,),
        "what a pattern visits and builds": (limits.pattern_values,),
        "levels of what a pattern builds": (units.MAX_DEPTH,),
        "data: what `inputPattern` gives, what a task stores": (limits.data_bytes,),
        "hops to a home": (MAX_HOPS,),
        "dead letters in a row on one partition": (limits.poison_in_a_row,),
    }
    table = {what: bound for what, bound, *_ in rows(PROTOCOL, "|".join(bounds))}
    read = {
        what: tuple(int(n.replace(",", "")) for n in re.findall(r"[\d,]+\d|\d", table[what]))
        for what in table
    }
    assert read == bounds
    assert inputs.MAX_TIME_MS == 2**53 - 1


def test_every_limit_is_in_the_table_of_limits() -> None:
    section = text_of(PROTOCOL).partition("\n## Limits\n")[2]
    assert {f"limits.{name}" for name in load(None, {}).describe()["limits"]} == set(
        re.findall(r"`(limits\.\w+)`", section)
    )


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
