"""Kafka: clients, consumer and producer, topics, errors; nothing of tasks."""
