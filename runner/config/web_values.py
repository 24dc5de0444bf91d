"""Types of settings of the sections about people: databases, issuers of tokens, algorithms."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, Strict, WithJsonSchema

from runner.config.values import KeyPart, invalid, not_empty, split_url

_SQLITE: Final = re.compile(r"sqlite:///[^\x00-\x1f\x7f?#]+")
_ATTRIBUTE: Final = r"^[A-Za-z0-9_.-]{1,50}$"

_OPENID: Final = "openid"
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
"""RFC 6749, 3.3."""


def is_loopback(host: str) -> bool:
    """Whether only programs of the same machine reach a host."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _database_url(url: SecretStr) -> SecretStr:
    """Return a URL of a file or of a server; an error never holds its text, which may have a password."""
    text = url.get_secret_value()
    if _SQLITE.fullmatch(text) is not None and not text.endswith((":memory:", "/")):
        return url
    parts = split_url(text, ("postgresql",))
    if parts is None or not parts.hostname or re.fullmatch("/[^/]+", parts.path) is None:
        raise invalid(
            "is no address of a database",
            "write it like sqlite:///lists.db or postgresql://user:password@host/database, special signs in "
            "a password percent-encoded",
        )
    return url


def is_web_address(url: str) -> bool:
    """Whether a URL is safe to ask for keys: over TLS, or never leaving the machine."""
    parts = split_url(url, ("https", "http"))
    if parts is None or not parts.hostname or "@" in parts.netloc:
        return False
    return parts.scheme == "https" or is_loopback(parts.hostname)


def _issuer_url(url: str) -> str:
    if not is_web_address(url) or "?" in url:
        raise invalid(
            "is no address of an issuer",
            "write it as it stands in iss, like https://login.example.com/realms/acme; http only on loopback",
        )
    return url


def _keys_url(url: str) -> str:
    if not is_web_address(url):
        raise invalid(
            "is no address of keys", "write it like https://login.example.com/keys (http only on loopback)"
        )
    return url


def _public_url(url: str) -> str:
    """Return scheme, host and port alone: a cookie is for all of them, and links begin at their root."""
    parts = split_url(url, ("https", "http"))
    is_origin = parts is not None and parts.path in {"", "/"} and not parts.query and not url.endswith("?")
    if parts is None or not is_web_address(url) or not is_origin:
        raise invalid(
            "is no address that browsers can be sent to",
            "write it like https://tasks.example.com, without a path (http only on loopback)",
        )
    return f"{parts.scheme}://{parts.netloc.lower()}"


def _scopes(scopes: tuple[str, ...]) -> tuple[str, ...]:
    if _OPENID not in scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise invalid("must be names of scopes with openid among them", "write it like [openid, profile]")
    return scopes


def _attribute(name: str) -> str:
    if re.fullmatch(_ATTRIBUTE, name) is None:
        raise invalid(f"is no name of an attribute: {name!r}", "use 1 to 50 letters, digits, dot, _ and -")
    return name


DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url), WithJsonSchema({"type": "string"})]
IssuerUrl = Annotated[str, AfterValidator(_issuer_url)]
KeysUrl = Annotated[str, AfterValidator(_keys_url)]
PublicUrl = Annotated[str, AfterValidator(_public_url)]
Scopes = Annotated[
    tuple[str, ...],
    Strict(strict=False),
    AfterValidator(_scopes),
    Field(json_schema_extra={"contains": {"const": _OPENID}}),
]
AttributeName = Annotated[str, AfterValidator(_attribute), Field(json_schema_extra={"pattern": _ATTRIBUTE})]
Algorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"
]
"""Signatures that only the holder of a private key can make."""
Algorithms = Annotated[
    tuple[Algorithm, ...],
    Strict(strict=False),
    AfterValidator(not_empty),
    Field(json_schema_extra={"minItems": 1}),
]
Domains = Annotated[
    tuple[KeyPart, ...],
    Strict(strict=False),
    AfterValidator(not_empty),
    Field(json_schema_extra={"minItems": 1}),
]
