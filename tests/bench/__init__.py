"""Measurements on real servers of this machine: ``make bench``."""
