"""The section about Redis: topology, nodes, credentials, TLS."""

from collections.abc import Iterator
from typing import Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr

from runner.config.sections.section import BrokenRule, Section
from runner.config.values import KeyPart, Nodes, RedisUrl, Secret, Text

DEFAULT_REDIS_URL: Final = "redis://127.0.0.1:6379/0"


class Sentinel(Section):
    """The Sentinels, where topology is sentinel."""

    master: Text | None = None
    """Name under which the Sentinels know the master."""
    username: Text | None = None
    """User name at the Sentinels."""
    password: Secret | None = None
    """Password at the Sentinels, where they want one; better not in this file."""
    password_file: Text | None = None
    """File that holds the password, instead of password."""


class Tls(Section):
    """TLS to Redis and to the Sentinels."""

    enabled: bool = False
    """Whether to speak TLS; a URL that begins with rediss:// says so by itself."""
    ca_file: Text | None = None
    """File with the certificates that are trusted (PEM); null: those of the system."""
    cert_file: Text | None = None
    """File with our own certificate (PEM), where the server wants one."""
    key_file: Text | None = None
    """File with the key of our own certificate (PEM)."""
    check_hostname: bool = True
    """Whether the server's certificate must be for the host we connect to."""


class Redis(Section):
    """Where the records are kept."""

    topology: Literal["standalone", "sentinel", "cluster"] = "standalone"
    """standalone: one server, at url. sentinel: the master that the Sentinels at nodes name. cluster: the
    Cluster that nodes belong to.
    """
    url: RedisUrl = Field(
        default=SecretStr(DEFAULT_REDIS_URL), json_schema_extra={"default": DEFAULT_REDIS_URL}
    )
    """redis://host:port/database, rediss:// for TLS, or unix:///path; for standalone."""
    url_file: Text | None = None
    """File that holds the URL, instead of url."""
    username: Text | None = None
    """User name, unless the URL has it."""
    password: Secret | None = None
    """Password, unless the URL has it; better in the environment or a file."""
    password_file: Text | None = None
    """File that holds the password, instead of password."""
    nodes: Nodes = ()
    """Sentinels, or nodes of the Cluster, to begin with: a list of host:port; database is 0."""
    sentinel: Sentinel = Field(default_factory=Sentinel)
    """The Sentinels, where topology is sentinel."""
    tls: Tls = Field(default_factory=Tls)
    """TLS to Redis and to the Sentinels."""
    prefix: KeyPart = "runner"
    """First part of every key; one consumer group, one prefix."""
    start_empty: bool = False
    """Begin with no tasks although the group has read before: only after a loss that is accepted."""
    shards: int = Field(default=16, ge=1, le=1024)
    """Parts the tasks are spread over, and partitions of topics.tasks. Fixed once the first record is
    written; docs/operations.md ("How many shards") says what fewer give, and what they cost.
    """
    timeout_ms: int = Field(default=2000, ge=10, le=60_000)
    """How long one call may take, in milliseconds, before Redis counts as not answering."""

    def _broken_rules(self) -> Iterator[BrokenRule]:
        yield from self._named_twice()
        yield from self._wrong_for_topology()
        yield from self._wrong_for_tls()

    def _named_twice(self) -> Iterator[BrokenRule]:
        url = urlsplit(self.url.get_secret_value())
        for key, value, in_url in (
            ("username", self.username, url.username),
            ("password", self.password, url.password),
        ):
            if value is not None and in_url:
                what = "is set, while redis.url has one of its own"
                yield BrokenRule((key,), ("url",), what, "keep one of them")

    def _wrong_for_topology(self) -> Iterator[BrokenRule]:
        """Give settings that do not fit the topology: nodes are named in one setting only."""
        at, topology = (("topology",), f"while redis.topology is {self.topology}")
        if self.topology == "standalone" and self.nodes:
            remedy = "set redis.topology to sentinel or cluster, or name the server in redis.url"
            yield BrokenRule(("nodes",), at, f"is set, {topology}", remedy)
        if self.topology != "standalone" and not self.nodes:
            remedy = "list host:port of some of them"
            yield BrokenRule(("nodes",), at, f"is empty, {topology}", remedy)
        if self.topology != "standalone" and self.url.get_secret_value() != DEFAULT_REDIS_URL:
            remedy = "remove it, and list redis.nodes"
            yield BrokenRule(("url",), at, f"is set, {topology}", remedy)
        master = ("sentinel", "master")
        if self.topology == "sentinel" and self.sentinel.master is None:
            remedy = "set it to the name in the Sentinels' configuration"
            yield BrokenRule(master, at, f"is not set, {topology}", remedy)
        if self.topology != "sentinel" and self.sentinel.master is not None:
            remedy = "remove it, or set redis.topology to sentinel"
            yield BrokenRule(master, at, f"is set, {topology}", remedy)

    def _wrong_for_tls(self) -> Iterator[BrokenRule]:
        """Give TLS settings without TLS, and a certificate without its key."""
        tls, scheme = self.tls, urlsplit(self.url.get_secret_value()).scheme
        files = {"caFile": tls.ca_file, "certFile": tls.cert_file, "keyFile": tls.key_file}
        enabled = ("tls", "enabled")
        for key in [key for key, file in files.items() if file is not None]:
            if not tls.enabled and scheme != "rediss":
                remedy = "set redis.tls.enabled to true"
                yield BrokenRule(("tls", key), enabled, "is set, while TLS is off", remedy)
        if tls.enabled and scheme == "unix":
            yield BrokenRule(enabled, ("url",), "is true, while redis.url is a socket", "remove it")
        for key, other in (("certFile", "keyFile"), ("keyFile", "certFile")):
            if files[key] is not None and files[other] is None:
                what = f"is not set, while redis.tls.{key} is"
                yield BrokenRule(("tls", other), ("tls", key), what, "set both or none")
