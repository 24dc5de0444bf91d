"""What redis-py is told. Values here are the real secrets: never log them."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

from pydantic import SecretStr

from runner.config.model import Config
from runner.config.problems import ConfigError, Problem


def redis_arguments(config: Config) -> dict[str, Any]:
    """Keyword arguments of redis-py for every data node: who we are, and TLS."""
    redis = config.redis
    return _who(redis.username, redis.password) | _tls(config)


def sentinel_arguments(config: Config) -> dict[str, Any]:
    """Keyword arguments of redis-py for every Sentinel: who we are, and TLS."""
    sentinel = config.redis.sentinel
    return _who(sentinel.username, sentinel.password) | _tls(config)


def redis_url(config: Config) -> str:
    """The URL of the one server, in the scheme that says whether TLS is spoken."""
    url = config.redis.url.get_secret_value()
    return (
        f"rediss{url.removeprefix('redis')}" if config.redis.tls.enabled and url.startswith("redis:") else url
    )


def redis_nodes(config: Config) -> list[tuple[str, int]]:
    """Host and port of every node that is named; an IPv6 host without its brackets."""
    named = [node.rpartition(":") for node in config.redis.nodes]
    return [(host.strip("[]"), int(port)) for host, _, port in named]


def _who(username: str | None, password: SecretStr | None) -> dict[str, Any]:
    named = {"username": username, "password": None if password is None else password.get_secret_value()}
    return {name: value for name, value in named.items() if value is not None}


def _tls(config: Config) -> dict[str, Any]:
    tls = config.redis.tls
    by_url = config.redis.url.get_secret_value().startswith("rediss:")
    if not (tls.enabled or by_url):
        return {}
    files = {"ssl_ca_certs": tls.ca_file, "ssl_certfile": tls.cert_file, "ssl_keyfile": tls.key_file}
    # A URL has said it, and takes no second word.
    said = {} if config.redis.topology == "standalone" else {"ssl": True}
    return (
        said | {"ssl_check_hostname": tls.check_hostname} | {k: v for k, v in files.items() if v is not None}
    )


def check_tls_files(config: Config) -> None:
    """Returns only if the files for TLS can be used; raises ConfigError with every one that cannot."""
    tls = config.redis.tls
    context = ssl.create_default_context()
    problems = []
    if tls.ca_file is not None:
        problems += _unusable(
            config, "caFile", tls.ca_file, lambda: context.load_verify_locations(tls.ca_file)
        )
    if tls.cert_file is not None:
        pair = f"{tls.cert_file} (key {tls.key_file})"
        problems += _unusable(
            config,
            "certFile",
            pair,
            # Without a password a key that has one would be asked for at a terminal.
            lambda: context.load_cert_chain(tls.cert_file or "", tls.key_file, password=""),
        )
    if problems:
        raise ConfigError(problems)


def _unusable(config: Config, key: str, named: str, read: Callable[[], None]) -> list[Problem]:
    try:
        read()
    except (OSError, ssl.SSLError) as error:
        what = f"names {named}, which cannot be used: {error.strerror or error}"
        return [Problem(config.source, f"redis.tls.{key}", what, "correct the path, or the file (PEM)")]
    return []
