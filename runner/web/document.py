"""The OpenAPI document of the API, from its routes and models."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from runner.web.problems import Problem, Violation

VERSION: Final = "1"
_ABOUT: Final = (
    "Tasks of people in sagas: lists, single tasks, and what people do to them. docs/api.md shows every "
    "request. Errors are problems (RFC 9457); `code` is the runner's own number."
)
_OPEN: Final = ("/health/", "/metrics")
"""Paths for which nobody has to say who they are."""
_OF_FASTAPI: Final = ("HTTPValidationError", "ValidationError")
_BEARER: Final = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "A token of one of web.issuers; with `web.auth: none` the name of one of web.users.",
    }
}


def document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an app; made once."""
    if app.openapi_schema is None:
        made = get_openapi(
            title="Tasks", version=VERSION, description=_ABOUT, routes=app.routes, openapi_version="3.1.0"
        )
        components = made.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        components["securitySchemes"] = _BEARER
        for name in _OF_FASTAPI:
            schemas.pop(name, None)
        template = "#/components/schemas/{model}"
        problem = Problem.model_json_schema(ref_template=template)
        problem.pop("$defs", None)
        schemas |= {"Problem": problem, "Violation": Violation.model_json_schema(ref_template=template)}
        components["schemas"] = dict(sorted(schemas.items()))
        for path, operations in made["paths"].items():
            for operation in operations.values():
                _finish(path, operation)
        app.openapi_schema = made
    return app.openapi_schema


def _finish(path: str, operation: dict[str, Any]) -> None:
    if not path.startswith(_OPEN):
        operation["security"] = [{"bearer": []}]
    unused = operation["responses"].get("422", {}).get("content", {}).get("application/json", {})
    if "HTTPValidationError" in str(unused):
        del operation["responses"]["422"]
