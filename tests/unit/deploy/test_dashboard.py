"""deploy/grafana.json: shows every metric there is, and nothing that is not there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any, Final

import pytest

from tests.unit.deploy.manifests import ROOT
from tests.unit.deploy.queries import OF_EXPORTERS, Query, check, ours, read

LEFT_OUT: Final = {"process_virtual_memory_bytes"}
"""Says nothing that the resident memory does not say better."""

SUFFIX: Final = re.compile(r"_(bucket|sum|count)$")
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}


def dashboard() -> dict[str, Any]:
    found = json.loads((ROOT / "deploy" / "grafana.json").read_text("utf-8"))
    assert isinstance(found, dict)
    return found


def panels() -> list[dict[str, Any]]:
    """All but the titles of rows."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[dict[str, Any], Query]]:
    for panel in panels():
        yield from ((target, read(target["expr"])) for target in panel["targets"])


def family(name: str) -> str:
    """The histogram of a sample, or the sample itself."""
    return SUFFIX.sub("", name) if f"{SUFFIX.sub('', name)}_bucket" in ours() else name


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_asks_for_metrics_that_are_there_and_says_what_to_look_for(panel: dict[str, Any]) -> None:
    assert panel["datasource"] == DATASOURCE
    assert len(panel["description"].split()) > 2
    for target in panel["targets"]:
        query = read(target["expr"])
        check(query)
        assert target["datasource"] == DATASOURCE
        assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= query.labels


def test_every_metric_is_shown_or_left_out_on_purpose() -> None:
    shown = {family(name) for _, query in queries() for name in query.metrics}
    assert shown | LEFT_OUT == {family(name) for name in ours()} | set(OF_EXPORTERS)
    assert not shown & LEFT_OUT


def test_job_and_instance_that_are_chosen_hold_for_every_panel_of_ours() -> None:
    for target, query in queries():
        if query.metrics <= set(OF_EXPORTERS):
            continue
        chosen = [
            labels
            for name, labels in query.selectors
            if name != "runner_store_up" or len(query.selectors) == 1
        ]
        assert all({"job", "instance"} <= labels for labels in chosen), target["expr"]
        assert 'job=~"$job",instance=~"$instance"' in target["expr"]


def test_every_variable_that_is_used_is_there() -> None:
    text = json.dumps(dashboard())
    used = set(re.findall(r"\$(?:{(\w+)}|(\w+))", text))
    names = {plain or braced for braced, plain in used} - {"__rate_interval", "__all"}
    assert names == {variable["name"] for variable in dashboard()["templating"]["list"]}
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            (selector,) = re.findall(r"label_values\((.+), \w+\)", variable["definition"])
            check(read(selector))


def test_panels_have_ids_of_their_own_and_lie_beside_each_other() -> None:
    everything = dashboard()["panels"]
    assert len({panel["id"] for panel in everything}) == len(everything)
    for one, other in combinations([panel["gridPos"] for panel in everything], 2):
        overlap = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert overlap or above, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in everything)


def test_it_can_be_imported_anywhere() -> None:
    found = dashboard()
    assert found.get("id") is None
    assert found["uid"]
    assert found["schemaVersion"] >= 36
    assert found["templating"]["list"][0]["name"] == "datasource"
