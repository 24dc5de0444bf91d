"""``schemas/asyncapi.yaml`` as its readers use it: which message of a channel a message of Kafka is."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import yaml
from jsonschema import Draft7Validator, Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from tests.unit.actions.schemas import FOLDER

FILE: Final = FOLDER / "asyncapi.yaml"
FREE: Final = frozenset({"requests", "deadLetters", "inputs", "commands"})
"""Channels whose messages may have headers of others."""

Headers = Sequence[tuple[str, bytes]]


@cache
def document() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return loaded


def _retrieve(uri: str) -> Resource[Any]:
    path = unquote(urlsplit(uri).path)
    contents = document() if path == str(FILE) else json.loads(FOLDER.joinpath(path).read_text("utf-8"))
    return DRAFT202012.create_resource(contents)


REGISTRY: Final[Registry[Any]] = Registry(retrieve=_retrieve)  # type: ignore[call-arg]


def resolved(reference: str) -> Any:
    """Return what a reference of the document leads to; an error where that is nothing."""
    return REGISTRY.resolver(FILE.as_uri()).lookup(reference).contents


def properties_of(schema: dict[str, Any]) -> set[str]:
    """Return the names of the properties of a schema, with those that it shares with others."""
    shared = [resolved(part["$ref"]) for part in (schema, *schema.get("allOf", ())) if "$ref" in part]
    return set(schema.get("properties", ())).union(*map(properties_of, shared))


def channel_of(topic: str) -> str:
    """Return the channel with an address."""
    (name,) = [name for name, channel in document()["channels"].items() if channel["address"] == topic]
    return str(name)


def fitting(channel: str, key: bytes | None, value: bytes | None, headers: Headers) -> list[str]:
    """Return the messages of a channel that a message of Kafka is, by its headers, key and value."""
    return [
        name
        for name in document()["channels"][channel]["messages"]
        if not list(complaints(name, key, value, headers, is_free=channel in FREE))
    ]


def complaints(
    name: str, key: bytes | None, value: bytes | None, headers: Headers, *, is_free: bool
) -> Iterator[str]:
    """Yield what a message of the document has against a message of Kafka."""
    at = f"{FILE.as_uri()}#/components/messages/{name}"
    message = document()["components"]["messages"][name]
    binding = message["bindings"].get("$ref", f"#/components/messages/{name}/bindings")
    texts = {header: text.decode() for header, text in headers}
    yield from _against(f"{at}/headers", texts, Draft7Validator)
    if not is_free:
        yield from (f"header {each}" for each in texts.keys() - properties_of(message["headers"]))
    text = None if key is None else key.decode()
    yield from _against(f"{FILE.as_uri()}{binding}/kafka/key", text, Draft7Validator)
    try:
        read = (
            None
            if value is None
            else _read(value, message.get("contentType", document()["defaultContentType"]))
        )
    except ValueError as error:
        yield str(error)
        return
    yield from _against(f"{at}/payload/schema", read, Draft202012Validator)


def _read(value: bytes, content_type: str) -> Any:
    return json.loads(value) if content_type.endswith("json") else value.decode("latin-1")


def _against(reference: str, value: Any, dialect: Any) -> Iterator[str]:
    for error in _validator(reference, dialect).iter_errors(value):
        yield f"{reference.partition('#')[2]}: {error.message}"


@cache
def _validator(reference: str, dialect: Any) -> Any:
    return dialect({"$ref": reference}, registry=REGISTRY)
