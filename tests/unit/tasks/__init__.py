"""Tests of records and what is told of them."""
