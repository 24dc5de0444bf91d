"""Wiring: from the configuration to the parts that use it, all of it in this folder."""
