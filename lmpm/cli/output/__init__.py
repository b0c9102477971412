"""What a terminal and other programs get to read."""
