"""Tests of the projection that need no database."""
