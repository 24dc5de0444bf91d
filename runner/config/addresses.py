"""Hosts, ports and URLs, as strict as the strictest of those who will read them.

The clients of Kafka, Redis, the registry and the collector each have a parser of their own. What one of
them would read otherwise, or not at all, is refused here before any of them is asked.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit

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
    """Whether this is ``host:port``, an IPv6 host with or without brackets."""
    host, colon, port = text.rpartition(":")
    if not needs_port and (not colon or text.endswith("]")):
        return is_host(_bare(text))
    return _PORT.fullmatch(port) is not None and 0 < int(port) <= _LARGEST_PORT and is_host(_bare(host))


def is_broker(text: str) -> bool:
    """Whether librdkafka takes this as the address of a broker; the port may be left out."""
    return is_place(_PROTOCOL.sub("", text, count=1), needs_port=False)


def split_url(url: str, schemes: tuple[str, ...]) -> SplitResult | None:
    """Return the parts of a URL; None where some reader would take it for something else, or for none.

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
