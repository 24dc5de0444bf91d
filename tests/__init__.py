"""The tests, by what they need: nothing, one interface, real servers, whole processes."""
