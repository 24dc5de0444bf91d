"""Lists of the projection for the command line: whoever may read the database sees all tasks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from runner.cli.wiring.projection import connect_projection, now_ms, require_lists
from runner.config import Config
from runner.errors import FatalError
from runner.projection.cursors import InvalidCursor
from runner.projection.filters import AttributeFilter, Filters, Order
from runner.projection.lists import ListPage, Lists, NotFilled
from runner.projection.sight import Viewer


def list_projected(
    config: Config, domains: Sequence[str], filters: Filters, order: Order, cursor: str | None, limit: int
) -> ListPage:
    """Return a page of the tasks of some domains.

    DatabaseUnavailable, FatalError where nothing was filled yet, InvalidCursor, ValueError for an attribute
    that is not configured.
    """
    everything = frozenset(domains)
    viewer = Viewer(None, frozenset(), everything, admin_of=everything)
    with _lists(config) as lists:
        try:
            return lists.page(viewer, filters, order, cursor, limit, now_ms())
        except NotFilled as error:
            raise FatalError(
                'the lists of projection.url are still being filled; see "runner projection status"'
            ) from error


def attribute_filters(asked: Sequence[str]) -> tuple[AttributeFilter, ...]:
    """Return filters of ``NAME=VALUE`` each; ValueError for anything else."""
    filters = []
    for text in asked:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise ValueError(f"--attribute {text[:100]!r} is not NAME=VALUE")
        filters.append(AttributeFilter(name, equals=value))
    return tuple(filters)


@contextmanager
def _lists(config: Config) -> Iterator[Lists]:
    engine = connect_projection(config)
    try:
        require_lists(engine)
        yield Lists(engine)
    finally:
        engine.dispose()


__all__ = ["Filters", "InvalidCursor", "Order", "attribute_filters", "list_projected"]
