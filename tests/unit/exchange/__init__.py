"""Sending events to the home of their task, and what is told of lines that are none."""
