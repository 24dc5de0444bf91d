"""Envelope: wire bytes to events, and the paths and patterns that read them."""
