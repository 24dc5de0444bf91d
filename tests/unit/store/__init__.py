"""The store in Redis, as far as no server is needed."""
