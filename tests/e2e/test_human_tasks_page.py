"""The commands of docs/human-tasks.md work as printed, one after the other, and print what stands below."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.e2e.terminal import Terminal
from tests.unit.docs.pages import ROOT, Block, blocks

pytestmark = [
    pytest.mark.embedded,
    pytest.mark.thorough("a page that is typed off; what the commands do has tests of its own"),
]

PAGE: Final = ROOT / "docs" / "human-tasks.md"
_SPAN: Final = r"\d+ (?:d|h|min|s|ms)"
_CHANGING: Final = (
    # An id, a moment with UTC beside it, a moment, how far that is, where an event stood.
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d\d:\d\d \([\d :-]+UTC\)",
    r"\d{4}-\d\d-\d\d \d\d:\d\d [+-]\d\d:\d\d",
    rf"(?:in )?{_SPAN}(?: {_SPAN})?(?: ago)?",
    r"\b1/\d+@\d+|partition \d+",
    r'(?<="at":)\d+',
)


def typed() -> Iterator[tuple[Block, Block | None]]:
    """Each block that is typed, and the one that shows what it prints."""
    page = blocks(PAGE)
    for block, following in zip(page, [*page[1:], None], strict=True):
        if block.words[:1] == ["sh"]:
            is_output = following is not None and following.words == ["text"]
            yield block, following if is_output else None


def without_what_changes(text: str) -> str:
    for pattern in _CHANGING:
        text = re.sub(pattern, "…", text)
    return text


def test_the_page_can_be_typed_off(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path, {"RUNNER_WEB__PORT": "0"})
    with terminal.start("dev", "--no-examples") as dev:
        dev.wait_for("health/ready")
        [config] = re.findall(r"export RUNNER_CONFIG=(\S+)", dev.out)
        for block, output in typed():
            done = terminal.shell(f"set -e\n{block.text}", RUNNER_CONFIG=config)
            fails = "fails" in block.words
            assert done.code == int(fails), f"{block.place}: {done}"
            if output is not None:
                printed = without_what_changes(done.out + (done.err if fails else ""))
                assert printed.endswith(without_what_changes(output.text)), f"{output.place}: {printed}"
        resumed = terminal.shell(
            "runner tail --from-beginning --until-idle 2 --json", RUNNER_CONFIG=config
        ).out.splitlines()
    [payload] = [block.text for block in blocks(PAGE) if block.words == ["json"]]
    told = [each["event"]["payload"] for each in map(json.loads, resumed) if each["status"] == "PROCEEDED"]
    assert [_without_at(each) for each in told] == [_without_at(json.loads(payload))]


def _without_at(payload: dict[str, dict[str, object]]) -> dict[str, dict[str, object]]:
    return {**payload, "decided": {**payload["decided"], "at": "…"}}
