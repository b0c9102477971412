"""A llama.cpp library through its C interface, in the child only: memory plans, and a server where it has none."""
