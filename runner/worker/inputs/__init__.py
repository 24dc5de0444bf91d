"""Other ways in: topics whose messages are payloads alone become events on ``requests``."""
