"""Hooks: what a task asks to be done by itself while it is open, and when each is due.

``arrival`` counts from the start of the task and lives while it is open. ``assignment`` counts from when its
present owner came, and starts anew for the next. ``reassign`` and ``release`` are the levels of one chain, in
the order of the list: each is done once, and one that was done late puts the next off.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from runner.tasks.parts import Hook, HookDone
from runner.tasks.record import Record

ARRIVAL: Final = "arrival"
ASSIGNMENT: Final = "assignment"
LEVELS: Final = frozenset({"reassign", "release"})
"""What is done once for each level, whoever has the task."""


def next_moment(record: Record) -> int | None:
    """Return when the next hooks of a task are due, epoch ms; None where none is to come."""
    if not record.start.hooks or not record.is_open:
        return None
    return min((moment for _, moment in _moments(record)), default=None)


def hooks_at(record: Record, moment_ms: int) -> list[int]:
    """Return the places of the hooks that are due at a moment, in the order of the list."""
    return [place for place, moment in _moments(record) if moment == moment_ms]


def times_done(record: Record, place: int) -> int:
    """Return how often a hook was done, missed repeats included."""
    done = _done(record).get(place)
    return 0 if done is None else done.times


def after_doing(record: Record, place: int, moment_ms: int, now_ms: int) -> tuple[HookDone, ...]:
    """Return ``Life.hooks`` after a hook due at a moment is done; repeats missed meanwhile are one."""
    hook, done = record.start.hooks[place], _done(record)
    missed = 0 if hook.repeat_every is None else max(0, now_ms - moment_ms) // hook.repeat_every
    times = min(times_done(record, place) + 1 + missed, hook.times)
    return tuple({**done, place: HookDone(place, times, now_ms)}.values())


def of_next_owner(record: Record, done: Iterable[HookDone]) -> tuple[HookDone, ...]:
    """Return what was done of hooks once another has the task: what counts from an assignment starts anew."""
    hooks = record.start.hooks
    return tuple(each for each in done if hooks[each.place].on == ARRIVAL or hooks[each.place].do in LEVELS)


def hooks_to_come(record: Record) -> list[tuple[int, Hook]]:
    """Return the hooks that are to come as things stand, each with its moment, the next one first."""
    moments = sorted((moment, place) for place, moment in _moments(record)) if record.is_open else []
    return [(moment, record.start.hooks[place]) for moment, place in moments]


def _moments(record: Record) -> Iterator[tuple[int, int]]:
    """Yield place and moment of every hook that is to come."""
    done, since_ms = _done(record), _owner_since(record)
    last = max((place for place in done if record.start.hooks[place].do in LEVELS), default=None)
    not_before = None if last is None else done[last]
    earliest_ms = 0
    for place, hook in enumerate(record.start.hooks):
        from_ms = record.state.created_ms if hook.on == ARRIVAL else since_ms
        if from_ms is None:
            continue
        if hook.do not in LEVELS:
            before = done.get(place)
            if before is None:
                yield place, from_ms + hook.after
            elif before.times < hook.times and hook.repeat_every is not None:
                yield place, before.at + hook.repeat_every
        elif last is None or place > last:
            moment_ms = from_ms + hook.after
            if last is not None and not_before is not None:
                distance_ms = max(0, hook.after - record.start.hooks[last].after)
                moment_ms = max(moment_ms, not_before.at + distance_ms)
            earliest_ms = max(moment_ms, earliest_ms)
            yield place, earliest_ms


def _done(record: Record) -> dict[int, HookDone]:
    return {} if record.life is None else {done.place: done for done in record.life.hooks}


def _owner_since(record: Record) -> int | None:
    """Return when the present owner came; None where nobody has the task."""
    if record.ownership.owner is None:
        return None
    since_ms = None if record.life is None else record.life.owner_since
    return record.state.created_ms if since_ms is None else since_ms
