"""docs/api.md has what the code has: statuses of codes, fields, verbs, parameters, metrics."""

import json
import re
from typing import Any

from runner.metrics import WebMetrics
from runner.web.bodies import Bulk, StartedTask
from runner.web.openapi import printed
from runner.web.problems import statuses_of_codes
from runner.web.ways import WAYS
from tests.unit.docs.pages import ROOT, rows, text_of

PAGE = ROOT / "docs" / "api.md"


def test_the_statuses_of_codes_are_those_of_the_code() -> None:
    table = [(int(cells[0]), cells[1]) for cells in rows(PAGE, r"\d{2}|\d{5}")]
    assert table == [*statuses_of_codes()]


def test_the_fields_of_a_new_task_are_those_of_the_code() -> None:
    fields = {field.alias or name for name, field in StartedTask.model_fields.items()}
    section = text_of(PAGE).partition("### Starting one")[2].partition("### One task")[0]
    named = {name for cell in re.findall(r"^\| (`[^|]+) \|", section, re.MULTILINE) for name in _code(cell)}
    assert named == fields


def test_the_verbs_of_a_bulk_request_are_all_there_are() -> None:
    literal = Bulk.model_json_schema()["properties"]["verb"]["enum"]
    assert literal == list(WAYS)
    sentence = text_of(PAGE).partition("`verb` is ")[2].partition(";")[0]
    assert re.findall(r"`(\w+)`", sentence) == list(WAYS)


def test_the_parameters_of_lists_are_those_of_the_document() -> None:

    document: dict[str, Any] = json.loads(printed())
    parameters = {each["name"] for each in document["paths"]["/api/v1/tasks"]["get"]["parameters"]}
    section = text_of(PAGE).partition("| parameter | what |")[2].partition("\n\n")[0]
    named = set(re.findall(r"`([A-Za-z]+)`", section))
    bounds = {
        f"{name}{end}"
        for name in ("priority", "created", "due", "deadline", "finished")
        for end in ("From", "To")
    }
    assert parameters <= named | bounds
    assert named & bounds <= parameters


def test_every_metric_is_described_and_no_other() -> None:
    kept = ("process_", "python_")
    known = {
        metric.name + ("_total" if metric.type == "counter" else "")
        for metric in WebMetrics().registry.collect()
        if not metric.name.startswith(kept)
    }
    assert {name for cell, _ in rows(PAGE, r"`runner_web_\w+`") for name in _code(cell)} == known


def _code(cell: str) -> list[str]:
    return re.findall(r"`([\w.]+)`", cell)
