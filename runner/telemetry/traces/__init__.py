"""Spans of OpenTelemetry for what a worker does; imported only where they are configured."""
