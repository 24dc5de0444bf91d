"""The catalogue of metrics: every number the runner shows at /metrics, named and typed once.

Nothing exists at import: ``Metrics`` makes all of them in a registry of its own. The loop counts in
plain integers and hands over sums once per batch, so that an event costs nothing here. Each counter
can be read at ``runner_<name>_total``, each histogram at ``runner_<name>_bucket``, ``_sum``, ``_count``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Final, Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from runner.clock import Ticker

LoopPart = Literal["poll", "decode", "load", "decide", "apply", "commit", "timers", "other"]
"""The parts of the loop's time, which add up to the wall: what belongs to none of the others is other."""
Result = Literal["committed", "aborted"]
SpanResult = Literal["sent", "dropped"]
DeliveryResult = Literal["sent", "failed", "retried", "dead_letter"]

PARTS: Final[tuple[LoopPart, ...]] = get_args(LoopPart)
RESULTS: Final[tuple[Result, ...]] = get_args(Result)
SPAN_RESULTS: Final[tuple[SpanResult, ...]] = get_args(SpanResult)
_NAMESPACE: Final = "runner"
_BATCH_EVENTS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
_COMMIT_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
# Fine where the goal is (an idle timer within 100 ms), coarse for what was due while nobody ran.
_LATENESS_SECONDS: Final = (
    *(0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.125, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75),
    *(1, 2, 5, 10, 60, 600, 3600),
)
_AGE_SECONDS: Final = (1, 10, 60, 600, 3600, 14_400, 43_200, 86_400, 172_800, 604_800, 2_592_000)


class Metrics:
    """Every metric of one process. Safe to read from another thread while the loop counts."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=True)
        # Memory, processor time and file handles, by the names that every process has them under.
        ProcessCollector(registry=self.registry)
        self._events = self._counter("events", "Events answered, by action and status.", "action", "status")
        self._dead_letters = self._counter("dead_letters", "Messages sent to the dead letters.", "code")
        self._transactions = self._counter("transactions", "Batches by how they ended.", "result")
        self._loop_seconds = self._counter("loop_seconds", "Time of the loop, by its parts.", "part")
        self.forwarded: Final = self._counter("forwarded", "Events sent on to the home of their task.")
        self.redelivered: Final = self._counter(
            "redelivered", "Events that came again and were given the decision kept for them."
        )
        self.conflicts: Final = self._counter(
            "conflicts", "Script calls that found a moved revision and were decided again."
        )
        self.timers_sent: Final = self._counter("timers_sent", "Timeouts and hooks the timers sent.")
        self._notifications = self._counter(
            "notifications", "What people had to hear, sent to its topic, by what happened.", "event"
        )
        self._notifications_left_out = self._counter(
            "notifications_left_out", "What people had to hear and their topic did not take.", "event"
        )
        self.reminders: Final = self._counter("reminders", "Reminders of tasks, missed ones as one.")
        self._escalations = self._counter(
            "escalations", "Tasks that went a level up, by the level they reached.", "level"
        )
        self.records_removed: Final = self._counter(
            "records_removed", "Closed records removed after retention."
        )
        self.records_restored: Final = self._counter(
            "records_restored", "Records that Redis had lost, written again from the changelog."
        )
        self.batch_events: Final = self._histogram("batch_events", "Events in a batch.", _BATCH_EVENTS)
        self.commit_seconds: Final = self._histogram(
            "commit_seconds", "From the first produce of a batch to its commit.", _COMMIT_SECONDS
        )
        self.timer_lateness_seconds: Final = self._histogram(
            "timer_lateness_seconds", "From a deadline to the moment its timeout was sent.", _LATENESS_SECONDS
        )
        self.hook_lateness_seconds: Final = self._histogram(
            "hook_lateness_seconds", "From the moment of hooks to when they were done.", _LATENESS_SECONDS
        )
        self.hook_task_age_seconds: Final = self._histogram(
            "hook_task_age_seconds",
            "How long tasks had been open when they were reminded of or escalated.",
            _AGE_SECONDS,
        )
        self.open_homes: Final = self._gauge("open_homes", "Home partitions assigned to this worker.")
        self.paused_partitions: Final = self._gauge(
            "paused_partitions",
            "Partitions paused: too many dead letters in a row, or an answer that no topic takes.",
        )
        self.store_up: Final = self._gauge("store_up", "Whether Redis answers: 1 or 0.")
        self.shards_restoring: Final = self._gauge(
            "shards_restoring", "Shards that are still to be filled again from the changelog."
        )
        self._input_messages = self._counter(
            "input_messages", "Messages of input topics, by what they came to.", "input", "result"
        )
        self._input_up = self._gauge("input_up", "Whether an input topic is read: 1 or 0.", "input")
        self._input_paused = self._gauge(
            "input_paused_partitions", "Partitions of an input topic that are paused.", "input"
        )
        self._spans = self._counter("spans", "Spans of traces, by what became of them.", "result")
        self._result_counters = {result: self._transactions.labels(result) for result in RESULTS}
        self._span_counters = {result: self._spans.labels(result) for result in SPAN_RESULTS}
        self._part_counters = {part: self._loop_seconds.labels(part) for part in PARTS}

    def count_events(self, counts: Mapping[tuple[str, str], int]) -> None:
        """Add the numbers of a batch by (action, status), of which there is a fixed set."""
        for (action, status), count in counts.items():
            self._events.labels(action, status).inc(count)

    def count_dead_letters(self, counts: Mapping[str, int]) -> None:
        """Add the dead letters of a batch by the error's code, which is one of a fixed set."""
        for code, count in counts.items():
            self._dead_letters.labels(code).inc(count)

    def count_notifications(self, sent: Mapping[str, int], left_out: Mapping[str, int]) -> None:
        """Add the notifications of a batch by what happened, one of the names of the history."""
        for event, count in sent.items():
            self._notifications.labels(event).inc(count)
        for event, count in left_out.items():
            self._notifications_left_out.labels(event).inc(count)

    def count_escalations(self, by_level: Mapping[int, int]) -> None:
        """Add the escalations of a batch by level, of which a task has as many as hooks at most."""
        for level, count in by_level.items():
            self._escalations.labels(str(level)).inc(count)

    def count_input(self, name: str, result: str, messages: int) -> None:
        """Add messages of an input topic that became events, were left alone or are dead letters."""
        self._input_messages.labels(name, result).inc(messages)

    def set_input(self, name: str, *, up: bool, paused: int) -> None:
        """Set whether an input topic is read, and how many of its partitions are paused."""
        self._input_up.labels(name).set(up)
        self._input_paused.labels(name).set(paused)

    def count_transaction(self, result: Result) -> None:
        self._result_counters[result].inc()

    def count_spans(self, result: SpanResult, spans: int) -> None:
        """Add spans that the collector accepted or refused. Called from several threads."""
        self._span_counters[result].inc(spans)

    def add_loop_seconds(self, part: LoopPart, seconds: float) -> None:
        """Add time to a part of the loop; called by ``LoopClock`` so that the parts add up."""
        self._part_counters[part].inc(seconds)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, namespace=_NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, documentation: str, *labels: str) -> Gauge:
        return Gauge(name, documentation, labels, namespace=_NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, documentation: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(name, documentation, namespace=_NAMESPACE, registry=self.registry, buckets=buckets)


class NotifyMetrics:
    """Every metric of a process of ``runner notify``, in a registry of its own. For several threads."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._messages = self._counter(
            "notify_messages", "Messages that were read, by what they came to.", "result"
        )
        self._deliveries = self._counter(
            "notify_deliveries",
            "Attempts to send to one recipient, by kind of channel, and dead letters.",
            "channel",
            "result",
        )
        self.waiting: Final = self._gauge("notify_waiting", "Messages that were read and are not finished.")
        self.channels_down: Final = self._gauge("notify_channels_down", "Channels that fail now.")
        self.partitions: Final = self._gauge("notify_partitions", "Partitions of this process.")

    def count_message(self, result: str) -> None:
        """Add a message that was routed, unrouted, refused, or left out for a recipient as repeated."""
        self._messages.labels(result).inc()

    def count_delivery(self, kind: str, result: DeliveryResult) -> None:
        """Add an attempt that sent or failed and is tried again, or a dead letter."""
        self._deliveries.labels(kind, result).inc()

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, namespace=_NAMESPACE, registry=self.registry)

    def _gauge(self, name: str, documentation: str) -> Gauge:
        return Gauge(name, documentation, namespace=_NAMESPACE, registry=self.registry)


_REQUEST_SECONDS: Final = (
    *(0.001, 0.0025, 0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3, 0.5),
    *(1, 2, 5, 10, 15, 30),
)


class WebMetrics:
    """Every metric of a process of ``runner web``, in a registry of its own. For several threads."""

    def __init__(self) -> None:
        self.registry: Final = CollectorRegistry(auto_describe=True)
        ProcessCollector(registry=self.registry)
        self._requests = self._counter(
            "web_requests", "Requests answered, by route and status.", "method", "route", "status"
        )
        self._request_seconds = self._histogram(
            "web_request_seconds", "From a request to the beginning of its answer.", "route"
        )
        self._commands = self._counter(
            "web_commands", "Commands sent to the worker, by what the reply said.", "action", "result"
        )
        self._command_seconds = self._histogram(
            "web_command_seconds", "From a command to its reply.", "action"
        )
        self.replies_waiting: Final = Gauge(
            "web_replies_waiting",
            "Replies that are waited for.",
            namespace=_NAMESPACE,
            registry=self.registry,
        )
        self.streams: Final = Gauge(
            "web_streams", "Event streams that are open.", namespace=_NAMESPACE, registry=self.registry
        )

    def count_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Add a request; ``route`` is the template of its path, of which there is a fixed set."""
        self._requests.labels(method, route, str(status)).inc()
        self._request_seconds.labels(route).observe(seconds)

    def count_command(self, action: str, result: str, seconds: float) -> None:
        """Add a command: the status of its reply, or ``unanswered``."""
        self._commands.labels(action, result).inc()
        self._command_seconds.labels(action).observe(seconds)

    def _counter(self, name: str, documentation: str, *labels: str) -> Counter:
        return Counter(name, documentation, labels, namespace=_NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, documentation: str, *labels: str) -> Histogram:
        return Histogram(
            name,
            documentation,
            labels,
            namespace=_NAMESPACE,
            registry=self.registry,
            buckets=_REQUEST_SECONDS,
        )


class LoopClock:
    """Splits the time of a loop into parts that add up to the wall time.

    ``now`` gives seconds that never go back (default: the process's performance counter).
    """

    def __init__(self, metrics: Metrics, now: Ticker = time.perf_counter) -> None:
        self._metrics = metrics
        self._now = now
        self._last = now()

    def lap(self, part: LoopPart) -> float:
        """Attribute the time since the last lap to ``part``; return it, in seconds."""
        now = self._now()
        seconds = now - self._last
        self._last = now
        self._metrics.add_loop_seconds(part, seconds)
        return seconds
