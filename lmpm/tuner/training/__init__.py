"""Training with torch: what is learnt, step by step, and kept so that it can go on."""
