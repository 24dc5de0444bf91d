"""What kind of history a seed makes: sizes, time-outs, and how often what goes wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from random import Random
from typing import Final

POINTS: Final = (
    "poll",
    "committed",
    "load",
    "apply",
    "applied",
    "begin",
    "produce",
    "send_offsets",
    "commit",
    "commit_answer",
    "due",
    "note",
    "remove",
    "verify",
    "restore",
    "read_changelog",
)
"""Places where a worker may be killed or fall asleep: before the call of that name."""


@dataclass(frozen=True, slots=True)
class Profile:
    """The settings of one history. Times are virtual."""

    workers: int
    partitions: int
    shards: int
    domains: tuple[str, ...]
    starts: int
    ids: int
    batch_events: int
    slice_events: int
    timer_chunk: int
    period_chunk: int
    retention_ms: int
    lease_ms: int
    verify_ms: int
    """Between two looks whether the store has lost something."""
    topic_ms: int
    """Between two looks how many partitions there are."""
    session_ms: int
    transaction_ms: int
    marker_ms: int
    chaos_ms: int
    spread_ms: int
    kills: float
    freezes: float
    focus: str
    """The point at which kills and freezes are likeliest."""
    sleeps: tuple[float, ...]
    """How long a worker may sleep, in sessions."""
    wake_on: tuple[str, ...]
    """What in the store, besides time, wakes a sleeper."""
    store_faults: float
    late_removals: float
    """How often a removal is carried out when its caller has long given it up."""
    log_faults: float
    outages: bool
    losses: int
    """How often Redis loses something."""
    grows: int
    """How many partitions are added, at some moment."""
    loops: float
    wrong_partition: float
    poll_seconds: float = field(default=0.5)
    late_ms: int = 0
    """How late a repeat may come; 0: as soon as anything else."""
    verbs: float = 0.0
    """How often a verb comes before a command."""


def profile_of(rng: Random) -> Profile:
    """Draw a profile: anything, or one in which something particular is likely."""
    profile = _any(rng)
    theme = rng.choice((_removals, _replacements, _restorings, _growths, _rounds, _forms, None))
    themed = profile if theme is None else theme(profile, rng)
    return themed if theme is _forms else replace(themed, verbs=rng.choice((0.0, 0.0, 0.3, 1.0)))


def _removals(profile: Profile, rng: Random) -> Profile:
    """Few ids, closed and removed again and again, on changing homes, and sleepers about to remove."""
    return replace(
        profile,
        workers=rng.choice((2, 2, 3)),
        partitions=rng.choice((2, 2, 3)),
        shards=1,
        ids=1,
        retention_ms=rng.choice((0, 100, 400)),
        session_ms=60,
        chaos_ms=4000,
        spread_ms=2500,
        freezes=0.01,
        focus=rng.choice(("remove", "remove", "remove", "applied", "commit")),
        sleeps=rng.choice(((1.5, 6, 20), (20, 40))),
        wake_on=rng.choice(((), ("closed",), profile.wake_on)),
        late_removals=rng.choice((0.0, 0.3)),
        loops=1.0,
        wrong_partition=rng.choice((0.4, 0.8)),
    )


def _replacements(profile: Profile, rng: Random) -> Profile:
    """One or two ids, closed and started anew at once, and workers that die round the commit."""
    return replace(
        profile,
        ids=rng.choice((1, 1, 2)),
        shards=rng.choice((1, 1, 2)),
        batch_events=rng.choice((3, 6, 6)),
        spread_ms=rng.choice((30, 200)),
        kills=max(profile.kills, 0.003),
        focus=rng.choice(("applied", "begin", "commit", "commit_answer", "apply")),
        loops=0.8,
    )


def _restorings(profile: Profile, rng: Random) -> Profile:
    """Losses that several workers mend, of which one dies or sleeps meanwhile."""
    if rng.random() < 0.3:
        # Tasks that move to another home with what is lost.
        profile = replace(profile, ids=1, shards=1, loops=1.0, retention_ms=rng.choice((0, 100)))
    return replace(
        profile,
        workers=rng.choice((2, 2, 3)),
        partitions=rng.choice((1, 2, 2, 3)),
        verify_ms=rng.choice((20, 100, 500)),
        session_ms=60,
        chaos_ms=rng.choice((1000, 3000)),
        spread_ms=rng.choice((200, 1000)),
        kills=0.003,
        freezes=rng.choice((0.003, 0.01)),
        focus=rng.choice(("restore", "restore", "restore", "read_changelog", "verify")),
        sleeps=rng.choice(((1.5, 3), (1.5, 6, 20))),
        store_faults=rng.choice((0.0, 0.01)),
        log_faults=rng.choice((0.0, 0.02)),
        losses=rng.choice((2, 3, 4)),
        wrong_partition=rng.choice((profile.wrong_partition, 0.8)),
    )


def _growths(profile: Profile, rng: Random) -> Profile:
    """Partitions are added, not everybody sees them at once, and then something is lost."""
    return replace(
        profile,
        workers=rng.choice((2, 2, 3)),
        partitions=rng.choice((1, 1, 2)),
        grows=rng.choice((1, 2)),
        retention_ms=rng.choice((profile.retention_ms, 100_000)),
        topic_ms=rng.choice((30, 1000, 30_000, 30_000)),
        verify_ms=rng.choice((20, 100)),
        chaos_ms=rng.choice((300, 1000, 3000)),
        spread_ms=rng.choice((200, 1000)),
        losses=rng.choice((0, 1, 2, 3)),
        wrong_partition=rng.choice((0.4, 0.8)),
    )


def _rounds(profile: Profile, rng: Random) -> Profile:
    """One id that is closed and started anew a dozen times, and repeats from many rounds ago."""
    return replace(
        profile,
        starts=rng.choice((6, 9, 12)),
        ids=1,
        shards=1,
        domains=("d0",),
        retention_ms=100_000,
        chaos_ms=rng.choice((1000, 3000)),
        spread_ms=rng.choice((200, 1000)),
        loops=1.0,
        late_ms=rng.choice((1000, 3000)),
    )


def _forms(profile: Profile, rng: Random) -> Profile:
    """Tasks of a definition that lies in another shard, or on another home, than they do, and losses."""
    return replace(
        profile,
        workers=rng.choice((1, 2, 2, 3)),
        partitions=rng.choice((1, 2, 3)),
        shards=rng.choice((2, 3)),
        domains=("d0",),
        starts=rng.choice((3, 6, 9)),
        verify_ms=rng.choice((100, 500)),
        retention_ms=100_000,
        chaos_ms=rng.choice((1000, 3000)),
        spread_ms=rng.choice((200, 1000, 2000)),
        losses=rng.choice((1, 2, 3, 4)),
        verbs=rng.choice((0.3, 1.0)),
    )


def _any(rng: Random) -> Profile:
    nasty = rng.random() < 0.85
    quiet = rng.random()
    return Profile(
        workers=rng.choice((1, 2, 2, 2, 3)),
        partitions=rng.choice((1, 2, 2, 2, 3, 4)),
        shards=rng.choice((1, 1, 2, 3)),
        domains=rng.choice((("d0",), ("d0",), ("d0", "d1"))),
        starts=rng.choice((1, 2, 2, 3, 3, 4, 5, 6)),
        ids=rng.randint(1, 4),
        batch_events=rng.choice((1, 2, 3, 4, 6, 6)),
        slice_events=rng.choice((1, 2, 3, 6)),
        timer_chunk=rng.choice((1, 2, 3, 10)),
        period_chunk=rng.choice((1, 2, 5)),
        retention_ms=rng.choice((0, 0, 0, 50, 400, 100_000)),
        lease_ms=rng.choice((50, 300, 2000)),
        verify_ms=rng.choice((20, 100, 500)),
        topic_ms=rng.choice((30, 300, 30_000)),
        session_ms=rng.choice((60, 200, 600)),
        transaction_ms=rng.choice((100, 400, 1500)),
        marker_ms=rng.choice((1, 1, 5, 40, 200)),
        chaos_ms=rng.choice((300, 1000, 3000)),
        spread_ms=rng.choice((30, 200, 1000)),
        kills=rng.choice((0.0, 0.003, 0.01)) if nasty else 0.0,
        freezes=rng.choice((0.0, 0.005, 0.01)) if nasty else 0.0,
        focus=rng.choice(POINTS),
        sleeps=(0.5, 1.5, 3, 6, 20),
        wake_on=_some(rng, ("replaced", "removed", "closed", "started", "any")),
        store_faults=rng.choice((0.0, 0.01, 0.05)) if quiet < 0.7 else 0.0,
        late_removals=0.0,
        log_faults=rng.choice((0.0, 0.02, 0.1)) if quiet > 0.2 else 0.0,
        outages=rng.random() < 0.15,
        losses=rng.choice((0, 0, 1, 2)),
        grows=rng.choice((0, 0, 0, 1, 2)),
        loops=rng.choice((0.0, 0.3, 0.8)),
        wrong_partition=rng.choice((0.0, 0.1, 0.4)),
    )


def _some(rng: Random, words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for word in words if rng.random() < 0.35)
