"""``runner projection``: how the lists stand, and how they are made anew."""
