"""Clients, topics and messages of Kafka, as far as no broker is asked."""
