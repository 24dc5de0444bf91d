"""Generations: what a passage of the log does to the generations of one task. Pure.

A finished generation whose record is removed, or replaced by the next, is kept where that is wanted; any
other is removed.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from runner.projection.folding import Folded, FoldSettings, TaskMessage, fold


@dataclass(slots=True)
class Generation:
    """A generation as it is stored, and as it is to be."""

    no: int | None
    """Its number; None: it is not stored yet."""
    before: Folded | None
    after: Folded | None
    gone_ms: int | None = None
    """Since when its record is gone, where it is kept; epoch ms."""


class TaskGenerations:
    """The generations of one task that a passage of the log touches."""

    def __init__(self, stored: Generation | None, kept: Collection[str]) -> None:
        """``stored``: the present one. ``kept``: sources of those that are kept, which do not return."""
        self.before = None if stored is None else stored.before
        self.present = Generation(None, None, None) if stored is None else stored
        self.past: list[Generation] = []
        self.place = 0
        """Offset of the last message about the task."""
        self._kept = set(kept)

    @property
    def all(self) -> list[Generation]:
        return [*self.past, self.present]

    @property
    def is_kept(self) -> bool:
        """Whether nothing but a kept generation is left."""
        return self.present.after is None and any(each.gone_ms is not None for each in self.past)

    def take(self, message: TaskMessage, settings: FoldSettings, *, keeps: bool) -> None:
        """Fold a message. Raises ChangelogUnreadable for one of nobody's."""
        self.place = message.offset
        before = self.present.after
        after = fold(before, message, settings)
        if after is not None and after.source in self._kept:
            return
        if before is not None and (after is None or after.source != before.source):
            self._end(before, message.timestamp_ms, keeps=keeps)
        self.present.after = after

    def _end(self, folded: Folded, gone_ms: int, *, keeps: bool) -> None:
        """The record of the present generation is gone."""
        if keeps and folded.is_finished:
            self.present.gone_ms = gone_ms
            self._kept.add(folded.source)
        else:
            self.present.after = None
        self.past.append(self.present)
        self.present = Generation(None, None, None)
