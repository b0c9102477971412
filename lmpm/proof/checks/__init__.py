"""What is expected of an answer, and whether it is so: one file for each family of checks."""
