"""How many bytes a model needs: from a few facts for ranking many, or to the byte from a file's header.

`estimate` and `bytes_per_token` take what a catalog knows. `lmpm.memory.need` takes a header with its tensor
table and the settings of a run, and answers by part and by device as llama.cpp itself would.
"""

from lmpm.memory.coarse import bytes_per_token, estimate, kv_cache, shape_of
from lmpm.memory.settings import LLAMA_SERVER, LMPM, PRESETS, padded
from lmpm.settings import Settings

__all__ = [
    "LLAMA_SERVER",
    "LMPM",
    "PRESETS",
    "Settings",
    "bytes_per_token",
    "estimate",
    "kv_cache",
    "padded",
    "shape_of",
]
