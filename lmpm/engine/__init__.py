"""llama.cpp, always in a child process with limits."""
