"""One soak from start to end: load and disturbances, the end of every task, and what the checker says."""

import contextlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.changelog_check import changelog_findings, changelog_of
from tests.e2e.checker import check
from tests.e2e.faulty_worker import CLOCK, NOT_STARTED, RULE
from tests.e2e.load import Load
from tests.e2e.mix import Mix
from tests.e2e.site import Site
from tests.e2e.workers import Fleet
from tests.soak.disturber import Disturber
from tests.soak.flatness import Judgement, judge, not_flat
from tests.soak.rig import SoakRig
from tests.soak.sampler import Sampler
from tests.soak.schedule import Schedule
from tests.waiting import until

FENCED: Final = 6
FORGIVEN: Final = frozenset({NOT_STARTED, FENCED})
"""Exit codes after which whoever runs a worker starts it again: a server was away when it started."""

CRASHED: Final = ("Traceback", '"event": "crashed"')
"""What a worker writes that came upon something it does not know."""

WRONG_CLOCK: Final = "420/1.5"
"""Seven minutes ahead at the start, and another minute every two minutes."""

TASKS: Final = 10**9
BUSY: Final = Mix(lived=0.25)
END_SECONDS: Final = 180
SPARED: Final = 0
"""The slot whose worker is put to no test but those of its servers; the one with the wrong clock."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is asked of a soak."""

    seed: int
    seconds: float
    workers: int = 3
    per_second: float = 60.0
    rule: str = ""
    """A rule that the workers break (see faulty_worker)."""


@dataclass(slots=True)
class Outcome:
    """What came of it."""

    findings: list[str] = field(default_factory=list)
    counts: dict[str, Any] = field(default_factory=dict)
    judged: Mapping[str, Judgement] = field(default_factory=dict)


def soak(rig: SoakRig, wanted: Wanted, say: Callable[[str], None]) -> Outcome:
    """Run one soak; whatever goes wrong in it is a finding."""
    site = rig.site
    with Fleet(site, FORGIVEN) as fleet, Load(site, wanted.seed, TASKS, BUSY) as load:
        _staff(fleet, wanted)
        load.per_second = wanted.per_second
        sampler = Sampler(fleet)
        disturber = Disturber(rig, fleet, load, Schedule.of(wanted.seed, wanted.seconds), SPARED, say)
        outcome = Outcome()
        with contextlib.closing(disturber):
            try:
                _run(load, fleet, sampler, disturber, wanted.seconds)
                say(f"{disturber.elapsed_seconds:6.1f} s  all sent is answered: checking")
                outcome.findings += _settled(rig, fleet, load, outcome)
            except (AssertionError, TimeoutError) as failure:
                outcome.findings += [str(failure), *_found_so_far(site, load)]
        outcome.findings += _crashes(rig)
        outcome.counts |= _counted(load, fleet, disturber)
    outcome.judged = judge(sampler.curves)
    outcome.findings += not_flat(outcome.judged)
    return outcome


def _staff(fleet: Fleet, wanted: Wanted) -> None:
    if wanted.rule:
        fleet.faulty.update({key: {RULE: wanted.rule} for key in range(wanted.workers)})
    fleet.faulty[SPARED] = {**fleet.faulty.get(SPARED, {}), CLOCK: WRONG_CLOCK}
    for _ in range(wanted.workers):
        fleet.start()


def _run(load: Load, fleet: Fleet, sampler: Sampler, disturber: Disturber, seconds: float) -> None:
    def meanwhile() -> None:
        fleet.tend()
        sampler.look()
        disturber.go_on()

    load.run(meanwhile, lambda: disturber.elapsed_seconds > seconds and disturber.idle)
    load.finish()
    load.run(meanwhile)


def _settled(rig: SoakRig, fleet: Fleet, load: Load, outcome: Outcome) -> list[str]:
    """Stop the workers once nothing is left to do; return what is wrong."""
    site = rig.site
    until(lambda: site.open_tasks() == 0, lambda: f"{site.open_tasks()} tasks stay open")
    wait_until_drained(site)
    codes = fleet.stop()
    report = check(load.sent, read_all(site, site.responses), changelog_of(site))
    outcome.counts["answers"] = dict(report.counts)
    buried = read_all(site, site.dead_letters)
    return [
        *report.findings,
        *changelog_findings(site),
        *(f"a worker ended with {code}" for code in codes if code),
        *(f"dead letter at {each.partition}@{each.offset}: {each.headers}" for each in buried),
    ]


def _found_so_far(site: Site, load: Load) -> list[str]:
    """Return what is wrong with what can be read, where not everything was answered."""
    try:
        return check(load.sent, read_all(site, site.responses)).findings
    except TimeoutError as stuck:
        return [str(stuck)]


def _crashes(rig: SoakRig) -> list[str]:
    logs = sorted(rig.site.folder.glob("*-worker-*.log"))
    return [
        f"{log.name} tells of a crash" for log in logs if any(word in log.read_text() for word in CRASHED)
    ]


def _counted(load: Load, fleet: Fleet, disturber: Disturber) -> dict[str, Any]:
    return {
        "tasks": load.begun,
        "messages sent": len(load.sent),
        "answers seen": load.answered,
        "disturbances": {kind.value: count for kind, count in disturber.counts.items()},
        "workers started": fleet.started,
        "ended by themselves": dict(Counter(fleet.ended)),
    }
