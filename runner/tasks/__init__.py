"""Tasks: the record of a waiting task and its states."""
