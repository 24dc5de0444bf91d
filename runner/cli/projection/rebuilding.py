"""Rebuilding: lists are made anew beside those that are read, and take over."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from sqlalchemy import Engine

from runner import log
from runner.cli.projection.site import BuildStanding, open_lists, standings
from runner.cli.screen import print_json, progress, say, stdout
from runner.cli.wiring.projection import ProjectorThread, fold_settings, now_ms
from runner.clock import monotonic_seconds
from runner.config import Config
from runner.errors import FatalError
from runner.projection.builds import Build, begin, list_builds, prepare
from runner.projection.source import KafkaSource
from runner.projection.tables import FILLING, LIVE

_LOOK_SECONDS: Final = 0.3


def rebuild_lists(settings: Config, *, as_json: bool) -> None:
    """Make the lists anew, and say so. Raises FatalError, LogUnavailable, DatabaseUnavailable."""
    log.configure(settings.log.format, "warning")
    begun = monotonic_seconds()
    with open_lists(settings) as (engine, source):
        prepare(engine)
        build = begin(engine, fold_settings(settings), source.describe(), now_ms())
        with closing(ProjectorThread(settings, engine)) as projecting:
            projecting.start()
            _wait(engine, source, build, projecting)
        standing = next(each for each in standings(engine, source) if each.build.state == LIVE)
    seconds = round(monotonic_seconds() - begun, 1)
    if as_json:
        print_json({"build": standing.build.number, "tasks": standing.tasks, "seconds": seconds})
    else:
        text = f"build {standing.build.number} is live: {standing.tasks} tasks, in {seconds:g} s"
        say(stdout(), text, "green")


def _wait(engine: Engine, source: KafkaSource, build: Build, projecting: ProjectorThread) -> None:
    """Show how far it is, until the build is live."""
    known = _standing(engine, source, build)
    with progress("filling, offsets", 0 if known is None else known.total) as step:
        done = 0
        while known is not None:
            step(known.total - known.behind - done)
            done = known.total - known.behind
            projecting.wait(_LOOK_SECONDS)
            known = _standing(engine, source, build)
    if all(each.number != build.number or each.state != LIVE for each in list_builds(engine)):
        raise FatalError(
            f"build {build.number} was given up for another: somebody has begun one with other settings; "
            '"runner projection status" shows how the lists stand'
        )


def _standing(engine: Engine, source: KafkaSource, build: Build) -> BuildStanding | None:
    """Return how far a build is; None once it is filled no more."""
    if not any(each.number == build.number and each.state == FILLING for each in list_builds(engine)):
        return None
    found = standings(engine, source)
    return next((each for each in found if each.build.number == build.number), None)
