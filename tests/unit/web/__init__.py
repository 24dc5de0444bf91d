"""Tests of the HTTP API without a network."""
