"""Addresses of pages: what stands in them, and how one leads to the next."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

CURSOR: Final = "cursor"
AFTER: Final = "after"
VIEW: Final = "view"
"""Of a form: which list it was sent from."""
DID: Final = "did"
"""What was done just now, for a word about it."""
PART: Final = "part"
_PASSING: Final = frozenset({AFTER, DID, PART})
"""Parameters of one look at a page, which no link repeats."""
LONGEST_OWN: Final = 1500
"""Characters of an address that is gone to later: it may stand in a cookie, which has 4096 bytes at most."""
# Printable signs of ASCII; \ is / to browsers, and a second / would begin the name of another host.
_OWN: Final = re.compile(r"/(?:[!-.0-\[\]-~][!-\[\]-~]*)?")

Pairs = Sequence[tuple[str, str]]


def lasting(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what of a query leads to the next page."""
    return [(name, value) for name, value in query if name not in _PASSING]


def changed(query: Iterable[tuple[str, str]], **values: str | None) -> list[tuple[str, str]]:
    """Return a query with other values of some parameters; None takes one out."""
    rest = [(name, value) for name, value in query if name not in values]
    return rest + [(name, value) for name, value in values.items() if value is not None]


def address(path: str, query: Iterable[tuple[str, str]] = ()) -> str:
    """Return path and query as one."""
    text = urlencode(list(query), errors="replace")
    return f"{path}?{text}" if text else path


def own_path(text: str) -> str:
    """Return a path of ours that a text names; the first page where it is anything else."""
    return text if len(text) <= LONGEST_OWN and _OWN.fullmatch(text) is not None else "/"


def list_path(view: str) -> str:
    """Return the path of a list."""
    return f"/inbox/{view}"


def task_path(view: str, domain: str, key: str) -> str:
    """Return the path of a task beside a list."""
    return f"/inbox/{view}/{quote(domain, safe='')}/{key}"


def permanent_path(domain: str, key: str) -> str:
    """Return the path of a task, whatever list it is in; what is done to it is sent below it."""
    return f"/tasks/{quote(domain, safe='')}/{key}"


@dataclass(frozen=True, slots=True)
class InboxPlace:
    """Where somebody is: a list and its filters. Forms are sent with it, so that they lead back."""

    view: str
    query: Pairs

    def list_address(self, *more: tuple[str, str]) -> str:
        return address(list_path(self.view), [*self.query, *more])

    def task_address(self, domain: str, key: str, *more: tuple[str, str]) -> str:
        return address(task_path(self.view, domain, key), [*self.query, *more])

    def deed_address(self, domain: str, key: str, verb: str) -> str:
        """Return where a form is sent that does something to a task."""
        return self._sent_to(f"{permanent_path(domain, key)}/{verb}")

    def bulk_address(self) -> str:
        return self._sent_to("/inbox/bulk")

    def _sent_to(self, path: str) -> str:
        return address(path, [(VIEW, self.view), *self.query])


def place_of(query: Iterable[tuple[str, str]], views: Iterable[str], usual: str) -> InboxPlace:
    """Return the place that a form was sent with; the usual list where it names none of ours."""
    said = lasting(query)
    view = dict(said).get(VIEW, usual)
    return InboxPlace(view if view in views else usual, [pair for pair in said if pair[0] != VIEW])
