"""As much of ggml as decides how many bytes a graph needs."""
