"""Problems of a configuration, reported all at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from runner.errors import FatalError, clause


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem in one sentence: where, which setting, what is wrong, and the way out.

    ``where`` is a file or an environment variable, ``key`` a dotted setting (empty for the whole
    file). No field ever holds the value of a secret.
    """

    where: str
    key: str
    what: str
    remedy: str

    def __str__(self) -> str:
        what = clause(self.what)
        subject = f"{self.key} {what}" if self.key else what
        return _on_one_line(f"{self.where}: {subject}; {self.remedy}")


def _on_one_line(text: str) -> str:
    """Escape what could control a terminal or break the line."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


class ConfigError(FatalError):
    """The configuration cannot be used; ``problems`` is never empty and holds every one found.

    ``str()`` is one line per problem, ready to be shown to the operator.
    """

    label = "CONFIG"
    exit_code = 3

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
