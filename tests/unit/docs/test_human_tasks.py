"""docs/human-tasks.md: the diagram of states is what the verbs really do."""

from __future__ import annotations

from collections import defaultdict
from typing import Any, Final

from runner.actions.registry import DEFINE_TASK, VERBS
from runner.actions.task_result import task_result
from runner.tasks.record import Record
from tests.unit.actions.events import answer, envelope, incoming, start, started
from tests.unit.docs.pages import ROOT, blocks, rows

PAGE: Final = ROOT / "docs" / "human-tasks.md"
BOSS: Final = {"id": "req-9", "claims": {"sub": "ann", "roles": ["manager", "admin"]}}
VALUES: Final[dict[str, list[dict[str, Any]]]] = {
    "AssignTask": [{"user": "bob", "override": True}, {"user": None, "override": True}],
    "CancelTask": [{"reason": "no longer needed"}],
    "CommentTask": [{"text": "where is it?"}],
    "SaveTask": [{"data": {"decision": "approved"}}],
    "UpdateTask": [{"priority": 80}],
}
"""Values of the verbs that need some; those of AssignTask once with and once without an owner."""

STAYING: Final = {"SaveTask", "UpdateTask", "CommentTask", "GetTask"}
"""Verbs that change no state of a task."""


_OF_TASKS: Final = set(VERBS) - {DEFINE_TASK}


def test_the_diagram_shows_where_every_verb_leads() -> None:
    [diagram] = [block.text for block in blocks(PAGE) if block.words == ["mermaid"]]
    assert diagram == _diagram()


def test_every_verb_is_in_the_diagram_or_changes_no_state() -> None:
    leading = {verb for verbs in _transitions().values() for verb in verbs}
    assert leading | STAYING == _OF_TASKS


def test_the_table_of_who_may_do_what_has_every_verb_of_a_person() -> None:
    named = [cells[0] for cells in rows(PAGE, r"\w+(Task)") if len(cells) == 3]
    assert sorted(named) == sorted(set(VERBS) - {"StartTask", "TimeoutTask"})


def _diagram() -> str:
    arrows = (
        f"    {before} --> {after}: {', '.join(verbs)}" for (before, after), verbs in _transitions().items()
    )
    return "\n".join(["stateDiagram-v2", *arrows, ""])


def _transitions() -> dict[tuple[str, str], list[str]]:
    """Give the verbs that lead from one state to another, found by sending every verb in every state."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for task in ({"taskRoles": "manager"}, {"taskUser": "ann", "taskRoles": "manager"}):
        found["[*]", _status(started(start(**task)))].append("StartTask")
    waiting = [started(start(taskRoles="manager"))]
    seen: set[str] = set()
    while waiting:
        record = waiting.pop(0)
        if _status(record) in seen:
            continue
        seen.add(_status(record))
        for action in sorted(_OF_TASKS, key=list(VERBS).index):
            for values in VALUES.get(action, [{}]):
                after = _after(record, action, values)
                if _status(after) != _status(record):
                    found[_status(record), _status(after)].append(action)
                    waiting.append(after)
    return found


def _after(record: Record, action: str, values: dict[str, Any]) -> Record:
    """Give the record after a verb by somebody who is eligible, its owner and admin; as it was if refused."""
    return answer(incoming(envelope(action, request=BOSS, **values), offset=300), record).record or record


def _status(record: Record) -> str:
    status: str = task_result(record)["status"]
    return status
