"""Real Redis, real Kafka, one part of the runner at a time."""
