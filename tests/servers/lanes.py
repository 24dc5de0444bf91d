"""What happens where a server cannot be had: a skip that names the lane, or a failure where required."""

import os
from typing import NoReturn

import pytest


class LaneMissing(Exception):
    """A server cannot be had in this lane; the text says why and what would help."""

    def __init__(self, lane: str, reason: str, remedy: str) -> None:
        super().__init__(f"lane {lane} is missing: {reason}; {remedy}")
        self.lane = lane
        self.reason = reason


def skip_or_fail(missing: LaneMissing, required_by: str) -> NoReturn:
    """Skip the test with the lane's name, or fail it if the environment variable is set to 1."""
    if os.environ.get(required_by) == "1":
        pytest.fail(f"{missing} ({required_by}=1 forbids to go on without it)", pytrace=False)
    pytest.skip(str(missing))
