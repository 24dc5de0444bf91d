"""Unit tests of `runner notify`: no servers, no waiting."""
