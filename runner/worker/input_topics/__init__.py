"""Input topics: their messages are payloads alone, which become events on ``requests``."""
