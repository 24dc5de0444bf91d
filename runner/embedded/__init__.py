"""A broker and a store inside the process tree, for trying the runner out and for its tests.

Neither is for production: the broker knows no transactions (so the runner works ``at_least_once`` on it)
and both keep everything in memory. They listen on loopback only and end with the process that started them.
"""

from runner.embedded.broker import embedded_broker
from runner.embedded.redis import embedded_redis
from runner.embedded.subprocesses import EmbeddedUnavailable

__all__ = ["EmbeddedUnavailable", "embedded_broker", "embedded_redis"]
