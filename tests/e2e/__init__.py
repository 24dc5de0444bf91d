"""Whole processes, killed and restarted, judged by an independent checker."""
