"""The one error of the embedded parts: what is missing, and what to do about it."""

from typing import Final

INSTALL_EXTRA: Final = 'pip install "saga-task-runner[embedded]"'


class EmbeddedUnavailable(Exception):
    """An embedded server cannot run here; ``remedy`` says what would help, and so does the text."""

    def __init__(self, reason: str, remedy: str) -> None:
        super().__init__(f"{reason}; {remedy}")
        self.reason = reason
        self.remedy = remedy
