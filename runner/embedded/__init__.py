"""A broker and a store inside the process tree, for trying the runner out and for its tests.

Neither is for production: the broker knows no transactions (so the runner works ``at_least_once`` on it)
and keeps everything in memory. Both listen on loopback only and end with the process that started them.
"""

from runner.embedded.broker import EmbeddedBroker
from runner.embedded.redis import EmbeddedRedis
from runner.embedded.unavailable import EmbeddedUnavailable

__all__ = ["EmbeddedBroker", "EmbeddedRedis", "EmbeddedUnavailable"]
