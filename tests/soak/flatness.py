"""Whether a process that does the same all the time needs more and more: memory and file handles.

The rule: of a process that was sampled for LEAST_SECONDS and more, the first third is warm-up. The
median of the last third may be above that of the second by no more than ``share`` of it and ``slack``, and
in more than half of them by less, since a leak is in all of them. A process that was started again is another
process.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

LEAST_SECONDS: Final = 90.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process held at a moment."""

    at_seconds: float
    resident_bytes: int
    handles: int


@dataclass(frozen=True, slots=True)
class Bound:
    """How much more the last third may have than the second."""

    share: float
    slack: float


MEMORY: Final = Bound(share=0.03, slack=1_000_000)
MEMORY_OF_MOST: Final = Bound(share=0.01, slack=1_000_000)
LEAST_PROCESSES: Final = 4
"""Of fewer than that, nothing is said of most."""

HANDLES: Final = Bound(share=0.0, slack=8)
"""A client may hold a few more connections after its broker was away, once."""


@dataclass(frozen=True, slots=True)
class Growth:
    """The medians of the second third and of the last."""

    before: float
    after: float

    def exceeds(self, bound: Bound) -> bool:
        """Whether this is more than noise."""
        return self.after > self.before * (1 + bound.share) + bound.slack


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one process developed."""

    seconds: float
    memory: Growth
    handles: Growth

    @property
    def findings(self) -> list[str]:
        """What is not flat."""
        found = []
        if self.memory.exceeds(MEMORY):
            found.append(f"memory grew from {self.memory.before:,.0f} to {self.memory.after:,.0f} bytes")
        if self.handles.exceeds(HANDLES):
            found.append(f"handles grew from {self.handles.before:.0f} to {self.handles.after:.0f}")
        return found


def not_flat(judged: Mapping[str, Judgement]) -> list[str]:
    """Return what is not flat, of each and of most of them."""
    found = [f"{name}: {finding}" for name, each in judged.items() for finding in each.findings]
    grown = [name for name, each in judged.items() if each.memory.exceeds(MEMORY_OF_MOST)]
    if len(judged) >= LEAST_PROCESSES and 2 * len(grown) > len(judged):
        found.append(f"memory grew in {len(grown)} of {len(judged)} processes: {', '.join(grown)}")
    return found


def judge(curves: Mapping[str, Sequence[Sample]]) -> dict[str, Judgement]:
    """Return the judgement of every process that lived long enough, by its name."""
    return {name: _judged(curve) for name, curve in curves.items() if _seconds(curve) >= LEAST_SECONDS}


def _judged(curve: Sequence[Sample]) -> Judgement:
    third = _seconds(curve) / 3
    begin = curve[0].at_seconds
    second = [sample for sample in curve if begin + third <= sample.at_seconds < begin + 2 * third]
    last = [sample for sample in curve if sample.at_seconds >= begin + 2 * third]
    return Judgement(
        _seconds(curve),
        Growth(median(each.resident_bytes for each in second), median(each.resident_bytes for each in last)),
        Growth(median(each.handles for each in second), median(each.handles for each in last)),
    )


def _seconds(curve: Sequence[Sample]) -> float:
    return curve[-1].at_seconds - curve[0].at_seconds if curve else 0.0
