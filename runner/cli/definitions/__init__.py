"""``runner definitions``: the forms of tasks, as they stand in Redis, and new versions of them."""
