"""``runner restore``: compares Redis with the task feed, and fills it again by hand."""
