"""Types of settings: the values each accepts, and the message when it refuses one.

Every kind brings its own JSON Schema, so that editors refuse what the runner would refuse. Addresses are read
as strictly as by the strictest of those who will read them: the clients of Kafka, Redis, the registry and the
collector each have a parser of their own.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit
from zoneinfo import ZoneInfo

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, Field, PlainValidator, SecretStr, Strict, WithJsonSchema
from pydantic_core import PydanticCustomError

from runner.config.fixed import REFUSED, REFUSED_PREFIX, REGISTRY_REFUSED, Refusal, refusal
from runner.config.secrets import SecretAddress, is_secret, mask_url

_LABEL: Final = re.compile(r"[A-Za-z0-9_-]{1,63}")
_LONGEST_HOST: Final = 253
_PORT: Final = re.compile(r"[0-9]{1,5}")
_LARGEST_PORT: Final = 65_535
# One of librdkafka's own; it leaves an address out whose protocol is not the one that is set.
_PROTOCOL: Final = re.compile(r"(plaintext|ssl|sasl_plaintext|sasl_ssl)://", re.IGNORECASE)


def is_host(text: str) -> bool:
    """Whether a text can be looked up: a name, an IPv4 address, or an IPv6 address without its brackets."""
    try:
        # Of IPv6, what follows % names the network card.
        return bool(ip_address(text.partition("%")[0] if ":" in text else text))
    except ValueError:
        pass
    try:
        name = text.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    labels = name.removesuffix(".").split(".")
    return len(name) <= _LONGEST_HOST and all(_LABEL.fullmatch(label) for label in labels)


def is_place(text: str, *, needs_port: bool = True) -> bool:
    """Whether a text is ``host:port``, an IPv6 host with or without brackets."""
    host, colon, port = text.rpartition(":")
    if not needs_port and (not colon or text.endswith("]")):
        return is_host(_bare(text))
    return _PORT.fullmatch(port) is not None and 0 < int(port) <= _LARGEST_PORT and is_host(_bare(host))


def is_broker(text: str) -> bool:
    """Whether a text is an address of a broker to librdkafka; the port may be left out."""
    return is_place(_PROTOCOL.sub("", text, count=1), needs_port=False)


def split_url(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """Return the parts of a URL; None where a client would read another URL, or none.

    urlsplit drops blanks and line ends, and takes any case: a client may not.
    """
    if any(sign.isspace() or not sign.isprintable() for sign in url):
        return None
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)):
        return None
    try:
        parts = urlsplit(url)
        unquote_to_bytes(parts.netloc).decode()
        if (
            parts.fragment
            or url.endswith("#")
            or parts.port == 0
            or (parts.hostname is not None and not is_host(parts.hostname))
        ):
            return None
    except ValueError:  # a port that is none, brackets that do not close, escapes that are no text
        return None
    return parts


def _bare(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


K = TypeVar("K")
V = TypeVar("V")

_TOPIC: Final = r"^(?!\.{1,2}$)[a-zA-Z0-9._-]{1,249}$"
_DATABASE: Final = r"/?|/[0-9]+"
_DATABASE_OPTION: Final = r"db=[0-9]+"
_DOTTED: Final = r"^[\w-]{1,100}(\.[\w-]{1,100}){0,9}$"
# Braces would end up inside the {shard} tag of a Redis key and tear its keys apart in a Cluster.
_KEY_PART: Final = r"^[^{}\s\x00-\x1f\x7f]+$"
_NOT_BLANK: Final = r"\S"
_NODE: Final = r"^.+:[0-9]{1,5}$"
_CHANNEL_NAME: Final = r"[A-Za-z0-9._-]{1,50}"
_CHANNEL_URL: Final = r"[A-Za-z][A-Za-z0-9+.-]*://[^\x00-\x20\x7f]+"
_TEMPLATE_NAME: Final = r"[A-Za-z0-9_-]{1,50}"
_REDIS_SCHEMES: Final = ("redis", "rediss", "unix")
_RESERVED_STATUSES: Final = ("ACK", "TIMEOUT", "FAIL")
_RESERVED: Final[dict[str, Any]] = {"enum": [*_RESERVED_STATUSES]}


def invalid(what: str, remedy: str) -> PydanticCustomError:
    """Return an error with our own message, which ``explanation`` shows unchanged."""
    return PydanticCustomError("invalid", "{what}; {remedy}", {"what": what, "remedy": remedy})


def _not_blank(text: str) -> str:
    if not text.strip():
        raise invalid("is blank", "write something, or remove it")
    return text


def _topic(name: str) -> str:
    if re.fullmatch(_TOPIC, name) is None:
        raise invalid(
            f"is no legal topic name: {name!r}", "use 1 to 249 of the letters a-z, A-Z, digits, dot, _ and -"
        )
    return name


def _key_part(name: str) -> str:
    if re.fullmatch(_KEY_PART, name) is None:
        raise invalid(
            f"cannot be part of a Redis key: {name!r}", "use a name without spaces, braces or control signs"
        )
    return name


def _expression(text: str) -> str:
    try:
        with warnings.catch_warnings():
            # Old spellings of literals work here as they do in events.
            warnings.simplefilter("ignore", PendingDeprecationWarning)
            jmespath.compile(text)
    except (JMESPathError, RecursionError) as error:
        where = getattr(error, "lex_position", None)
        at = "" if where is None else f" at position {where}"
        raise invalid(f"is no JMESPath expression{at}: {text!r}", "correct the expression") from error
    return text


def _dotted_name(text: str) -> str:
    if re.fullmatch(_DOTTED, text) is None:
        raise invalid(f"is no dotted name: {text!r}", "write names with dots between them, like request.id")
    return text


def _not_empty(expressions: tuple[str, ...]) -> tuple[str, ...]:
    if not expressions:
        raise invalid("must not be empty", "list at least one expression")
    return expressions


def _redis_url(url: SecretStr) -> SecretStr:
    """Return a URL that redis-py reads; an error never holds its text, which may have a password."""
    parts = split_url(url.get_secret_value(), _REDIS_SCHEMES)
    is_socket = parts is not None and parts.scheme == "unix"
    if parts is None or bool(parts.hostname) is is_socket or (is_socket and not parts.path):
        raise invalid(
            "is no Redis URL",
            "write it like redis://127.0.0.1:6379/0 (or rediss://, unix://), special signs in a "
            "password percent-encoded",
        )
    # The client would take any other path for database 0, and fail at an option that it does not know.
    if parts.scheme != "unix" and re.fullmatch(_DATABASE, parts.path) is None:
        raise invalid(
            "names no database after the port", "write its number there, like redis://127.0.0.1:6379/0"
        )
    if parts.query and re.fullmatch(_DATABASE_OPTION, parts.query) is None:
        raise invalid(
            "has options that are not read from there",
            "use the settings beside it; only db=0, the number of the database, may follow a question mark",
        )
    return url


def _node(text: str) -> str:
    if not is_place(text):
        raise invalid(f"is no address: {mask_url(text)!r}", "write it like 10.0.0.1:6379")
    return text


def _brokers(text: str) -> str:
    named = [each.strip() for each in text.split(",")]
    for each in filter(None, named):
        if not is_broker(each):
            raise invalid(f"names no broker: {mask_url(each)!r}", "write it like kafka-1:9092,kafka-2:9092")
    if text.strip() and not any(named):
        raise invalid("names no broker", "write it like kafka-1:9092,kafka-2:9092")
    return text


def _host(text: str) -> str:
    if not is_host(text):
        raise invalid(
            f"is no address to listen on: {text!r}", "write 127.0.0.1, 0.0.0.0, or a name of this host"
        )
    return text


def _registry_url(url: SecretStr) -> SecretStr:
    if not all(_is_http(each.strip()) for each in url.get_secret_value().split(",")):
        raise invalid("is no address of a schema registry", "write it like http://registry:8081")
    return url


def _collector_url(url: str) -> str:
    if not _is_http(url):
        raise invalid("is no address of a collector", "write it like http://collector:4318")
    return url


def _is_http(url: str) -> bool:
    parts = split_url(url, ("http", "https"))
    return parts is not None and bool(parts.hostname)


def not_empty(listed: tuple[V, ...]) -> tuple[V, ...]:
    """Return a list that has at least one item."""
    if not listed:
        raise invalid("must not be empty", "list at least one")
    return listed


def _channel_name(name: str) -> str:
    if re.fullmatch(_CHANNEL_NAME, name) is None:
        raise invalid("is no name of a channel", "use letters, digits, dot, _ and -, 50 at most")
    return name


def _channel_url(url: str | SecretStr) -> SecretAddress:
    """Return an address for Apprise, which says later whether it understands it; no error holds its text."""
    text = url.get_secret_value() if isinstance(url, SecretStr) else url
    if not isinstance(text, str):
        raise invalid("must be text", "write the address of a service")
    if re.fullmatch(_CHANNEL_URL, text) is None:
        raise invalid("is no address like mailtos://… or slack://…", "see the services of Apprise")
    return SecretAddress(text)


def _destination(value: Any) -> str | SecretAddress:
    if not isinstance(value, str):
        raise invalid("must be text", "write the name of a channel, an address, or recipients")
    return _channel_url(value) if "://" in value else _channel_name(value)


def _template_name(name: str) -> str:
    if re.fullmatch(_TEMPLATE_NAME, name) is None:
        raise invalid("is no name of a template", "use letters, digits, _ and -, without an ending")
    return name


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (OSError, ValueError, KeyError) as error:
        raise invalid(
            f"is no time zone that is known here: {name!r}", "write it like Europe/Berlin"
        ) from error
    return name


def _with_place(what: str, *others: str) -> Callable[[str], str]:
    """Return a reader of URLs with a place for ``what`` in them, or for one of the others."""

    def read(url: str) -> str:
        # Of what stands in braces only the name is ours; what is put there is escaped.
        is_there = any(f"{{{each}}}" in url for each in (what, *others))
        if not is_there or not _is_http(url.replace("{", "").replace("}", "")):
            raise invalid(
                f"is no http or https URL with {{{what}}} in it", f"write it like https://host/{{{what}}}"
            )
        return url

    return read


def _proceeded_status(status: str) -> str:
    if status in _RESERVED_STATUSES:
        raise invalid(f"is {status}, which means something else to a saga engine", "use PROCEEDED or SUCCESS")
    return status


def _property_name(name: str) -> str:
    return _unless(refusal(name), name)


def _registry_property(name: str) -> str:
    return _unless(REGISTRY_REFUSED.get(name), name)


def _unless(refused: Refusal | None, name: str) -> str:
    if refused is not None:
        raise invalid(refused.why, refused.remedy)
    return name


def _property_text(value: Any) -> str:
    """Return the text of a property's value, with true and false as librdkafka spells them."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, str):
        return value
    raise invalid("must be text, a number, true or false", "properties have no other kind of value")


def _hide_secrets(properties: Mapping[str, str | SecretStr]) -> Mapping[str, str | SecretStr]:
    return MappingProxyType(
        {
            name: SecretStr(value) if isinstance(value, str) and is_secret(name) else value
            for name, value in properties.items()
        }
    )


def _freeze(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return MappingProxyType(dict(mapping))


Frozen = Annotated[Mapping[K, V], AfterValidator(_freeze)]
Text = Annotated[
    str, Field(min_length=1, json_schema_extra={"pattern": _NOT_BLANK}), AfterValidator(_not_blank)
]
Topic = Annotated[str, AfterValidator(_topic), Field(json_schema_extra={"pattern": _TOPIC})]
KeyPart = Annotated[str, AfterValidator(_key_part), Field(json_schema_extra={"pattern": _KEY_PART})]
Expression = Annotated[str, AfterValidator(_expression)]
DottedName = Annotated[str, AfterValidator(_dotted_name), Field(json_schema_extra={"pattern": _DOTTED})]
# A list in YAML; a tuple once it is read, because a configuration does not change.
Topics = Annotated[tuple[Topic, ...], Strict(strict=False)]
Texts = Annotated[tuple[Text, ...], Strict(strict=False)]
Expressions = Annotated[
    tuple[Expression, ...],
    Strict(strict=False),
    AfterValidator(_not_empty),
    Field(json_schema_extra={"minItems": 1}),
]
RedisUrl = Annotated[SecretStr, AfterValidator(_redis_url), WithJsonSchema({"type": "string"})]
Nodes = Annotated[
    tuple[Annotated[str, AfterValidator(_node), Field(json_schema_extra={"pattern": _NODE})], ...],
    Strict(strict=False),
]
Secret = Annotated[SecretStr, WithJsonSchema({"type": "string"})]
ProceededStatus = Annotated[
    str, AfterValidator(_proceeded_status), Field(min_length=1, json_schema_extra={"not": _RESERVED})
]
PropertyName = Annotated[str, AfterValidator(_property_name)]
PropertyValue = Annotated[
    str | SecretStr, PlainValidator(_property_text), WithJsonSchema({"type": ["string", "number", "boolean"]})
]
_REFUSED_NAMES: Final[dict[str, Any]] = {
    "propertyNames": {
        "not": {"anyOf": [{"enum": sorted(REFUSED)}, {"pattern": "^" + re.escape(REFUSED_PREFIX)}]}
    }
}
Properties = Annotated[
    Mapping[PropertyName, PropertyValue],
    AfterValidator(_hide_secrets),
    Field(json_schema_extra=_REFUSED_NAMES),
]
SecretFiles = Annotated[
    Mapping[PropertyName, Text], AfterValidator(_freeze), Field(json_schema_extra=_REFUSED_NAMES)
]
RegistryUrl = Annotated[SecretStr, AfterValidator(_registry_url), WithJsonSchema({"type": "string"})]
Brokers = Annotated[str, AfterValidator(_brokers)]
Host = Annotated[str, AfterValidator(_host), Field(min_length=1)]
CollectorUrl = Annotated[str, AfterValidator(_collector_url)]
_RegistryName = Annotated[str, AfterValidator(_registry_property)]
_REGISTRY_NAMES: Final[dict[str, Any]] = {"propertyNames": {"not": {"enum": sorted(REGISTRY_REFUSED)}}}
RegistryProperties = Annotated[
    Mapping[_RegistryName, PropertyValue],
    AfterValidator(_hide_secrets),
    Field(json_schema_extra=_REGISTRY_NAMES),
]
RegistryFiles = Annotated[
    Mapping[_RegistryName, Text], AfterValidator(_freeze), Field(json_schema_extra=_REGISTRY_NAMES)
]
EventName = Literal[
    "created",
    "assigned",
    "released",
    "saved",
    "commented",
    "comment_edited",
    "comment_deleted",
    "reminded",
    "escalated",
    "updated",
    "voted",
    "proceeded",
    "timed_out",
    "cancelled",
]
"""A change of a task, as its history names it."""
EventNames = Annotated[tuple[EventName, ...], Strict(strict=False)]
Zone = Annotated[str, AfterValidator(_zone), Field(min_length=1)]
TemplateName = Annotated[
    str, AfterValidator(_template_name), Field(json_schema_extra={"pattern": f"^{_TEMPLATE_NAME}$"})
]
LinkUrl = Annotated[str, AfterValidator(_with_place("key", "id"))]
UserUrl = Annotated[str, AfterValidator(_with_place("user"))]
RoleUrl = Annotated[str, AfterValidator(_with_place("role"))]
_ChannelName = Annotated[str, AfterValidator(_channel_name)]
_ChannelUrl = Annotated[SecretStr, PlainValidator(_channel_url), WithJsonSchema({"type": "string"})]
_CHANNEL_NAMES: Final[dict[str, Any]] = {"propertyNames": {"pattern": f"^{_CHANNEL_NAME}$"}}
ChannelUrls = Annotated[
    Mapping[_ChannelName, _ChannelUrl], AfterValidator(_freeze), Field(json_schema_extra=_CHANNEL_NAMES)
]
ChannelFiles = Annotated[
    Mapping[_ChannelName, Text], AfterValidator(_freeze), Field(json_schema_extra=_CHANNEL_NAMES)
]
Destination = Annotated[str | SecretStr, PlainValidator(_destination), WithJsonSchema({"type": "string"})]
