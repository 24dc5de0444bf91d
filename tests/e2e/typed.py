"""What is typed into a command, and what a command printed."""

import json
from typing import Any

from tests.e2e.terminal import Finished


def start(task: str, **parameters: Any) -> dict[str, Any]:
    return {
        "requestMeta": {"id": f"start-{task}"},
        "sagaMeta": [{"sagaId": "s-1", "stepId": "approve"}],
        "eventMeta": {"action": "StartTask", "domain": "default", "parameters": parameters},
        "payload": {"taskId": task, "amount": 12},
    }


def proceed(task: str, request: str, role: str = "manager") -> dict[str, Any]:
    return {
        "requestMeta": {"id": request, "claims": {"sub": "ann", "roles": [role]}},
        "eventMeta": {"action": "ProceedTask", "domain": "default"},
        "payload": {"taskId": task},
    }


def comment(task: str, request: str, **parameters: Any) -> dict[str, Any]:
    event = proceed(task, request)
    meta = {"action": "CommentTask", "parameters": {"text": f"I say {request}", **parameters}}
    return {**event, "eventMeta": {**event["eventMeta"], **meta}}


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def rows(finished: Finished) -> list[list[str]]:
    return [line.split() for line in finished.out.splitlines()]


def failed(finished: Finished, code: int, *words: str) -> None:
    """The command ended with this code, and said these words in its last lines, without a traceback."""
    assert finished.code == code, finished
    assert all(word in finished.err for word in words), finished.err
    assert "Traceback" not in finished.err
