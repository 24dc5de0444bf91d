"""Reads PromQL: which metrics a query asks for, by which labels; and which metrics there are."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Final

import promql_parser
from promql_parser import AggregateExpr, Expr, VectorSelector

from runner.metrics import Metrics

SCRAPED: Final = frozenset({"job", "instance"})
"""Labels that Prometheus adds."""

OF_EXPORTERS: Final = {
    "kafka_consumergroup_lag": frozenset({"consumergroup", "topic", "partition"}),
    "redis_memory_used_bytes": frozenset[str](),
    "redis_memory_max_bytes": frozenset[str](),
}
"""What kafka_exporter and redis_exporter tell, since no worker knows it."""

GRAFANA: Final = {"$__rate_interval": "5m"}


@dataclass(frozen=True, slots=True)
class Query:
    """One query: it is PromQL, with the right types."""

    text: str
    selectors: tuple[tuple[str, frozenset[str]], ...]
    """Each metric it reads, with the labels it is chosen by."""
    groups: tuple[frozenset[str], ...]
    """The labels of each ``by``, the outermost first."""

    @property
    def metrics(self) -> set[str]:
        return {name for name, _ in self.selectors}

    @property
    def labels(self) -> frozenset[str]:
        """The labels that its result may have."""
        if self.groups:
            return self.groups[0]
        return SCRAPED.union(*(known()[name] for name in self.metrics))


def read(text: str) -> Query:
    """Return a query; ValueError if it is no PromQL."""
    for name, value in GRAFANA.items():
        text = text.replace(name, value)
    selectors: list[tuple[str, frozenset[str]]] = []
    groups: list[frozenset[str]] = []

    def visit(node: Expr) -> None:
        if isinstance(node, VectorSelector):
            assert node.name, f"{text}: a selector without a metric"
            selectors.append((node.name, frozenset(each.name for each in node.matchers.matchers)))
        if isinstance(node, AggregateExpr):
            groups.append(frozenset(node.modifier.labels if node.modifier else ()))

    promql_parser.walk(promql_parser.parse(text), visit)
    return Query(text, tuple(selectors), tuple(groups))


@cache
def ours() -> dict[str, frozenset[str]]:
    """Every sample that /metrics has once something happened, with its labels."""
    metrics = Metrics()
    metrics.count_events({("StartTask", "ACK"): 1})
    metrics.count_dead_letters({"NOT_JSON": 1})
    metrics.count_input("approvals", "event", 1)
    metrics.count_notifications({"reminded": 1}, {"reminded": 1})
    metrics.count_escalations({1: 1})
    metrics.set_input("approvals", up=True, paused=0)
    return {
        sample.name: frozenset(sample.labels)
        for family in metrics.registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@cache
def known() -> dict[str, frozenset[str]]:
    """What a query may ask for."""
    return ours() | OF_EXPORTERS


def check(query: Query) -> None:
    """Every metric exists, with the labels that it is chosen and grouped by."""
    for name, labels in query.selectors:
        assert name in known(), f"{query.text}: there is no {name}"
        assert labels <= known()[name] | SCRAPED, f"{query.text}: {name} has no {labels - known()[name]}"
    there = SCRAPED.union(*(known()[name] for name in query.metrics))
    for group in query.groups:
        assert group <= there, f"{query.text}: nothing has {group - there}"
