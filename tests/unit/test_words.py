"""One idea has one word: a name that was given up does not come back, and who uses it is told the new one."""

from __future__ import annotations

import ast
import io
import tokenize
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.unit.docs.pages import ROOT

SAY: Final = {
    "Agenda": "Schedule",
    "Ahead": "Prefetch",
    "Asked": "TaskWork",
    "Beside": "overlap",
    "BesideThread": "OverlapThread",
    "Closing": "Ending",
    "Collector": "GcPacer",
    "Complaints": "LastError",
    "Contradiction": "BrokenRule",
    "Desk": "Requester",
    "Emit": "OutgoingMessage",
    "Feed": "Changelog",
    "FeedUnreadable": "ChangelogUnreadable",
    "Guide": "the description in the schema",
    "Intake": "BatchDecoder",
    "KafkaFeed": "KafkaChangelog",
    "Known": "start_offsets",
    "LastTold": "ChangelogSnapshot",
    "Meanwhile": "on_wait",
    "Middle": "BatchProcessor; in tests, Harness",
    "More": "Step",
    "Outlet": "TopicCatalog",
    "Parts": "Components",
    "Processed": "BatchResult",
    "Room": "BatchBudget",
    "SettledPlan": "ImmediateAnswer",
    "Shape": "SchemaNode",
    "Shipment": "Delivery",
    "Sighting": "TopicMessage",
    "StoreTime": "StoreClock",
    "Stretch": "IndexRange",
    "Terms": "ProcessingSettings",
    "TimerMark": "TimerToken",
    "Told": "ChangelogRecord",
    "Watcher": "Recorder",
    "Whole": "Completeness",
    "_abandon": "abort_batch",
    "_narrow": "isolate_poison",
    "_step_back": "rewind_all",
    "_take_back": "abort_batch",
    "_try_again": "try_recover",
    "adopt": "bind_server",
    "beside": "overlap",
    "conclude": "the result itself: BatchResult",
    "contradictions": "broken_rules, or cross_field_rules",
    "decode_ahead": "prefetch",
    "emits": "messages",
    "feed": "changelog",
    "guides": "the descriptions in the schema",
    "in_turn": "run_overlapped",
    "is_spent": "exhausted",
    "is_whole": "is_complete",
    "left_by": "changes_by",
    "let_pass": "honour_kept_decisions",
    "look_ahead": "prefetch",
    "note_of": "commit_metadata",
    "nothing_more": "on_wait",
    "offset_notes": "commit_metadata",
    "open_positions": "start_offsets",
    "own_site": "isolated_environment",
    "require_room": "check_message_sizes",
    "second_look": "kept_decisions",
    "shape_of": "schema_tree",
    "take_in": "decode",
    "tether": "parent_watch",
    "timer_emit": "timer_message",
    "truth": "truthiness",
    "unanswered": "unreachable",
    "unfit": "invalid",
    "unresumed": "undeliverable",
}
"""The word that was given up, and what to say."""

PHRASE: Final = "task feed"
PROSE: Final = ("runner", "docs", "config", "schemas", "README.md")
IGNORED: Final = {".lock", ".pyc"}

OF_WEB: Final = {"projection", "web"}
"""Rooms of another process: a page, a change or a refusal there is that of a request, not of an event."""

SHAPES: Final = {"web/shapes.py", "web/bodies.py"}
"""What people outside read: things are called there as they know them."""

IN_TWO_ROOMS: Final = {"SchemaRegistry", "Timers"}
"""Sections of the configuration that are called as what they configure."""


def old_names(source: str) -> Iterator[tuple[int, str]]:
    """The names of a module that were given up, each with its line."""
    before = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        # The standard library's parser of HTML is fed.
        is_parser = (before, token.string) == (".", "feed")
        if token.type == tokenize.NAME and token.string in SAY and not is_parser:
            yield token.start[0], token.string
        before = token.string


def files(*places: str) -> Iterator[Path]:
    for place in places:
        path = ROOT / place
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (file for file in found if file.is_file() and file.suffix not in IGNORED)


def test_no_name_that_was_given_up_is_used() -> None:
    modules = (file for file in files("runner", "tests") if file.suffix == ".py" and file != Path(__file__))
    back = [
        f"{file.relative_to(ROOT)}:{line}: not {name}, say {SAY[name]}"
        for file in modules
        for line, name in old_names(file.read_text(encoding="utf-8"))
    ]
    assert back == []


def test_no_module_is_called_by_a_name_that_was_given_up() -> None:
    modules = (file for file in files("runner", "tests") if file.suffix in {".py", ".lua"})
    back = [
        f"{file.relative_to(ROOT)}: say {SAY[name]}"
        for file in modules
        if (name := file.stem.removeprefix("test_")) in SAY
    ]
    assert back == []


def test_the_changelog_is_called_nothing_else() -> None:
    back = [
        f"{file.relative_to(ROOT)}:{line}: not {PHRASE}, say changelog"
        for file in files(*PROSE)
        for line, text in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if PHRASE in text.lower()
    ]
    assert back == []


def classes(*rooms: str) -> Counter[str]:
    """The names of the classes of some rooms; those that only their own file knows are left out."""
    return Counter(
        node.name
        for file in files("runner")
        if file.suffix == ".py" and file.relative_to(ROOT / "runner").parts[0] in rooms
        if str(file.relative_to(ROOT / "runner")) not in SHAPES
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    )


def test_a_class_name_stands_for_one_thing() -> None:
    everywhere = {file.name for file in (ROOT / "runner").iterdir()}
    of_worker = classes(*everywhere - OF_WEB - {"client"})
    assert {name for name, times in of_worker.items() if times > 1} == IN_TWO_ROOMS
    assert not {name for name, times in classes(*OF_WEB).items() if times > 1}
