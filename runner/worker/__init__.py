"""Worker: the loop that reads, decides, applies and commits."""
