"""Tests of the client of the HTTP API, over a transport in memory."""
