"""Logs: events with fields, one JSON object a line on stderr, or readable lines on a terminal.

``configure`` is called once by the process's entry; everything else calls ``get`` and logs an event
with fields: ``log.info("batch committed", events=500)``. What libraries log through the standard
library comes out the same way. Values named like a secret and passwords in URLs are masked.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from runner.config.secrets import MASK, is_secret, mask_url

Format = Literal["auto", "json", "console"]
Level = Literal["debug", "info", "warning", "error"]

_FIRST: Final = ("time", "level", "logger", "event")
_DEEPEST: Final = 6
_LEFT_BY_FORMATTERS: Final = frozenset({"message", "asctime"})


def configure(log_format: Format, level: Level, stream: TextIO | None = None) -> None:
    """Write every event of at least ``level`` as one line to ``stream`` (default stderr).

    ``auto`` is ``console`` where the stream is a terminal, else ``json``. Times are UTC, ISO 8601.
    Calling it again replaces the earlier configuration, for loggers already made as well.
    """
    out = sys.stderr if stream is None else stream
    is_terminal = out.isatty()
    least = logging.getLevelNamesMapping()[level.upper()]
    for_people = log_format == "console" or (log_format == "auto" and is_terminal)
    _configure_events(least)
    _configure_standard_library(least, _Handler(out), _renderer(for_people, colors=is_terminal))


def get(name: str) -> FilteringBoundLogger:
    """Return a logger whose events carry a name; its ``bind`` returns one that adds fields to each event."""
    return cast(FilteringBoundLogger, structlog.get_logger(name))


def last_words(say: Callable[[], object], seconds: float = 1.0) -> None:
    """Log what ends the process; return after so many seconds at most, even if it could not be written.

    Whoever reads the log may have stopped: then each of its lines is waited for, for ever.
    """
    saying = threading.Thread(target=say, name="last-words", daemon=True)
    saying.start()
    saying.join(seconds)


class _Handler(logging.StreamHandler[TextIO]):
    """The runner's handler of the root logger, which a new configuration replaces."""


def _configure_events(least: int) -> None:
    structlog.configure(
        processors=[*_common(), structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.stdlib.LoggerFactory(),
        # A cached logger would go on with the configuration it was first used under.
        cache_logger_on_first_use=False,
    )


def _configure_standard_library(least: int, handler: _Handler, renderer: Processor) -> None:
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_common(), structlog.stdlib.ExtraAdder(), _without_formatted],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                _without_secrets,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    for earlier in [known for known in root.handlers if isinstance(known, _Handler)]:
        root.removeHandler(earlier)
    root.addHandler(handler)
    root.setLevel(least)


def _common() -> list[Processor]:
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
        structlog.processors.StackInfoRenderer(),
    ]


def _renderer(for_people: bool, *, colors: bool) -> Processor:  # noqa: FBT001 - private, one caller
    if not for_people:
        return structlog.processors.JSONRenderer()
    return structlog.dev.ConsoleRenderer(
        colors=colors, timestamp_key="time", exception_formatter=structlog.dev.plain_traceback
    )


def _without_formatted(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Drop the fields that the formatter of another handler left on a record."""
    return {name: value for name, value in event.items() if name not in _LEFT_BY_FORMATTERS}


def _without_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Return the fields in order, the most looked-for first, with every secret masked."""
    ordered = {name: event[name] for name in _FIRST if name in event} | dict(event)
    return {name: _masked(name, value, _DEEPEST) for name, value in ordered.items()}


def _masked(name: str, value: Any, deeper: int) -> Any:
    if is_secret(name):
        return MASK
    if isinstance(value, str):
        return mask_url(value)
    if isinstance(value, Mapping) and deeper:
        return {str(key): _masked(str(key), item, deeper - 1) for key, item in value.items()}
    if isinstance(value, list | tuple) and deeper:
        return [_masked("", item, deeper - 1) for item in value]
    return value
