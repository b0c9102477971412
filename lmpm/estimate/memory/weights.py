"""In which buffer llama.cpp puts each weight, each layer's cache, and what of it counts twice.

Follows `llama-model.cpp` (load_tensors, make_cpu_buft_list), `llama-model-loader.cpp` (create_tensor) and
`llama-arch.cpp` (which tensors belong to the input and which to the output).
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.ggml.backend import CPU, REPACKED
from lmpm.estimate.memory.ggml.tensor import Tensor

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from lmpm.estimate.memory.ggml.backend import Backend
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.gguf import header
    from lmpm.run_config import RunConfig

# Rows are read by number: they are never repacked.
LOOKED_UP: Final = frozenset(
    {"token_embd.weight", "position_embd.weight", "token_types.weight", "per_layer_token_embd.weight"}
)
# What belongs to the first layer though its name does not say so.
FIRST: Final = re.compile(r"(?:token_embd_norm|per_layer_model_proj|per_layer_proj_norm)\.")
EXPERTS: Final = re.compile(r"\.ffn_(?:up|down|gate|gate_up)_(?:ch)?exps")
BLOCK: Final = re.compile(r"(?:blk|cache)\.(\d+)\.")
FREQUENCIES: Final = re.compile(r"rope_(?:freqs|factors_long|factors_short)\.weight")
HEADLESS: Final = frozenset({"encoder", "pre_norm_encoder"})  # kinds without an output matrix
LAZY_BYTES: Final = 4 * 1024**3  # larger tables of rows are read from the file as needed; lazy_read::add
LAZY: Final = frozenset({"per_layer_token_embd.weight"})


@dataclass(frozen=True, slots=True)
class Placement:
    """Who holds what: backends in the order of preference, the CPU last.

    Layers from `first` on, the output being the last one, go to the GPUs by their shares.
    """

    model: HParams
    settings: RunConfig
    gpus: tuple[Backend, ...] = ()

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The GPUs, then the CPU."""
        return (*self.gpus, CPU)

    @property
    def offloaded(self) -> int:
        """Layers on GPUs; the output counts as one."""
        if not self.gpus:
            return 0
        every = self.model.all_layers + 1
        return every if self.settings.gpu_layers is None else min(self.settings.gpu_layers, every)

    def of_layer(self, layer: int) -> int:
        """The backend of a layer; the output is the layer after the last one."""
        first = self.model.all_layers + 1 - self.offloaded
        if layer < first or not self.offloaded:
            return len(self.gpus)
        ends = list(accumulate(gpu.share for gpu in self.gpus))
        at = (layer - first) / self.offloaded
        return min(bisect_right([end / ends[-1] for end in ends], at), len(self.gpus) - 1)

    def of(self, name: str) -> int:
        """The backend of a weight or a cache, by its name."""
        found = BLOCK.match(name)
        if found is None:
            return self._outside(name)
        layer = int(found[1])
        kept = self.settings.expert_layers_on_cpu
        if EXPERTS.search(name) and (kept is None or layer < kept):
            return len(self.gpus)
        return self.of_layer(layer)

    def _outside(self, name: str) -> int:
        """The backend of what is in no layer: the input in host memory, the rest with the output."""
        if name in LOOKED_UP:
            return len(self.gpus)
        is_last = "output_norm.weight" not in self.model.tensors and self.model.architecture.kind != "encoder"
        if FIRST.match(name) and not is_last:  # LFM2 calls its last norm so
            return self.of_layer(0)
        return self.of_layer(self.model.all_layers)

    def weights(self) -> Iterator[tuple[header.Tensor, int]]:
        """Every weight that is loaded, with its backend; some are loaded into several."""
        model = self.model
        for name, tensor in model.tensors.items():
            if not is_loaded(model, name):
                continue
            if FREQUENCIES.match(name):  # every layer needs them: once in each backend
                for backend in sorted({self.of_layer(layer) for layer in range(model.layers)}):
                    yield tensor, backend
            else:
                yield tensor, self.of(name)
        if is_tied(model):
            tensor = model.tensors["token_embd.weight"]
            output = self.of_layer(model.all_layers)
            if model.architecture.tied_twice or output != len(self.gpus) or self.repacks(tensor, as_output=True):
                yield tensor, output

    def repacks(self, tensor: header.Tensor, *, as_output: bool = False) -> bool:
        """Whether the CPU backend reorders a matrix; not where the host memory of a CUDA device comes first."""
        if any(gpu.kind == "cuda" for gpu in self.gpus):
            return False
        return (as_output or tensor.name not in LOOKED_UP) and is_repacked(tensor, REPACKED[self.settings.repack])

    def is_plain(self, name: str) -> bool:
        """Whether a weight lies in its own order, so that a GPU could take a copy."""
        tied = name == "output.weight" and name not in self.model.tensors
        tensor = self.model.tensors.get("token_embd.weight" if tied else name)
        return tensor is None or not self.repacks(tensor, as_output=tied)

    def weight_bytes(self) -> tuple[list[int], int]:
        """Bytes of the weights in each backend, and of the repacked ones in host memory."""
        sizes, repacked = [0] * len(self.backends), 0
        cpu, seen = len(self.gpus), set()
        for tensor, where in self.weights():
            backend = self.backends[where]
            size = backend.padded(Tensor(tensor.type, tensor.shape))
            tied = tensor.name in seen
            seen.add(tensor.name)
            if where == cpu and self.repacks(tensor, as_output=tied):
                repacked += size
            elif tied and where == cpu and self.settings.mmap:
                continue  # both are the same pages of the file
            elif tensor.name not in LAZY or tensor.nbytes <= LAZY_BYTES:
                sizes[where] += size
        return sizes, repacked


def is_loaded(model: HParams, name: str) -> bool:
    """Whether a tensor of the file is used: layers that predict further tokens at once are not."""
    found = BLOCK.match(name)
    return found is None or int(found[1]) < model.layers


def is_tied(model: HParams) -> bool:
    """Whether the token embeddings are the output matrix, too."""
    return "output.weight" not in model.tensors and model.architecture.kind not in HEADLESS


def is_repacked(tensor: header.Tensor, types: Mapping[str, int]) -> bool:
    """Whether there is a reordered form of a matrix; ggml-cpu/repack.cpp, supports_op."""
    step = types.get(tensor.type)
    if step is None or not tensor.name.endswith(".weight"):
        return False
    return _dimensions(tensor.shape) == (3 if EXPERTS.search(tensor.name) else 2) and tensor.shape[1] % step == 0


def _dimensions(shape: Sequence[int]) -> int:
    count = len(shape)
    while count > 1 and shape[count - 1] == 1:
        count -= 1
    return count


def mapped_bytes(placement: Placement) -> int:
    """Bytes of the files that stay mapped for the CPU: of each, from its first to its last weight that lies there."""
    cpu = len(placement.gpus)
    ranges: dict[int, tuple[int, int]] = {}
    for tensor, where in placement.weights():
        if where == cpu and not placement.repacks(tensor):
            shard = placement.model.shard[tensor.name]
            start, end = ranges.get(shard, (tensor.offset, tensor.offset))
            ranges[shard] = (min(start, tensor.offset), max(end, tensor.offset + tensor.nbytes))
    return sum(end - start for start, end in ranges.values())
