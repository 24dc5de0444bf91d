"""Coverage-guided fuzzing of all that reads what others wrote, and the inputs that were kept of it."""
