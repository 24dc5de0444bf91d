"""Ways: the verbs over HTTP, what their bodies look like, and which action each becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from runner.web.acting import Deed
from runner.web.bodies import (
    Assignment,
    Body,
    Cancellation,
    CommentText,
    Completion,
    Draft,
    Nothing,
    Update,
)


@dataclass(frozen=True, slots=True)
class Way:
    """A verb over HTTP."""

    action: str
    body: type[Body]


WAYS: Final[Mapping[str, Way]] = {
    "claim": Way("ClaimTask", Nothing),
    "release": Way("ReleaseTask", Nothing),
    "assign": Way("AssignTask", Assignment),
    "draft": Way("SaveTask", Draft),
    "proceed": Way("ProceedTask", Completion),
    "cancel": Way("CancelTask", Cancellation),
    "timeout": Way("TimeoutTask", Nothing),
    "comments": Way("CommentTask", CommentText),
    "update": Way("UpdateTask", Update),
}


def deed(verb: str, body: Body | None, version: str | None, **more: Any) -> Deed:
    """Return what is to be done to a task; ``version``: the one that is meant, None for any."""
    parameters = {} if body is None else body.parameters()
    expected = {} if version is None else {"ifVersion": version}
    payload = {} if body is None else body.payload()
    return Deed(WAYS[verb].action, {**parameters, **more, **expected}, payload)
