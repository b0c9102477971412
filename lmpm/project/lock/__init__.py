"""`lmpm.lock`: its records, reading and writing, and what a machine takes from it."""
