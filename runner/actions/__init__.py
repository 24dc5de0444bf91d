"""Actions: pure functions from event, record and time to a Decision."""
