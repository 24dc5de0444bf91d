"""One suite per interface, over every implementation of it: here the stores."""
