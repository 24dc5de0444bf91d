"""The requests of docs/api.md work as printed, one after the other, and are answered as the page shows."""

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from tests.e2e.terminal import Terminal
from tests.unit.docs.pages import ROOT, Block, blocks
from tests.waiting import until

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.thorough("a page that is typed off; what the API does has tests of its own"),
]

PAGE: Final = ROOT / "docs" / "api.md"
ANYTHING: Final = "…"
_PORT: Final = "http://127.0.0.1:8090"
_SILENT: Final = ("runner dev", "runner web")
"""What goes on until somebody ends it: the test has started it, or another does."""


def requests() -> Iterator[tuple[Block, Block | None]]:
    """Each block that is typed, and the one that shows what its last request is answered."""
    page = blocks(PAGE)
    for block, following in zip(page, [*page[1:], None], strict=True):
        if block.words[:1] == ["sh"] and "setup" not in block.words and not block.text.startswith(_SILENT):
            is_answer = following is not None and following.words == ["json"]
            yield block, following if is_answer else None


def holds(shown: Any, answer: Any) -> bool:
    """Whether an answer has what the page shows of it; lists whole, objects as far as they are shown."""
    if shown == ANYTHING:
        return answer is not None
    if isinstance(shown, dict):
        return isinstance(answer, dict) and all(
            name in answer and holds(value, answer[name]) for name, value in shown.items()
        )
    if isinstance(shown, list) and isinstance(answer, list):
        return len(shown) == len(answer) and all(map(holds, shown, answer))
    return type(shown) is type(answer) and bool(shown == answer)


def last_answer(printed: str) -> Any:
    """Return the last JSON of what was printed: answers stand one behind the other."""
    decoder, at, found = json.JSONDecoder(), 0, None
    while at < len(printed):
        found, at = decoder.raw_decode(printed, at)
        at += len(printed[at:]) - len(printed[at:].lstrip())
    return found


def is_answered(terminal: Terminal, script: str, expected: Any) -> bool:
    """Ask, and return whether the answer is what the page shows."""
    return holds(expected, last_answer(terminal.shell(script).out))


def without_success(url: str) -> set[tuple[str, str]]:
    """Return the operations of the document that were not answered well once, streams aside."""
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    wanted = {(method, path) for path, operations in paths.items() for method in operations}
    counted = re.findall(
        r'runner_web_requests_total\{method="(\w+)",route="([^"]+)",status="2\d\d"\}',
        httpx.get(f"{url}/metrics").text,
    )
    answered = {(method.lower(), route) for method, route in counted}
    return {each for each in wanted - answered if not each[1].endswith("/events")}


def test_the_page_can_be_typed_off(tmp_path: Path) -> None:
    [configuration] = [block for block in blocks(PAGE) if block.text.startswith("# api.yaml")]
    file = tmp_path / "api.yaml"
    file.write_text(configuration.text)
    [setup] = [block for block in blocks(PAGE) if "setup" in block.words]
    terminal = Terminal(tmp_path, {"RUNNER_WEB__PORT": "0"})
    with terminal.start("dev", "--no-examples", "--config", str(file)) as dev:
        dev.wait_for("The HTTP API is at")
        [url] = set(re.findall(r"(http://127\.0\.0\.1:\d+)/api/v1 ", dev.out))
        for block, shown in requests():
            script = f"{setup.text}\n{'' if 'fails' in block.words else 'set -e'}\n{block.text}"
            script = script.replace(_PORT, url)
            done = terminal.shell(script)
            assert (done.code != 0) is ("fails" in block.words), f"{block.place}: {done}"
            if shown is None:
                continue
            expected, answer = json.loads(shown.text), last_answer(done.out)
            if re.search(r"/tasks(?:/count)?[?]", block.text) and "after=" not in block.text:
                # What was typed before is in the lists a moment later.
                again = partial(is_answered, terminal, script, expected)
                until(again, f"{shown.place}; before: {answer}")
            else:
                assert holds(expected, answer), f"{shown.place}: {answer}"
        assert not without_success(url)
