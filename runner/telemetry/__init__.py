"""Telemetry: metrics, health and traces of a worker."""
