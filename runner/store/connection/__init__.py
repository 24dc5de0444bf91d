"""The way to Redis, whichever nodes it has: commands go out, answers come back, in one round trip."""
