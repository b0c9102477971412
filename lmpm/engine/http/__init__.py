"""llama-server as lmpm uses it: what it is told, and the client that speaks to it."""
