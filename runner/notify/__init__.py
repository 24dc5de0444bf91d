"""Notifications that reach people: CloudEvents of a topic become mail and chat, each at least once.

Runs in a process of its own (``runner notify``); knows nothing of records, actions and workers, and none of
them knows this room.
"""
