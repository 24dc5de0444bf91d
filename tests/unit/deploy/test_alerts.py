"""deploy/alerts.yaml: every alert can fire, and says what to do, here and in docs/operations.md."""

from __future__ import annotations

import re
from typing import Any, Final

import promql_parser
import pytest
import yaml

from runner import config
from tests.unit.deploy.manifests import ROOT, resource
from tests.unit.deploy.queries import check, read

FILE: Final = ROOT / "deploy" / "alerts.yaml"
PAGE: Final = "docs/operations.md"
SEVERITIES: Final = {"critical", "warning", "info"}


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load(FILE.read_text("utf-8"))["groups"]
    found = group["rules"]
    assert isinstance(found, list)
    return found


def sections() -> dict[str, str]:
    """The sections of the page that are named for an alert."""
    page = (ROOT / PAGE).read_text("utf-8")
    parts = re.split(r"^#{2,3} (.+)$", page, flags=re.MULTILINE)
    return {
        title: text
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
        if title.startswith("Runner")
    }


EACH: Final = pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])


@EACH
def test_an_alert_asks_for_metrics_that_are_there(rule: dict[str, Any]) -> None:
    check(read(rule["expr"]))


@EACH
def test_an_alert_has_all_that_a_rule_needs_and_nothing_that_prometheus_refuses(rule: dict[str, Any]) -> None:
    assert set(rule) - {"for"} == {"alert", "expr", "labels", "annotations"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook"}
    assert set(rule["labels"]) == {"severity"}
    assert rule["labels"]["severity"] in SEVERITIES
    if "for" in rule:
        assert promql_parser.parse_duration(rule["for"]).total_seconds() >= 60


@EACH
def test_an_alert_names_only_labels_that_its_query_leaves(rule: dict[str, Any]) -> None:
    said = " ".join(rule["annotations"].values())
    named = set(re.findall(r"\$labels\.(\w+)", said))
    assert named <= read(rule["expr"]).labels
    assert set(re.findall(r"{{(.*?)}}", said)) <= {
        *(f" $labels.{name} " for name in named),
        " $value ",
        *(
            f" $value | {how} "
            for how in ("humanize", "humanize1024", "humanizeDuration", "humanizePercentage")
        ),
    }


@EACH
def test_an_alert_leads_to_a_section_that_says_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["annotations"]["runbook"] == f"{PAGE}#{rule['alert'].lower()}"
    assert len(sections()[rule["alert"]].split()) > 15
    assert len(rule["annotations"]["description"].split()) > 8


def test_alerts_are_told_apart_and_every_section_belongs_to_one() -> None:
    names = [rule["alert"] for rule in rules()]
    assert len(set(names)) == len(names)
    assert list(sections()) == [*names]


def test_the_numbers_in_it_are_those_of_the_other_files() -> None:
    (unowned,) = [rule for rule in rules() if rule["alert"] == "RunnerPartitionsUnowned"]
    partitions = resource("ScaledObject")["spec"]["maxReplicaCount"]
    assert unowned["expr"].endswith(f"< {partitions}")
    (lags,) = [rule for rule in rules() if rule["alert"] == "RunnerLags"]
    assert f'"{config.Config().kafka.group}.*"' in lags["expr"]
