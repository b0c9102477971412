"""Cases: what a model is asked and what is expected, as files that people write."""
