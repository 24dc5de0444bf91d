"""``runner restore``: compares Redis with the changelog, and fills it again by hand."""
