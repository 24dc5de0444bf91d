"""The worker, module by module: a memory store, a manual clock, and a log that follows a script."""
