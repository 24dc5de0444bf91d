"""The AsyncAPI document is one by the official schema of its version."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Final

import pytest
from jsonschema import Draft7Validator

from tests.unit.asyncapi import official_schema
from tests.unit.asyncapi.reading import document

VERSION: Final = "3.0.0"


@pytest.mark.thorough("it fetches the schema; that the document is sound has tests of its own")
def test_the_document_is_valid_by_the_official_schema(tmp_path: Path) -> None:
    validator = Draft7Validator(official_schema.fetch(tmp_path, VERSION))
    assert document()["asyncapi"] == VERSION
    assert not [f"{error.json_path}: {error.message}" for error in validator.iter_errors(document())]
    wrong = copy.deepcopy(document())
    wrong["operations"]["resumeSaga"]["action"] = "publish"
    assert not validator.is_valid(wrong)
    wrong = copy.deepcopy(document())
    wrong["channels"]["tasks"]["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"] = "compact"
    assert not validator.is_valid(wrong)
