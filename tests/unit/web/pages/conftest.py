"""A desk with one task, and who looks at its pages."""

import pytest

from tests.unit.web.desk import Inquirer
from tests.unit.web.pages.counting import counting_desk
from tests.unit.web.pages.reader import Reader


@pytest.fixture
def desk() -> Inquirer:
    return counting_desk()


@pytest.fixture
def ann(desk: Inquirer) -> Reader:
    return Reader(desk)
