"""What decides memory in the backends of ggml: alignment, padding, scratch space, and what they can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from lmpm.estimate.memory.ggml.tensor import row_size

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.run_config import Repacking

BackendKind = Literal["cpu", "cuda", "metal"]

ALIGNMENT: Final[Mapping[BackendKind, int]] = {"cpu": 32, "cuda": 128, "metal": 32}  # bytes; get_alignment of each
CUDA_ROW: Final = 512  # elements that quantized rows are padded to; ggml-cuda, MATRIX_ROW_PADDING
OFFLOAD_ROWS: Final = 32  # a batch of so many is worth copying a weight to a GPU for; op_offload_min_batch_size

# ggml-metal-impl.h: of the flash attention kernel, and of mul_mat_id
METAL_CELLS: Final = 64
METAL_CELLS_VEC: Final = 32
METAL_QUERIES: Final = 8
METAL_GROUPS: Final = 32
METAL_SCALES: Final = 8 + 256 * 4  # bytes

# Head sizes that have a flash attention kernel; fattn.cu and ggml-metal-device.m
CUDA_HEADS: Final = frozenset({40, 64, 72, 80, 96, 112, 128, 256})
METAL_HEADS: Final = frozenset({32, 40, 48, 64, 72, 80, 96, 112, 128, 192, 256, 320, 512, 576})
CUDA_GROUPED: Final[Mapping[tuple[int, int], int]] = {(192, 128): 8, (320, 256): 32, (512, 512): 2, (576, 512): 2}

# Types that the CPU backend repacks, with the step that the rows must come in; ggml-cpu/repack.cpp,
# ggml_repack_get_optimal_repack_type.
_AVX2: Final[Mapping[str, int]] = {"Q4_0": 8, "Q4_K": 8, "IQ4_NL": 8, "MXFP4": 8}
_NEON: Final[Mapping[str, int]] = {
    "Q4_0": 4, "Q4_K": 8, "Q5_K": 8, "Q6_K": 8, "IQ4_NL": 4, "MXFP4": 4, "Q8_0": 4,
}  # fmt: skip
REPACKED: Final[Mapping[Repacking, Mapping[str, int]]] = {
    "none": {},
    "avx2": _AVX2,
    "avx512": {**_AVX2, "Q2_K": 8},
    "neon": _NEON,
}


@dataclass(frozen=True, slots=True)
class Backend:
    """A GPU, or the CPU. `share` is its part of the layers, as the memory that is free there."""

    kind: BackendKind
    name: str
    share: float = 1.0

    @property
    def alignment(self) -> int:
        """Bytes that tensors are aligned to."""
        return ALIGNMENT[self.kind]

    def alloc_size(self, tensor: Tensor) -> int:
        """Bytes of a tensor with what the backend adds; ..._buffer_type_get_alloc_size."""
        if self.kind == "cuda":
            size = _cuda_attention(tensor) if tensor.op == "flash_attn" else tensor.nbytes
            rest = tensor.ne[0] % CUDA_ROW
            return size + row_size(tensor.type, CUDA_ROW - rest) if tensor.is_quantized and rest else size
        if self.kind == "metal":
            return tensor.nbytes + _metal_scratch(tensor)
        return tensor.nbytes

    def padded(self, tensor: Tensor) -> int:
        """Bytes of a tensor up to the next one."""
        return -(-self.alloc_size(tensor) // self.alignment) * self.alignment

    def supports(self, tensor: Tensor) -> bool:
        """Whether it can do an operation: attention is the one that it may lack."""
        if tensor.op != "flash_attn":
            return True
        q, k, v = tensor.sources[:3]
        return self.flash_attention(k.ne[0], v.ne[0], q.ne[2] // k.ne[2])

    def flash_attention(self, key: int, value: int, group: int) -> bool:
        """Whether there is a kernel for heads of these sizes, `group` query heads for each of the cache."""
        if self.kind == "cuda":
            step = CUDA_GROUPED.get((key, value))
            return group % step == 0 if step else key == value and key in CUDA_HEADS
        return self.kind == "cpu" or (key in METAL_HEADS and key >= value)

    def offloads(self, tensor: Tensor) -> bool:
        """Whether it takes an operation whose weights lie in host memory; ..._device_offload_op."""
        if self.kind == "cpu":
            return False
        match tensor.op:
            case "get_rows":
                rows = 0
            case "mul_mat":
                rows = tensor.ne[1]
            case "mul_mat_id" | "rope":
                rows = tensor.ne[2]
            case _:
                rows = tensor.ne[1] * tensor.ne[2] * tensor.ne[3]
        if self.kind == "metal" and tensor.op not in ("mul_mat", "mul_mat_id"):
            return False
        return rows >= OFFLOAD_ROWS


CPU: Final = Backend("cpu", "CPU")


def _cuda_attention(tensor: Tensor) -> int:
    """The result, and f16 copies of a layer's quantized keys and values."""
    _, keys, values = tensor.sources[:3]
    end = tensor.nbytes
    for item in (keys,) if _shares(values, keys) else (keys, values):
        if item.type != "F16":
            end = -(-end // 128) * 128 + item.elements * 2
    return end


def _metal_scratch(tensor: Tensor) -> int:
    """What the Metal kernels use beside their result; ggml-metal-ops.cpp, ..._extra_*."""
    if tensor.op == "mul_mat_id":
        experts, tokens = tensor.sources[0].ne[2], tensor.sources[2].ne[1]
        return 4 * experts + 4 * experts * tokens + METAL_SCALES
    if tensor.op == "argsort":
        return tensor.nbytes
    return _metal_attention(tensor) if tensor.op == "flash_attn" else 0


def _metal_attention(tensor: Tensor) -> int:
    q, k, v = tensor.sources[:3]
    mask = tensor.sources[3].ne if len(tensor.sources) > 3 else (0, 0, 0, 0)
    copied = k.is_quantized and q.ne[1] >= METAL_GROUPS
    shared = _shares(v, k)
    key_row = 2 * k.ne[0] if copied else k.nb[1]
    value_row = 2 * (k.ne[0] if shared else v.ne[0]) if copied else v.nb[1]
    rows = key_row * k.ne[2] * k.ne[3] + value_row * v.ne[2] * v.ne[3] + 2 * mask[1] * mask[2] * mask[3]
    pad = METAL_CELLS * rows
    small = q.ne[1] < 20 and q.ne[0] % 32 == 0
    queries, cells = (1, METAL_CELLS_VEC) if small else (METAL_QUERIES, METAL_CELLS)
    blocks = -(-mask[0] // cells) * -(-q.ne[1] // queries) * mask[2] * mask[3]
    partial = 4 * min(q.ne[1], 32) * q.ne[2] * q.ne[3] * METAL_GROUPS * (v.ne[0] + 2)
    copies = _padded(2 * k.elements, 16) + (0 if shared else _padded(2 * v.elements, 16))
    return pad + _padded(blocks, 32) + partial + copies


def _shares(values: Tensor, keys: Tensor) -> bool:
    """Whether the values are a part of the keys, as in a compressed cache."""
    return values.root is not None and values.root is keys.root


def _padded(size: int, step: int) -> int:
    return -(-size // step) * step


def repacking(system_info: str) -> Repacking:
    """What a build repacks, told by llama.cpp's own line of features."""
    if "REPACK = 1" not in system_info:
        return "none"
    if "AVX2 = 1" in system_info:
        return "avx512" if "AVX512 = 1" in system_info else "avx2"
    return "neon" if "DOTPROD = 1" in system_info or "MATMUL_INT8 = 1" in system_info else "none"
