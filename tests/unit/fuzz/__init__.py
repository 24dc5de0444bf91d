"""What fuzzing has found so far stays found."""
