"""``runner dlq``: the dead letters, and how they go back to where they came from."""
