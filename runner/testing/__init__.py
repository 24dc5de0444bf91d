"""Testing: the parts of a worker in memory, for tests without servers."""
