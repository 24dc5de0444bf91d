"""Changelog: written with every change, read to restore, compare and fill the store."""
