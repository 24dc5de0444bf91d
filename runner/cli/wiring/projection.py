"""From the configuration to the projection: its database, and the projector that keeps it up to date."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from sqlalchemy import Engine, inspect

from runner.cli.wiring.events import build_policy
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.config.sections.web import PROJECTION_URL
from runner.errors import FatalError
from runner.projection.database import connect, is_shared, reading
from runner.projection.folding import FoldSettings
from runner.projection.following import Clocks
from runner.projection.projector import ProjectionStanding, Projector, ProjectorSettings
from runner.projection.source import KafkaSource


def projection_url(config: Config) -> str:
    """Return the URL of the database of lists."""
    url = config.projection.url
    return PROJECTION_URL if url is None else url.get_secret_value()


def connect_projection(config: Config) -> Engine:
    """Return the database of lists, which is connected to at its first use."""
    return connect(projection_url(config))


def require_lists(engine: Engine) -> None:
    """FatalError where nobody has begun to fill lists in this database; none is made."""
    path = engine.url.database
    is_there = is_shared(engine) or (path is not None and Path(path).is_file())
    if is_there:
        with reading(engine) as connection:
            is_there = inspect(connection).has_table("builds")
    if not is_there:
        raise FatalError(
            'nothing was filled yet in the database of projection.url; start "runner web", or run '
            '"runner projection rebuild"'
        )


def fold_settings(config: Config) -> FoldSettings:
    """Return the settings that rows of the lists depend on."""
    return FoldSettings(build_policy(config), dict(config.projection.attributes))


class ProjectorThread:
    """The projector of a database in a thread of its own."""

    def __init__(self, config: Config, engine: Engine) -> None:
        self._closing, self._ended = threading.Event(), threading.Event()
        self._failure: BaseException | None = None
        settings = ProjectorSettings(fold_settings(config), config.projection.keep_days)
        clocks = Clocks(now_ms, monotonic_seconds, self._closing.wait)
        self._projector = Projector(engine, KafkaSource(config), settings, clocks)
        self._thread = threading.Thread(target=self._run, name="projector", daemon=True)

    @property
    def standing(self) -> ProjectionStanding:
        """How the lists stand, as this process knows."""
        return self._projector.standing()

    @property
    def trouble(self) -> str | None:
        """Why there are no lists; None: there are some."""
        standing = self.standing
        if standing.live is not None:
            return None
        return standing.trouble or "they are being filled"

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """End it, and wait until what it writes is written."""
        self._closing.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wait(self, seconds: float) -> None:
        """Wait, and raise what it has ended with by itself."""
        self._ended.wait(seconds)
        if self._failure is not None:
            raise self._failure

    def _run(self) -> None:
        try:
            self._projector.run(self._closing.is_set)
        except Exception as error:  # noqa: BLE001 - raised by whoever waits
            self._failure = error
        self._ended.set()


def now_ms() -> int:
    """Return the time of this machine, epoch ms: when something was read, never what is decided."""
    return time.time_ns() // 1_000_000
