"""What is checked of a candidate before it is chosen."""
