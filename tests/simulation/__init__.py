"""Seeded random histories over the pure batch processor of the worker."""
