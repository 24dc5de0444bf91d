"""Spans, their context and their way to a collector."""
