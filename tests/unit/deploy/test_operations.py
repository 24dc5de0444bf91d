"""docs/operations.md: its tables are those of the code, and its numbers those of the configuration."""

from __future__ import annotations

import re

import pytest

from runner.config import Config
from runner.kafka.topics import EVERY_SECONDS
from runner.metrics import Metrics
from runner.worker.components import LoopLimits
from runner.worker.health import LIVE_WITHIN_SECONDS
from runner.worker.watchdog import STUCK_SECONDS
from tests.unit.deploy.log_calls import events
from tests.unit.deploy.manifests import ROOT, pod, resource
from tests.unit.docs.pages import rows, text_of

PAGE = ROOT / "docs" / "operations.md"


def metrics() -> set[str]:
    """Every metric under the name that a query uses."""
    return {
        f"{metric.name}{'_total' if metric.type == 'counter' else ''}"
        for metric in Metrics().registry.collect()
    }


def test_every_metric_is_explained_and_no_other() -> None:
    table = [cells[0] for cells in rows(PAGE, r"`(?:runner|process)_[a-z_]+`(?:, `[a-z_]+`)*")]
    assert {name for cell in table for name in re.findall(r"`(\w+)`", cell)} == metrics()


def test_every_metric_in_a_query_exists() -> None:
    histograms = {m.name for m in Metrics().registry.collect() if m.type == "histogram"}
    known = metrics() | {name + suffix for name in histograms for suffix in ("_bucket", "_sum", "_count")}
    named = set(re.findall(r"\brunner_[a-z_]+\b", text_of(PAGE)))
    assert len(named) > 10
    assert named <= known


def test_every_log_event_is_explained_with_its_levels_and_no_other() -> None:
    table = {
        cells[0].strip("`"): frozenset(cells[1].split(", "))
        for cells in rows(PAGE, r"`[a-z_]+`")
        if set(cells[1].split(", ")) <= {"debug", "info", "warning", "error"}
    }
    assert table == events()


def test_events_are_single_words_that_can_be_searched_for() -> None:
    assert "batch_abandoned" in events()
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in events())


@pytest.mark.parametrize(
    ("said", "number"),
    [
        (r"worker that hangs ends by itself after (\d+) s", STUCK_SECONDS),
        (r"503 once the loop has been silent for (\d+) s", LIVE_WITHIN_SECONDS),
        (r"`terminationGracePeriodSeconds: (\d+)`", pod()["terminationGracePeriodSeconds"]),
        (r"`minReplicaCount: (\d+)`", resource("ScaledObject")["spec"]["minReplicaCount"]),
        (r"`maxReplicaCount: (\d+)`", resource("ScaledObject")["spec"]["maxReplicaCount"]),
    ],
)
def test_a_number_that_is_told_is_that_of_the_code(said: str, number: float) -> None:
    found = re.findall(said, text_of(PAGE))
    assert [float(text) for text in found] == [number]


def test_the_words_for_times_are_those_of_the_code() -> None:
    assert Config().task.retention_seconds == 7 * 24 * 3600
    assert Config().worker.shutdown_seconds + 10 == pod()["terminationGracePeriodSeconds"]
    assert EVERY_SECONDS == 30
    assert LoopLimits().paused_seconds == 5
    assert LoopLimits().retry_seconds == 1 / 4


def test_every_file_that_is_linked_exists() -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", text_of(PAGE)):
        assert (PAGE.parent / target).exists(), target


def test_every_heading_that_is_linked_exists() -> None:
    for target, anchor in re.findall(r"\]\(([^)#]*)#([^)]+)\)", text_of(PAGE)):
        page = PAGE.parent / (target or PAGE.name)
        headings = re.findall(r"^#+ (.+)$", page.read_text("utf-8"), re.MULTILINE)
        assert anchor in {heading.lower().replace(" ", "-") for heading in headings}, (target, anchor)
