"""Every route that fits counts; who is named twice is told once."""

import pytest

from runner.notify.routes import RECIPIENTS, Route, destinations
from tests.unit.notify.builders import notice


@pytest.mark.parametrize(
    ("route", "fits"),
    [
        (Route(("ops",)), True),
        (Route(("ops",), domains=frozenset({"orders"})), True),
        (Route(("ops",), domains=frozenset({"hr"})), False),
        (Route(("ops",), events=frozenset({"created", "reminded"})), True),
        (Route(("ops",), events=frozenset({"reminded"})), False),
        (Route(("ops",), users=frozenset({"bob"})), True),
        (Route(("ops",), users=frozenset({"ann"})), False),
        (Route(("ops",), roles=frozenset({"clerk", "manager"})), True),
        (Route(("ops",), roles=frozenset({"clerk"})), False),
        (Route(("ops",), domains=frozenset({"orders"}), roles=frozenset({"clerk"})), False),
    ],
)
def test_a_route_fits_where_all_its_conditions_do(route: Route, fits: bool) -> None:
    assert route.fits(notice()) is fits


def test_nobody_is_named_twice_and_the_first_route_says_how() -> None:
    first, second = Route(("ops", RECIPIENTS), language="de"), Route((RECIPIENTS, "boss"), language="en")
    never = Route(("never",), domains=frozenset({"hr"}))
    found = destinations(notice(), [never, first, second])
    assert found == {"ops": first, RECIPIENTS: first, "boss": second}
