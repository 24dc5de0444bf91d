"""The documents are true: what they show was run, what they list is what the code has."""
