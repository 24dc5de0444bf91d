"""How a history ends in which Redis lost something: every task has ended, and all agree."""

from collections.abc import Sequence

from tests.e2e.answers import read_all, wait_until_drained
from tests.e2e.changelog_check import changelog_findings, changelog_of
from tests.e2e.checker import check
from tests.e2e.load import Load
from tests.e2e.site import Site
from tests.e2e.workers import Fleet


def end_and_check(site: Site, fleet: Fleet, load: Load, urls: Sequence[str] = ()) -> None:
    """Let every task end and the workers stop: nothing is lost, doubled, or other than in the changelog.

    ``urls``: the masters of Redis, where they are others than the site's one.
    """
    load.enough()
    load.run(fleet.tend)
    wait_until_drained(site)
    assert set(fleet.stop()) == {0}
    report = check(load.sent, read_all(site, site.responses), changelog_of(site))
    print(f"{load.answered} answers; {dict(report.counts)}")
    assert not report.findings, report.say()
    assert changelog_findings(site, urls) == []
