"""How much memory the encoder of pictures takes beside a model: its weights, and scratch for the warm-up picture.

Follows `llama.cpp/tools/mtmd/clip.cpp` (load_tensors, warmup). A larger picture than that of the warm-up needs
more, up to twice as much; llama.cpp then reserves again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.backend import CPU
from lmpm.estimate.memory.ggml.scheduler import compute_buffers
from lmpm.estimate.memory.ggml.tensor import Tensor
from lmpm.estimate.memory.graphs.projectors import PROJECTORS
from lmpm.estimate.memory.graphs.vision import Vision

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.gguf import Header

BOUND: Final = 1.5  # of a kind that is not known, over its transformer alone


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectorNeed:
    """Bytes on the device of the encoder, and scratch on the host. `is_bound` tells a kind that is not known."""

    weights: int
    compute: int
    host_compute: int
    is_bound: bool = False

    @property
    def total(self) -> int:
        """All of it."""
        return self.weights + self.compute + self.host_compute


def projector_need(header: Header, gpu: Backend | None = None, *, flash_attention: bool = True) -> ProjectorNeed:
    """What an mmproj takes on a GPU, or on the CPU; its weights are copied, never mapped."""
    device = gpu or CPU
    weights = sum(device.padded(Tensor(tensor.type, tensor.shape)) for tensor in header.tensors)
    try:
        return _by_graph(header, gpu, weights, flash_attention=flash_attention)
    except ZeroDivisionError:  # it has no size of a picture, or of a patch: llama.cpp refuses it when it is loaded
        return ProjectorNeed(weights=weights, compute=weights // 2, host_compute=0, is_bound=True)


def _by_graph(header: Header, gpu: Backend | None, weights: int, *, flash_attention: bool) -> ProjectorNeed:
    """With the scratch of its graph for the warm-up picture."""
    graph = Vision(header, flash_attention=flash_attention)
    known = PROJECTORS.get(graph.kind)
    if known is None and "v.patch_embd.weight" not in graph.names:
        return ProjectorNeed(weights=weights, compute=weights // 2, host_compute=0, is_bound=True)
    graph.expand(known(graph) if known else graph.transformer(graph.patched(), graph.patches))
    sizes = compute_buffers(graph, (gpu, CPU) if gpu else (CPU,))
    factor = 1.0 if known else BOUND
    return ProjectorNeed(
        weights=weights,
        compute=int(sizes[0] * factor),
        host_compute=sizes[1] if gpu else 0,
        is_bound=known is None,
    )
