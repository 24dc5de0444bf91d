"""How a run of the tests is parted, ordered and reported; loaded as a plugin by tests/conftest.py.

``make test`` leaves out what is marked ``thorough``, and the marker says why; ``make test-all`` runs all.
"""

import shlex
from collections.abc import Generator
from pathlib import Path
from typing import Final

import pytest

THOROUGH: Final = "thorough"
ROOT: Final = Path(__file__).parents[1]
# Several processes share the tests: what takes long is handed out first, what takes no time fills the gaps.
ORDER: Final = ("e2e", "simulation", "integration", "contract")


def pytest_sessionstart(session: pytest.Session) -> None:
    """Show the progress of several processes as dots: their files take turns all the time."""
    if session.config.getoption("numprocesses", None):
        session.config.pluginmanager.getplugin("terminalreporter").showfspath = False


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a marker that does not say why its test is left to ``make test-all``."""
    for marker in item.iter_markers(THOROUGH):
        if len(marker.args) != 1 or not str(marker.args[0]).strip():
            raise pytest.UsageError(f"{item.nodeid}: @pytest.mark.{THOROUGH} takes the reason, one text")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Hand out the longest kinds first; within a kind the order stays random."""
    items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    kind = item.path.relative_to(ROOT / "tests").parts[0]
    return ORDER.index(kind) if kind in ORDER else len(ORDER)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Give a failure the command that repeats its test alone, with the same random numbers."""
    report = yield
    if report.failed:
        seed = item.config.getoption("randomly_seed", None)
        seeded = () if seed is None else (f"--randomly-seed={seed}",)
        # What stands behind an @ is the group of tests that one process runs.
        command = (".venv/bin/python", "-m", "pytest", *seeded, item.nodeid.partition("@")[0])
        report.sections.append(("again, alone", shlex.join(command)))
    return report
