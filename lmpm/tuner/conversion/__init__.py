"""From safetensors to GGUF, with `gguf` and numpy alone: whole models, LoRA adapters, and both merged."""
