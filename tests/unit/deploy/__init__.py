"""Everything below deploy/ that can be checked without a container engine or a cluster."""
