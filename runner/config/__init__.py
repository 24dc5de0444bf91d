"""The configuration: what a person writes, checked once at the start, frozen from then on.

``load`` is the way in. ``describe`` shows it with secrets masked; ``clients`` turns it into what the clients
of Kafka and Redis take. Only ``cli`` and ``worker`` may import this package.
"""

from runner.config.clients import (
    check_properties,
    consumer_properties,
    producer_properties,
    redis_arguments,
    redis_url,
    registry_settings,
)
from runner.config.loading import load
from runner.config.model import Config
from runner.config.problems import ConfigError, Problem

__all__ = [
    "Config",
    "ConfigError",
    "Problem",
    "check_properties",
    "consumer_properties",
    "load",
    "producer_properties",
    "redis_arguments",
    "redis_url",
    "registry_settings",
]
