"""Every error of the runner, by what the loop does with it.

RunnerError
├── EventError       answered: a FAIL reply with a numbered code; nothing was changed
├── PoisonError      dead-lettered: the message can never be handled, its bytes are kept
├── TransientError   abort the batch, pause, ask again: nothing is lost, nothing is dead-lettered
│   ├── StoreUnavailable   Redis does not answer
│   │   └── StoreLost      Redis may have lost something: what it holds must be verified first
│   │   └── StoreRefused       Redis answers, but does not let us: a person must mend it
│   ├── LogUnavailable     Kafka does not answer, or refused this transaction
│   │   └── LogRefused         Kafka answers, but does not let us: a person must mend it
│   ├── SchemasUnavailable the schema registry does not answer
│   ├── DirectoryUnavailable  the directory of people does not answer (``runner notify``)
│   └── Superseded         another worker has taken over a home partition of this batch
└── FatalError       the process exits non-zero and says what to do
    ├── StoreMismatch      the key space belongs to another group, topic or layout
    ├── StoreUnreadable    a key of ours holds what no runner of this version wrote
    ├── FeedUnreadable     the changelog holds what no runner of this version wrote
    ├── StoreDiffers       what Redis holds is not what the changelog tells
    ├── PositionUnknown    no offset says where to begin reading
    ├── Fenced             the producer was fenced; a fresh process must take over
    └── ConfigError        the configuration cannot be used (stands in runner.config)

Every class has a stable ``label`` for logs, metrics and dead-letter headers; EventErrors carry the
numbered code of the protocol (docs/protocol.md, "Errors") as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

UNKNOWN_ACTION: Final = 10001
UNSUPPORTED_VERSION: Final = 10002
INPUT_MISSING: Final = 10008
PARAMETER_MISSING: Final = 10009
NOT_CONVERTIBLE: Final = 10011
DOMAIN_MISSING: Final = 10026
DOMAIN_UNKNOWN: Final = 10027
TASK_NOT_FOUND: Final = 10118
TASK_PROCEEDED: Final = 10119
TASK_TIMED_OUT: Final = 10120
PERIOD_FAILED: Final = 10121
OWNED_BY_ANOTHER: Final = 10131
OTHER_VERSION: Final = 10132
NOBODY_TO_RETURN_TO: Final = 10133
ANSWERS_REFUSED: Final = 10134
COMMENT_UNKNOWN: Final = 10135
TASK_CANCELLED: Final = 10136
TASK_EXISTS: Final = 11006
UNDELIVERABLE: Final = 13020
FORBIDDEN: Final = 14

HTTP_OF_CODE: Final[dict[int, int]] = {
    TASK_NOT_FOUND: 404,
    TASK_PROCEEDED: 409,
    TASK_TIMED_OUT: 409,
    OWNED_BY_ANOTHER: 409,
    OTHER_VERSION: 409,
    NOBODY_TO_RETURN_TO: 409,
    ANSWERS_REFUSED: 422,
    COMMENT_UNKNOWN: 404,
    TASK_CANCELLED: 409,
    TASK_EXISTS: 409,
    UNDELIVERABLE: 413,
    FORBIDDEN: 403,
}
"""HTTP status a gateway may show for a code; every other code is the sender's mistake: 400."""


def clause(said: str) -> str:
    """Return what a library says as a part of a sentence of ours: without a full stop at its end."""
    return said.strip().rstrip(".")


class RunnerError(Exception):
    """Base of all; ``label`` is stable and meant for machines, the text for people."""

    label = "ERROR"


class EventError(RunnerError):
    """The event is refused: the reply is FAIL with this code, and nothing was changed.

    ``code`` is one of docs/protocol.md, "Errors"; ``message`` names the thing and the way out.
    """

    label = "FAIL"

    def __init__(
        self,
        code: int,
        message: str,
        *,
        over_limit: bool = False,
        violations: Sequence[dict[str, str]] = (),
    ) -> None:
        """``over_limit``: refused by a limit that may have been another one before.

        ``violations``: what is wrong with answers, pointer, rule and message of each.
        """
        # It may quote what a sender wrote, and has to reach everybody.
        message = message.encode("utf-8", "backslashreplace").decode()
        super().__init__(message)
        self.code = code
        self.message = message
        self.over_limit = over_limit
        self.violations = tuple(violations)

    @property
    def http(self) -> int:
        """HTTP status that fits the code."""
        return HTTP_OF_CODE.get(self.code, 400)


class RecordAwaited(RunnerError):
    """A record that an event is decided from is about to be written again: its home waits for it."""

    label = "RECORD_AWAITED"


class PoisonError(RunnerError):
    """The message can never be handled and cannot be answered: it goes to the dead letters.

    ``reason`` is a stable word (``NOT_UTF8``, ``NOT_JSON``, ``NOT_AN_ENVELOPE`` …) for the
    header of the dead letter, the text says more.
    """

    label = "POISON"

    def __init__(self, reason: str, message: str, *, over_limit: bool = False) -> None:
        """``over_limit``: refused by a limit that may have been another one before."""
        super().__init__(message)
        self.reason = reason
        self.over_limit = over_limit


class TransientError(RunnerError):
    """Somebody does not answer. The batch is aborted and comes again."""

    label = "TRANSIENT"


class StoreUnavailable(TransientError):
    """Redis did not answer, or not in time; what was sent may or may not have happened."""

    label = "STORE_UNAVAILABLE"


class StoreRefused(StoreUnavailable):
    """Redis refuses the user, a command or the certificate, until somebody mends it.

    The text says what to mend. At the start that ends the process; later it is asked again like any
    outage, for permissions come back as they went.
    """

    label = "STORE_REFUSED"


class StoreLost(StoreUnavailable):
    """Redis was replaced, or lacks what it had: it must be verified, and restored where need be."""

    label = "STORE_LOST"


class LogUnavailable(TransientError):
    """Kafka did not take the transaction; the offsets are those of the last commit."""

    label = "LOG_UNAVAILABLE"

    def __init__(self, message: str, *, refused: bool = False) -> None:
        """``refused``: a message of the batch was refused for what it is, not for an outage."""
        super().__init__(message)
        self.refused = refused


class LogRefused(LogUnavailable):
    """Kafka refuses the user or the certificate, until somebody mends it; the text says what to mend."""

    label = "LOG_REFUSED"


class SchemasUnavailable(TransientError):
    """The schema registry did not answer, or not with a schema."""

    label = "SCHEMAS_UNAVAILABLE"


class DirectoryUnavailable(TransientError):
    """The directory of people did not answer, or not with what can be read."""

    label = "DIRECTORY_UNAVAILABLE"


class Superseded(TransientError):
    """The store has seen a later batch of a home: this worker acts on an outdated assignment."""

    label = "SUPERSEDED"


class FatalError(RunnerError):
    """The process cannot go on. ``exit_code`` is documented in ``runner --help``."""

    label = "FATAL"
    exit_code = 1


class StoreMismatch(FatalError):
    """The Redis key space belongs to another group, topic, cluster or layout."""

    label = "STORE_MISMATCH"
    exit_code = 4


class StoreUnreadable(FatalError):
    """What Redis holds under a key of ours is not what a runner of this version wrote there."""

    label = "STORE_UNREADABLE"
    exit_code = 4


class ChangelogUnreadable(FatalError):
    """A message of the changelog is not one of ours, or of a later format: nothing can be restored."""

    label = "CHANGELOG_UNREADABLE"


class StoreDiffers(FatalError):
    """A comparison that somebody asked for has found that Redis differs from the changelog."""

    label = "STORE_DIFFERS"
    exit_code = 8


class PositionUnknown(FatalError):
    """Neither Kafka nor Redis knows where to begin reading a partition."""

    label = "POSITION_UNKNOWN"
    exit_code = 5


class Fenced(FatalError):
    """The transactional producer was fenced or failed for good; a fresh process takes over."""

    label = "FENCED"
    exit_code = 6


def chain(error: BaseException | None) -> Iterator[BaseException]:
    """Give an error, what it was raised from, and so on."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
