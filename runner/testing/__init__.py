"""Testing: a store in memory, for tests without servers."""
