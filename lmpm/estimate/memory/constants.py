"""What llama.cpp and lmpm take as given whatever the model, with units and sources."""

from __future__ import annotations

from typing import Final

from lmpm.limits import MIB

BUILD: Final = "llama.cpp b11549"  # whose rules are followed here: graphs, caches and buffers change between builds

CONTEXT_STEP: Final = 256  # cells: llama.cpp pads a context to a multiple of it; llama-context.cpp
MOST_LAYERS: Final = 512  # llama-hparams.h, LLAMA_MAX_LAYERS: more are a lie
MOST_EXPERTS: Final = 1024  # llama-hparams.h, LLAMA_MAX_EXPERTS

# What no buffer of llama.cpp shows.
TOKENIZER_BYTES_PER_TOKEN: Final = 400  # tables of a BPE vocabulary with merges, measured: 0.3-0.45 KB a token
HOST_OVERHEAD: Final = 32 * MIB  # Python, the library and its small buffers
GPU_OVERHEAD: Final = {"cuda": 350 * MIB, "metal": 32 * MIB}  # the context of a device: 107-555 MiB reported


def is_followed(build: str) -> bool:
    """Whether the formula follows this build of llama.cpp, as an engine names it: `llama.cpp 0.6.0 b11549`."""
    return BUILD.split()[-1] in build.replace("(", " ").split()


def padded(context: int) -> int:
    """Cells that llama.cpp allocates for a context of this many tokens."""
    return -(-context // CONTEXT_STEP) * CONTEXT_STEP


def filled(context: int) -> int:
    """Tokens in the cache when a speed is predicted: half of what it can hold."""
    return max(1, context // 2)
