"""What may go wrong: the API refused a request, or could not be reached.

Exception
├── ApiProblem        the API answered, with a problem (RFC 9457)
└── ApiUnavailable    no answer in time, after all attempts
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiProblem(Exception):
    """The API refused a request."""

    def __init__(self, status: int, document: Mapping[str, Any]) -> None:
        self.status = status
        """Status of HTTP."""
        code = document.get("code")
        self.code = code if isinstance(code, int) else None
        """Code of the runner, as docs/protocol.md lists them; None where there is none."""
        self.detail = str(document.get("detail") or document.get("title") or f"status {status}")
        """What a person can do about it."""
        self.violations: tuple[Mapping[str, Any], ...] = tuple(document.get("violations") or ())
        """What is wrong with answers: ``pointer``, ``rule`` and ``message`` of each."""
        super().__init__(self.detail if self.code is None else f"{self.detail} (code {self.code})")


class ApiUnavailable(Exception):
    """The API did not answer, or said that it cannot just now; a command may still happen."""
