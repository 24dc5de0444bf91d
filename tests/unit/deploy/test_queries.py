"""What is wrong with a query is found."""

from __future__ import annotations

import pytest

from tests.unit.deploy.queries import check, read


@pytest.mark.parametrize(
    "text",
    [
        "sum(rate(runner_events_total[5m])",
        "rate(runner_events_total)",
        "histogram_quantile(0.99)",
        "sum(runner_events_total[5m])",
    ],
)
def test_what_is_no_promql_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read(text)


@pytest.mark.parametrize(
    "text",
    [
        "runner_event_total",
        "runner_events",
        'runner_events_total{code="1"}',
        "sum by (code) (runner_events_total)",
        "sum by (le) (rate(runner_commit_seconds_sum[5m]))",
    ],
)
def test_a_metric_or_label_that_is_not_there_is_found(text: str) -> None:
    with pytest.raises(AssertionError):
        check(read(text))


def test_a_query_is_read_with_what_it_asks_for() -> None:
    query = read('sum by (action) (rate(runner_events_total{job=~"$job"}[$__rate_interval])) > 1')
    check(query)
    assert query.selectors == (("runner_events_total", frozenset({"job"})),)
    assert query.labels == {"action"}
