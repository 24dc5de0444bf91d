"""A runner of user tasks for sagas: Kafka in, Redis beside, Kafka out, exactly once."""

__version__ = "0.1.0"
