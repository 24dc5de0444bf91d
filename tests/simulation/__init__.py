"""Seeded random histories over the pure middle of the worker."""
