"""The changelog of what people did: history, comments and draft are what the answers say."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.e2e.answers import Answer
from tests.e2e.rounds import ENDING, Find, Reply, Round, event_of
from tests.e2e.task_model import TaskState


def changelog_parts(messages: Iterable[Answer], find: Find) -> dict[str, dict[str, dict[str, Any]]]:
    """Return, by task id and round, every part that was ever told; history must be told once only."""
    parts: dict[str, dict[str, dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for message in messages:
        told = message.event
        if told is None or "part" not in told:
            continue
        of, name = parts[told["id"]][told["source"]], told["part"]
        if name.startswith(("history/", "version/")) and of.get(name, told["value"]) != told["value"]:
            find(f"{told['id']}: {name} was written twice: {of[name]} and {told['value']}")
        of[name] = told["value"]
    return parts


def check_history(of: Round, parts: Mapping[str, Any], find: Find) -> None:
    """The history in the changelog, and the last of its comments and its draft, are what the answers say."""
    writers = [(at, each) for at, each in sorted(of.writers.items()) if each.sent.action not in ENDING]
    expected = {f"history/{n}": _entries(of, at) for n, (at, _) in enumerate(writers, 1)}
    told = {name: _core(value) for name, value in parts.items() if name.startswith("history/")}
    for name in sorted(expected.keys() | told.keys()):
        if told.get(name) not in expected.get(name, ()):
            find(f"{name} in the changelog is {told.get(name)}, by the answers {expected.get(name)}")
    last = of.states[of.last]
    for number, comment in enumerate(last.comments, 1):
        part = parts.get(f"comment/{number}", {})
        if (part.get("by"), part.get("text")) != (comment.by, comment.text):
            find(f"comment {number} is {part} in the changelog, but {comment} by the answers")
    draft = parts.get("draft", {}).get("data")
    if draft != last.draft:
        find(f"the draft in the changelog is {draft}, by the answers {last.draft}")


def _entries(of: Round, at: int) -> list[dict[str, Any]]:
    return [_entry(of, at, each) for each in of.alike[at]]


def _entry(of: Round, at: int, writer: Reply) -> dict[str, Any]:
    verb, before, state = writer.verb(), of.states[at - 1], of.states[at]
    entry = {"revision": at, "at": verb.now_ms, "event": event_of(writer), "actor": verb.person.name}
    if verb.action in ("ClaimTask", "ReleaseTask", "AssignTask"):
        entry |= {"from": _owned(before), "to": _owned(state)}
    if verb.action == "SaveTask":
        entry["data"] = {"data": verb.values["data"]}
    if verb.action == "CommentTask":
        entry["data"] = {"id": verb.values.get("commentId") or len(state.comments)}
    return entry


def _core(entry: Mapping[str, Any]) -> dict[str, Any]:
    names = {"revision", "at", "event", "actor", "from", "to"}
    if entry["event"] != "updated":
        names.add("data")
    return {name: value for name, value in entry.items() if name in names}


def _owned(state: TaskState) -> dict[str, Any]:
    return {"user": state.owner, "roles": list(state.roles)}
