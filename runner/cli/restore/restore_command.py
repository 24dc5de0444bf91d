"""``runner restore``: does by hand what workers do by themselves when Redis has lost something."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping
from typing import Annotated, Final
from uuid import uuid4

import typer

from runner.changelog.comparison import Difference, Finding
from runner.changelog.restorer import Extent, Restorer
from runner.cli.options import AsJson, ConfigFile, read_config
from runner.cli.restore import fill
from runner.cli.restore.site import RestoreSite, open_site
from runner.cli.screen import Column, Rows, print_json, progress, say, stdout, tracked
from runner.cli.wiring.store import open_store
from runner.errors import FatalError, StoreDiffers, Superseded
from runner.kafka.offsets import start_offsets
from runner.tasks.keys import spaces_of

EXAMPLES: Final = 10
"""Ids of tasks that are named of a site."""

_SHOWN: Final = 40
_COLUMNS: Final = (
    Column("shard", 5, align_right=True),
    Column("home", 4, align_right=True),
    Column("behind", 6),
    *(Column(each.value, 10, align_right=True) for each in Difference),
    Column("for example", 11),
)

Where = tuple[int, int]
"""(shard, home)."""


def restore(
    config: ConfigFile = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Only compare, and change nothing; workers may run.")
    ] = False,
    fill_changelog: Annotated[
        bool,
        typer.Option(
            "--fill-changelog",
            help="The other way round, once: write the changelog from Redis, and turn it on.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Fill Redis again from the changelog (topics.tasks), or compare the two.

    Workers notice by themselves what Redis has lost, and restore it. This does
    it by hand, before they start: on a fresh Redis, or where single keys were
    deleted or evicted, which workers do not notice. All workers of the group
    must have stopped. What differs is made equal to the changelog; the rest is left
    alone. It may be ended and repeated at any time.

    With --check nothing is changed, and workers may run: what moves meanwhile
    is looked at again. Exit code 0: Redis holds what the changelog tells; 8: it
    does not. Each part of Redis (shard) that differs about the tasks of a
    partition (home) is one row: whether it lacks all that was committed last
    (behind), and how many tasks are missing, stale, unexpected, or cannot be
    found by their deadline (unindexed).

    With --fill-changelog tasks that were begun without a changelog get one: the
    topic is written from Redis, and turned on at the end. All workers must
    have stopped, and stay so until it is done. It may be ended and repeated at
    any time; nothing is turned on before all is written.

    With --json each row is one line, with the ids of up to ten tasks, and the
    last line says how many tasks were compared and whether all is equal; or,
    without --check, how many records were restored, or with --fill-changelog
    how many tasks the changelog tells of, and how many messages that took.

    [bold]Examples[/bold]

      runner restore --check
      runner restore --check --json
      runner restore
      runner restore --fill-changelog
    """
    if check and fill_changelog:
        raise typer.BadParameter("--check changes nothing, --fill-changelog writes; give one of them")
    settings = read_config(config)
    with open_site(settings) as site:
        if fill_changelog:
            fill.fill_changelog(site, as_json=as_json)
            return
        site.require_changelog()
        if check:
            _check(site, as_json=as_json)
        else:
            _restore(site, as_json=as_json)


def _check(site: RestoreSite, *, as_json: bool) -> None:
    incarnation = site.incarnation()
    # In this order: a worker applies first and commits then.
    bases = site.last_committed()
    behind = set(site.store.shards_behind(incarnation, bases))
    tasks, findings = _compare(site, incarnation, range(site.store.shards))
    rows = Rows(stdout(), _COLUMNS)
    for place in sorted(behind | findings.keys()):
        _show(rows, place, findings.get(place, []), is_behind=place in behind, as_json=as_json)
    if as_json:
        print_json({"tasks": tasks, "equal": not behind and not findings})
    if behind or findings:
        raise StoreDiffers(
            "Redis does not hold what the changelog tells: "
            f"{sum(map(len, findings.values()))} of {tasks} tasks differ, "
            f"{len(behind)} places are behind; workers restore those that are behind by themselves, "
            '"runner restore" restores all, with the workers stopped'
        )
    if not as_json:
        say(stdout(), f"Redis holds what the changelog tells: {tasks} tasks", "green")


def _compare(
    site: RestoreSite, incarnation: int, shards: Collection[int]
) -> tuple[int, Mapping[Where, list[Finding]]]:
    """Return how many tasks the changelog has in these shards, and which differ, by their place."""
    comparison = site.comparison(incarnation)
    tasks, findings = 0, defaultdict[Where, list[Finding]](list)
    for shard in tracked("comparing, shards", shards, len(shards)):
        compared = comparison.shard(shard)
        tasks += compared.tasks
        for finding in compared.findings:
            findings[finding.shard, finding.home].append(finding)
    return tasks, findings


def _show(rows: Rows, place: Where, findings: Collection[Finding], *, is_behind: bool, as_json: bool) -> None:
    shard, home = place
    counts = Counter(finding.what for finding in findings)
    ids = sorted(finding.key.id for finding in findings)
    if as_json:
        differences = {each.value: counts[each] for each in Difference}
        print_json({"shard": shard, "home": home, "behind": is_behind, **differences, "ids": ids[:EXAMPLES]})
    else:
        numbers = [str(counts[each]) for each in Difference]
        example = ids[0][:_SHOWN] if ids else ""
        rows.row(str(shard), str(home), "yes" if is_behind else "no", *numbers, example)


def _restore(site: RestoreSite, *, as_json: bool) -> None:
    """Restore what lacks committed changes, then compare the rest, and restore what differs there."""
    config, store = site.config, site.store
    members = site.members()
    if members:
        raise FatalError(
            f"group {config.kafka.group} has {members} members: running workers restore by themselves "
            "what they find lost; stop all of them to do it by hand, or only look, with --check"
        )
    opened = open_store(store, config, site.cluster, by_hand=True)
    homes = range(site.homes())
    positions = start_offsets(homes, site, store, opened.incarnation)
    bases = {home: max(offset, 0) for home, offset in positions.items()}
    lost = set(store.shards_behind(opened.incarnation, bases))
    observer = _Observer()
    extent = Extent(spaces_of(config.domains), opened.incarnation, site)
    restorer = Restorer(store, site.changelog, extent, lambda: uuid4().hex, observer)
    try:
        _finish(restorer, positions, observer, store.shards)
        rest = {shard for shard in range(store.shards) for home in homes if (shard, home) not in lost}
        tasks, findings = _compare(site, opened.incarnation, sorted(rest))
        differing = findings.keys() - lost
        if differing:
            restorer.redo(sorted(differing), positions)
            _finish(restorer, positions, observer, len({shard for shard, _ in differing}))
    except Superseded as error:
        raise FatalError(
            "a worker has started, or another restore: it goes on by itself with what is left; "
            '"runner restore --check" shows how it gets on'
        ) from error
    places = lost | differing
    if as_json:
        print_json({"records": observer.records, "places": len(places), "compared": tasks})
    elif places:
        say(stdout(), f"restored {observer.records} records in {len(places)} places", "green")
    else:
        say(stdout(), f"nothing to restore: Redis holds what the changelog tells, {tasks} tasks", "green")


def _finish(restorer: Restorer, positions: Mapping[int, int], observer: _Observer, shards: int) -> None:
    """Restore to the end; a terminal shows how many of the shards are done."""
    with progress("restoring, shards", shards) as step:
        done = 0
        while not restorer.verify(positions):
            if observer.shards_left is not None and shards - observer.shards_left > done:
                step(shards - observer.shards_left - done)
                done = shards - observer.shards_left


class _Observer:
    """Counts the records that were restored, and the shards that are left."""

    def __init__(self) -> None:
        self.records = 0
        self.shards_left: int | None = None

    def restoring(self, shards_left: int, records: int) -> None:
        del records
        self.shards_left = shards_left

    def restored(self, records: int) -> None:
        self.records += records
        self.shards_left = 0

    def not_restored(self) -> None:
        self.shards_left = None
