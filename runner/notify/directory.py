"""The directory: where a user is reached, in which language, and who holds a role.

Either a file, read again when it has changed, or a service that is asked over HTTP and remembered for a
while. Both may be asked from several threads.
"""

from __future__ import annotations

import json
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPRedirectHandler, Request, build_opener

import msgspec
import yaml

from runner import log
from runner.clock import Ticker
from runner.errors import DirectoryUnavailable
from runner.notify.unusable import Unusable

LONGEST_NAME: Final = 512
LARGEST_REPLY_BYTES: Final = 1_048_576

_LOOK_SECONDS: Final = 1.0
"""Between two looks whether the file has changed."""

_MAIL: Final = re.compile(r"[^\s@,;:<>()\[\]\\\"\x00-\x20\x7f-\x9f]{1,64}@[A-Za-z0-9.-]{1,253}")
_NOT_FOUND: Final = 404

_log: Final = log.get("notify")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Contact:
    """Where somebody is reached. Neither mail nor URLs: they want to hear nothing."""

    mail: str | None = None
    language: str | None = None
    urls: tuple[str, ...] = ()


class Directory(Protocol):
    """Knows people and roles; may block. Raises DirectoryUnavailable, after which it may be asked again."""

    def person(self, user: str) -> Contact | None:
        """Return where a user is reached; None: nobody knows this user."""

    def holders(self, role: str) -> tuple[str, ...] | None:
        """Return the users who hold a role; None: nobody knows this role."""


class NoDirectory:
    """Knows nobody: for routes that name channels only."""

    def person(self, user: str) -> Contact | None:
        del user
        return None

    def holders(self, role: str) -> tuple[str, ...] | None:
        del role
        return None


class _Entry(msgspec.Struct, forbid_unknown_fields=True):
    mail: str | None = None
    language: str | None = None
    urls: list[str] = msgspec.field(default_factory=list)


class _PeopleFile(msgspec.Struct, forbid_unknown_fields=True):
    users: dict[str, _Entry] = msgspec.field(default_factory=dict)
    roles: dict[str, list[str]] = msgspec.field(default_factory=dict)


class _Found(msgspec.Struct):
    """What a service says of a user; it may say more."""

    mail: str | None = None
    language: str | None = None
    urls: list[str] = msgspec.field(default_factory=list)


class _Held(msgspec.Struct):
    """What a service says of a role; it may say more."""

    users: list[str]


class FileDirectory:
    """The directory in a YAML or JSON file. One that cannot be read later leaves the last one in force."""

    def __init__(self, path: Path, ticker: Ticker) -> None:
        """Raises Unusable where the file cannot be used."""
        self._path = path
        self._ticker = ticker
        self._lock = threading.Lock()
        self._looked_seconds = ticker()
        self._mark = _mark_of(path)
        self._people, self._roles = _read(path)
        self.trouble: str | None = None
        """Why the file as it is now is not used; None: it is."""

    def person(self, user: str) -> Contact | None:
        with self._lock:
            self._look()
            return self._people.get(user)

    def holders(self, role: str) -> tuple[str, ...] | None:
        with self._lock:
            self._look()
            return self._roles.get(role)

    def _look(self) -> None:
        now = self._ticker()
        if now - self._looked_seconds < _LOOK_SECONDS:
            return
        self._looked_seconds = now
        mark = _mark_of(self._path)
        if mark == self._mark:
            return
        self._mark = mark
        try:
            self._people, self._roles = _read(self._path)
        except Unusable as error:
            self.trouble = str(error)
            _log.error(
                "directory_refused", reason=str(error), remedy="the last one that could be read counts"
            )
            return
        self.trouble = None
        _log.info("directory_read", users=len(self._people), roles=len(self._roles))


class HttpDirectory:
    """The directory behind a service: ``{user}`` and ``{role}`` of its URLs are replaced.

    A user is ``{"mail": …, "language": …, "urls": […]}``, a role ``{"users": […]}``; 404: nobody knows it.
    """

    def __init__(
        self,
        urls: Mapping[str, str | None],
        headers: Mapping[str, str],
        timeout_seconds: float,
        memory: LookupMemory,
    ) -> None:
        """``urls``: those of ``user`` and of ``role``; None: there is none, and nobody is known so."""
        self._urls = urls
        self._headers = headers
        self._timeout_seconds = timeout_seconds
        self._memory = memory
        # A redirection would carry the token elsewhere.
        self._opener = build_opener(_NoRedirect)

    def person(self, user: str) -> Contact | None:
        return self._memory.answer(("user", user), lambda: self._person(user))

    def holders(self, role: str) -> tuple[str, ...] | None:
        return self._memory.answer(("role", role), lambda: self._holders(role))

    def _person(self, user: str) -> Contact | None:
        found = self._ask("user", user, _Found)
        if found is None:
            return None
        try:
            return _person(f"user {user[:100]!r}", found.mail, found.language, found.urls)
        except ValueError as error:
            raise DirectoryUnavailable(f"the directory says of {error}") from None

    def _holders(self, role: str) -> tuple[str, ...] | None:
        found = self._ask("role", role, _Held)
        return None if found is None else tuple(dict.fromkeys(found.users))

    def _ask(self, kind: str, name: str, shape: type[Answer]) -> Answer | None:
        url = self._urls[kind]
        if url is None or len(name) > LONGEST_NAME:
            return None
        escaped = quote(name.encode("utf-8", "replace"), safe="")
        request = Request(url.replace(f"{{{kind}}}", escaped), headers=dict(self._headers))  # noqa: S310 - the configuration takes http and https only
        try:
            with self._opener.open(request, timeout=self._timeout_seconds) as reply:
                body = reply.read(LARGEST_REPLY_BYTES + 1)
        except HTTPError as error:
            error.close()
            if error.code == _NOT_FOUND:
                return None
            raise DirectoryUnavailable(f"the directory answers HTTP {error.code}") from None
        except (OSError, HTTPException) as error:
            raise DirectoryUnavailable(f"the directory does not answer: {_why(error)}") from None
        if len(body) > LARGEST_REPLY_BYTES:
            raise DirectoryUnavailable(f"the directory answers with more than {LARGEST_REPLY_BYTES} bytes")
        try:
            return msgspec.json.decode(body, type=shape)
        except (msgspec.DecodeError, ValueError) as error:
            raise DirectoryUnavailable(f"the directory's answer cannot be read: {error}") from None


class LookupMemory:
    """Answers of a service, remembered for a while; the longest unused are forgotten first."""

    def __init__(self, seconds: float, most: int, ticker: Ticker) -> None:
        self._seconds = seconds
        self._most = most
        self._ticker = ticker
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[str, str], tuple[float, Any]] = OrderedDict()

    def answer(self, key: tuple[str, str], ask: Callable[[], Answer]) -> Answer:
        """Return what is remembered, or else the answer of ``ask``. A failure is not remembered."""
        with self._lock:
            until, known = self._known.get(key, (float("-inf"), None))
            if until > self._ticker():
                self._known.move_to_end(key)
                return known  # type: ignore[no-any-return]
        answer = ask()
        with self._lock:
            self._known[key] = self._ticker() + self._seconds, answer
            self._known.move_to_end(key)
            while len(self._known) > self._most:
                self._known.popitem(last=False)
        return answer


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Follow nothing: the reply is an error, with its code."""


def _mark_of(path: Path) -> tuple[int, ...] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _read(path: Path) -> tuple[dict[str, Contact], dict[str, tuple[str, ...]]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        tree = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=_LOADER)  # noqa: S506 - a safe loader
        read = msgspec.convert({} if tree is None else tree, _PeopleFile)
        people = {
            user: _person(f"users.{user}", entry.mail, entry.language, entry.urls)
            for user, entry in read.users.items()
        }
    except OSError as error:
        raise _refused(path, f"cannot be read: {error.strerror}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" (line {mark.line + 1})" if mark is not None else ""
        raise _refused(path, f"is no YAML{place}") from None
    except (ValueError, RecursionError) as error:
        # Text that is no UTF-8, no JSON, not of this shape, or a mail address that is none.
        raise _refused(path, str(error).splitlines()[0]) from None
    return people, {role: tuple(dict.fromkeys(users)) for role, users in read.roles.items()}


_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def _person(what: str, mail: str | None, language: str | None, urls: list[str]) -> Contact:
    """Return a person; ValueError, without the address, where a mail address is none."""
    if mail is not None and _MAIL.fullmatch(mail) is None:
        raise ValueError(f"{what}: mail is no address of one mailbox, like ann@example.org")
    return Contact(mail, language, tuple(dict.fromkeys(urls)))


def _refused(path: Path, what: str) -> Unusable:
    return Unusable(
        "directory.file", f"names {path}: {what}", "correct the file; docs/notifications.md shows one"
    )


def _why(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return str(reason) or type(reason).__name__
