"""The OpenAPI document: it is valid, its file is equal to it, and every route says what it needs."""

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from runner.web.openapi import printed

FILE = Path(__file__).parents[3] / "schemas" / "openapi.json"
DOCUMENT: dict[str, Any] = json.loads(printed())
OPERATIONS: list[tuple[str, str, dict[str, Any]]] = [
    (path, method, operation)
    for path, operations in DOCUMENT["paths"].items()
    for method, operation in operations.items()
]


def test_its_file_is_equal_to_it() -> None:
    assert FILE.read_text() == printed(), "python -m runner.web.openapi > schemas/openapi.json"


def test_it_is_valid() -> None:
    validate(DOCUMENT)


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=[f"{method} {path}" for path, method, _ in OPERATIONS]
)
def test_every_operation_is_described(path: str, method: str, operation: dict[str, Any]) -> None:
    assert operation["description"]
    assert ("security" in operation) is path.startswith("/api/v1")
    if path.startswith("/api/v1"):
        assert {"401", "429", "503"} <= operation["responses"].keys()
    for status, response in operation["responses"].items():
        if int(status) >= 400 and not path.startswith("/health"):
            assert list(response["content"]) == ["application/problem+json"]
    if method != "get":
        assert "idempotency-key" in {each["name"].lower() for each in operation["parameters"]}


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(names) == len(set(names))
