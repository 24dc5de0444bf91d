"""The parts of the soak that could be wrong without anybody noticing."""
