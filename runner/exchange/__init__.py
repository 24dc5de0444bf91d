"""Exchange: an event to the home of its task, and the reply to it."""
