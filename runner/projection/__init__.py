"""Projection: the changelog folded into SQL tables, and what is read from them."""
