"""Tokens of read-your-writes: which version of which task a list must have reached."""

from __future__ import annotations

import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import Final

import msgspec

from runner.envelope.plain import encode
from runner.tasks.keys import TaskKey
from runner.web.problems import Refused

_decode: Final = msgspec.json.Decoder(tuple[str, str, str]).decode
_VERSION: Final = re.compile(r"\d{1,15};\d{1,15}/\d{1,15}@\d{1,15}", re.ASCII)


def after_token(key: TaskKey, version: str) -> str:
    """Return the token of a version of a task; opaque to whoever gets it."""
    return urlsafe_b64encode(encode([key.domain, key.id, version])).decode().rstrip("=")


def read_after(token: str) -> tuple[TaskKey, str]:
    """Return what ``after_token`` was given; Refused with 400 for anything else."""
    try:
        text = urlsafe_b64decode((token + "=" * (-len(token) % 4)).encode("ascii"))
        domain, task_id, version = _decode(text)
    except ValueError as error:
        raise _no_token() from error
    if _VERSION.fullmatch(version) is None:
        raise _no_token()
    return TaskKey(domain, task_id), version


def _no_token() -> Refused:
    return Refused(400, "after is no token of an answer to a command; leave it out")
