"""Sections about tasks and the worker: domains, timers, loop, HTTP, log, traces."""

from collections.abc import Iterator
from typing import Final, Literal

from pydantic import Field

from runner.config.sections.section import BrokenRule, Section
from runner.config.values import CollectorUrl, EventNames, Host, Texts

_HUNDRED_YEARS_SECONDS: Final = 3_153_600_000

OnProceed = Literal["update", "delete"]
Completion = Literal["owner", "anyone-eligible"]


class Domain(Section):
    """What holds for the tasks of one domain; null falls back to ``task``."""

    on_proceed: OnProceed | None = None
    """What task.onProceed is for this domain; null: what it is for all."""
    retention_seconds: int | None = Field(default=None, ge=0, le=_HUNDRED_YEARS_SECONDS)
    """What task.retentionSeconds is for this domain, in seconds; null: what it is for all."""
    check_roles: bool = True
    """Whether ProceedTask needs the task's user or one of its roles (else FAIL 14)."""
    trust_payload: bool = False
    """Whether payload.user names the caller, as a whole, where requestMeta names neither user nor roles.
    Anyone can write the payload: only behind a gateway that checks it.
    """

    admin_role: str | None = Field(default=None, min_length=1)
    """Role of those who may assign tasks, and release and comment on those of others; null: nobody."""
    completion: Completion = "owner"
    """Who may finish a task that somebody has claimed or was assigned: owner, or anyone-eligible (the owner,
    its user and its roles).
    """
    require_definition: bool = False
    """Whether a StartTask must name a taskSpec that has a definition (else FAIL 10009)."""
    require_owner: bool = False
    """Whether a StartTask must name taskUser or taskRoles (else FAIL 10009)."""
    start_roles: Texts = ()
    """Roles of which one is needed to send StartTask (else FAIL 14); none: anyone may."""
    starter_sees: bool = False
    """Whether whoever started a task sees it in runner web."""
    timeout_roles: Texts = ()
    """Roles of which one is needed to send TimeoutTask and TimeoutBetween (else FAIL 14); none: anyone may.
    Deadlines need none.
    """
    notify: EventNames = ()
    """Changes of a task that topics.notifications is told of: created, assigned, released, saved, commented,
    comment_edited, comment_deleted, reminded, escalated, updated, voted, proceeded, timed_out, cancelled;
    none: it is told nothing.
    """

    def _broken_rules(self) -> Iterator[BrokenRule]:
        if self.trust_payload and not self.check_roles:
            yield BrokenRule(
                ("trustPayload",),
                ("checkRoles",),
                "has no effect while checkRoles is false",
                "set one of them the other way",
            )


class Task(Section):
    """What holds for tasks of every domain that does not say otherwise."""

    partition_width: int = Field(default=1, ge=1, le=8)
    """Digits of the partition at the end of a generated task id, padded with zeros."""
    on_proceed: OnProceed = "update"
    """What becomes of the record of a finished task: update keeps it for the retention, delete only as long
    as redelivery needs it.
    """
    retention_seconds: int = Field(default=604_800, ge=0, le=_HUNDRED_YEARS_SECONDS)
    """How long the record of a finished task is kept, in seconds."""


_MIB: Final = 1_048_576


class Timers(Section):
    """Deadlines that fire by themselves."""

    enabled: bool = True
    """Whether deadlines fire by themselves; false leaves it to TimeoutBetween."""
    lease_ms: int = Field(default=10_000, ge=100, le=3_600_000)
    """How long a timeout that was sent is not sent again, in milliseconds."""
    chunk: int = Field(default=1000, ge=1, le=100_000)
    """Most tasks told to time out in one go, for timers and for TimeoutBetween."""


class Worker(Section):
    """The pace of the loop."""

    batch_size: int = Field(default=2000, ge=1, le=100_000)
    """Most events in one batch."""
    batch_bytes: int = Field(default=8 * _MIB, ge=1024, le=1024 * _MIB)
    """Most bytes of events in one batch, and of what their patterns give; of what is sent four times as many.
    """
    batch_ms: int = Field(default=2000, ge=10, le=10_000)
    """How long the events of one batch may take, in milliseconds, before those that are left wait for the
    next: patterns may take a second each.
    """
    poll_ms: int = Field(default=100, ge=1, le=5000)
    """Longest wait for events when there are none, in milliseconds."""
    session_timeout_ms: int = Field(default=10_000, ge=1000, le=300_000)
    """Silence after which a worker is taken for dead and its partitions are given to others, in milliseconds.
    Brokers refuse less than 6000 unless told otherwise. With kafka.assignment consumer it is the broker's
    group.consumer.session.timeout.ms instead.
    """
    start_seconds: int = Field(default=60, ge=0, le=3600)
    """How long a worker that starts waits for a Kafka, Redis or schema registry that does not answer yet, in
    seconds; then it ends with exit code 1.
    """
    shutdown_seconds: int = Field(default=25, ge=1, le=3600)
    """Time to finish the batch in hand after SIGTERM, in seconds."""


class Http(Section):
    """Where /metrics and /health are served."""

    host: Host = "127.0.0.1"
    """Address to listen on; 0.0.0.0 for every interface."""
    port: int = Field(default=8080, ge=0, le=65_535)
    """Port to listen on; 0: no HTTP server."""


class Log(Section):
    """What is written to stderr, and how."""

    format: Literal["auto", "json", "console"] = "auto"
    """json: one object a line; console: for people; auto: console on a terminal, else json."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """The least level that is written."""


class Traces(Section):
    """Where the spans of OpenTelemetry go; trace context is passed on without any of this."""

    endpoint: CollectorUrl | None = None
    """Address of a collector that takes OTLP over HTTP; /v1/traces is added where it has no path. null: no
    spans.
    """
    sample: float = Field(default=1.0, ge=0, le=1)
    """Share of requests without traceparent that are recorded; those that have one say themselves."""
