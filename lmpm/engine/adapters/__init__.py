"""The builds of llama.cpp that lmpm can use, one file for each way in which they are distributed."""
