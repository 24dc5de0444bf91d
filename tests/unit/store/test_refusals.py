"""What Redis answers is told apart: an outage passes, a refusal stays until somebody mends it."""

import ssl

import pytest
import redis

from runner.errors import StoreRefused
from runner.store.connection.refusals import unavailable


def failed_with(cause: Exception) -> Exception:
    """Return a connection that failed for this."""
    error = redis.ConnectionError("Error connecting")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize("cause", [ssl.SSLEOFError(8, "EOF"), ssl.SSLZeroReturnError(6, "closed"), OSError()])
def test_a_connection_that_ends_while_tls_begins_is_an_outage(cause: Exception) -> None:
    assert not isinstance(unavailable(failed_with(cause)), StoreRefused)


def test_a_certificate_that_is_refused_stays_refused() -> None:
    assert isinstance(unavailable(failed_with(ssl.SSLCertVerificationError("expired"))), StoreRefused)
