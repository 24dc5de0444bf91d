"""``runner task``: tasks as they stand in Redis, and events that end one."""
