"""``runner bench``: how fast tasks start and end on the operator's own Kafka and Redis."""
