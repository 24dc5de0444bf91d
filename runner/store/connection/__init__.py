"""Connections to Redis in each topology: commands and their answers, in one round trip."""
