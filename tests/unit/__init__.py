"""No input or output: seconds for all of them."""
