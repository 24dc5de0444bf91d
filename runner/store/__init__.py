"""Store: where records, indexes and kept decisions live, changed by one script only."""
