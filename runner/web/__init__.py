"""Web: the HTTP API of tasks, in a process of its own."""
