"""Real servers for tests and measurements: one Kafka, and Redis in two lanes.

A *lane* is a way to have a server. ``kafka_server`` and ``redis_server`` start them without pytest (the
bench does); ``fixtures`` hands them to tests and says by name which lane is missing.
"""
