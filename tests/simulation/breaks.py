"""The rules that keep the promises, each removed by itself: the simulation must notice.

Nothing in the runner knows of this: a rule is removed by a part that does without it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tests.simulation.careless_stores import (
    BelievesTheUnverified,
    ForgetsDecisions,
    HasNoAppliedOffsets,
    HasNoFence,
    IgnoresRevisions,
    LetsAnyoneRestore,
    RemovesUnguarded,
    TakesLaterForEarlier,
    TakesOldReads,
    TakesOldTokens,
    TrustsWhatIsMissing,
)
from tests.simulation.removed_rules import (
    ActsByTheIndex,
    ClimbsAtOnce,
    CountsOnce,
    ForgetsVerbs,
    KeepsOldParts,
    LeavesAPartOut,
    NeverVerifies,
    OffsetsFirst,
    ReadsHalf,
    RemembersFewRounds,
    RemembersNoRounds,
    RemovesFirst,
    RemovesUncommitted,
    ReplacesAtOnce,
    TakesAnyServer,
    TellsFirst,
    TrustsHooks,
    TrustsItself,
    TrustsTimers,
    WritesLifeAsItStands,
    WritesOnce,
    WritesWhatStands,
    deciding_with,
)
from tests.simulation.simulation import Rules
from tests.simulation.worker_model import Makers


@dataclass(frozen=True, slots=True)
class Break:
    """A rule that is removed, and how."""

    what: str
    rules: Rules
    within: int = 2_000
    """How many seeds are enough to notice, with much to spare."""


BREAKS: Final[dict[str, Break]] = {
    "kept": Break("decisions are not kept beside the records", Rules(ForgetsDecisions)),
    "fence": Break("calls with an old base are taken", Rules(HasNoFence)),
    "revision": Break("revisions are not compared", Rules(IgnoresRevisions)),
    "generation": Break("generations are not compared", Rules(TakesLaterForEarlier), 100_000),
    "defer": Break(
        "a replacement is not deferred to the next batch",
        Rules(makers=Makers(harness=deciding_with(ReplacesAtOnce))),
    ),
    "rounds": Break(
        "what closed an earlier generation is not remembered",
        Rules(makers=Makers(harness=deciding_with(RemembersNoRounds))),
    ),
    "many-rounds": Break(
        "what closed a generation is remembered for four more only",
        Rules(makers=Makers(harness=deciding_with(RemembersFewRounds))),
    ),
    "guard": Break("removal does not wait for its closing to be committed", Rules(RemovesUnguarded)),
    "timer": Break(
        "a timer is not compared with the task it ends",
        Rules(makers=Makers(harness=deciding_with(TrustsTimers))),
    ),
    "applied-offsets": Break("applied offsets are not compared", Rules(HasNoAppliedOffsets)),
    "verified": Break("what is missing is trusted before all homes are verified", Rules(TrustsWhatIsMissing)),
    "believed": Break(
        "another record is believed before all homes are verified", Rules(BelievesTheUnverified)
    ),
    "restorer": Break("an overtaken restorer may go on", Rules(LetsAnyoneRestore), 100_000),
    "changelog-end": Break(
        "the changelog is not read to its end", Rules(makers=Makers(restorer=ReadsHalf)), 100_000
    ),
    "verify": Break("nobody verifies that nothing was lost", Rules(makers=Makers(restorer=NeverVerifies))),
    "changelog-ahead": Break(
        "a redelivered event is written to the changelog as the record stands",
        Rules(makers=Makers(changelog=WritesWhatStands)),
    ),
    "changelog-once": Break(
        "a redelivered event is not written to the changelog", Rules(makers=Makers(changelog=WritesOnce))
    ),
    "life-ahead": Break(
        "what a redelivered verb wrote is written to the changelog as it stands",
        Rules(makers=Makers(changelog=WritesLifeAsItStands)),
    ),
    "part": Break("a part is not written to the changelog", Rules(makers=Makers(changelog=LeavesAPartOut))),
    "old-parts": Break(
        "a new generation keeps the parts of the one before",
        Rules(makers=Makers(harness=deciding_with(KeepsOldParts))),
    ),
    "verbs": Break("verbs are not remembered", Rules(makers=Makers(harness=deciding_with(ForgetsVerbs)))),
    "hook-number": Break(
        "what has changed since an event was sent for hooks is not compared",
        Rules(makers=Makers(harness=deciding_with(TrustsHooks))),
    ),
    "levels": Break("all levels come at once", Rules(makers=Makers(harness=deciding_with(ClimbsAtOnce)))),
    "hook-index": Break("hooks are done from the index", Rules(makers=Makers(timers=ActsByTheIndex))),
    "told-first": Break(
        "notifications have a transaction of their own", Rules(makers=Makers(delivery=TellsFirst))
    ),
    "changelog-removal": Break(
        "a removal is written to the changelog before the closing is committed",
        Rules(makers=Makers(retention=RemovesUncommitted)),
    ),
    "removal-first": Break(
        "a record is removed before that is written to the changelog and committed",
        Rules(makers=Makers(retention=RemovesFirst)),
    ),
    "bound": Break("the scripts are bound to no server", Rules(redis=TakesAnyServer), 100_000),
    "homes": Break(
        "homes that were added are not counted", Rules(makers=Makers(restorer=CountsOnce)), 100_000
    ),
    "standing": Break(
        "who verifies a home does not ask whether it was taken over",
        Rules(makers=Makers(restorer=TrustsItself)),
        100_000,
    ),
    "read": Break(
        "what was read is changed although something was lost since", Rules(TakesOldReads), 100_000
    ),
    "token": Break("a shard token from before something was lost is taken", Rules(TakesOldTokens), 1_000_000),
    "offsets": Break(
        "offsets are committed before the messages", Rules(makers=Makers(delivery=OffsetsFirst))
    ),
}
