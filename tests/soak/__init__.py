"""Workers under disturbances of every kind, for minutes or hours: ``make soak``."""
