"""A LoRA of peft: what it changes, exactly, as deltas of weights and as a GGUF file.

llama.cpp knows one alpha a file and divides by the rank of each tensor. So what peft does with a scale of its own for a
module (`use_rslora`, `alpha_pattern`) goes into B: B x (peft's scale x rank / alpha of the file).
Sources: peft `tuners/lora/layer.py` (`update_layer`) and `utils/other.py` (`get_pattern_key`), llama.cpp
`src/llama-adapter.cpp` and `llama-graph.cpp` (`build_lora_mm`).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import IntegrityError, SpecError
from lmpm.fs import printable
from lmpm.tuner.conversion.safetensors import Weights
from lmpm.tuner.conversion.vocabulary import read_json

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PREFIX: Final = "base_model.model."
_PART: Final = re.compile(r"(?P<module>.+)\.lora_(?P<part>[AB])\.weight")
MERGE_HINT: Final = "Merge it into its base with peft (`merge_and_unload`), and give the merged model as the base"


@dataclass(frozen=True, slots=True)
class Pair:
    """What a LoRA adds to the weight of `module`: `scale` x B x A. `a` and `b` are names of tensors."""

    module: str
    a: str
    b: str
    rank: int
    scale: float


@dataclass(frozen=True)
class Adapter:
    """A folder with `adapter_config.json` and `adapter_model.safetensors`."""

    folder: Path

    @cached_property
    def config(self) -> Mapping[str, Any]:
        """What peft was told. Raises SpecError for what no LoRA file can hold."""
        config = read_json(self.folder / "adapter_config.json")
        if why := refusal(config):
            raise SpecError(f"The adapter cannot be written as GGUF: {why}", hint=MERGE_HINT)
        return config

    @cached_property
    def weights(self) -> Weights:
        """Its tensors."""
        path = self.folder / "adapter_model.safetensors"
        if not path.is_file():
            raise IntegrityError(f"`{printable(str(self.folder))}` has no `{path.name}`")
        return Weights(path)

    @cached_property
    def alpha(self) -> float:
        """The alpha of the GGUF file: that at which most modules need no change of B."""
        alpha = float(self.config["lora_alpha"])
        return alpha * math.sqrt(self.config["r"]) if self.config.get("use_rslora") else alpha

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """What it changes, by module. Raises SpecError and IntegrityError."""
        config = self.config
        found: dict[str, dict[str, str]] = {}
        for name in self.weights.tensors:
            part = _PART.fullmatch(name.removeprefix(PREFIX))
            if part is None:
                if ".lora_" not in name and name.endswith(".bias") and not self.weights.read(name).any():
                    continue  # a bias that was never trained adds nothing
                raise SpecError(f"The adapter cannot be written as GGUF: it holds `{printable(name)}`", hint=MERGE_HINT)
            found.setdefault(part["module"], {})[part["part"]] = name
        if not found:
            raise IntegrityError(f"`{printable(str(self.folder))}` holds no LoRA")
        return tuple(self._pair(module, names, config) for module, names in sorted(found.items()))

    def _pair(self, module: str, names: Mapping[str, str], config: Mapping[str, Any]) -> Pair:
        if set(names) != {"A", "B"}:
            raise IntegrityError(f"The adapter has half of a pair for `{printable(module)}`")
        a, b = self.weights.tensors[names["A"]].shape, self.weights.tensors[names["B"]].shape
        if len(a) != 2 or len(b) != 2 or a[0] != b[1]:
            raise IntegrityError(f"The pair for `{printable(module)}` does not go together: {a} and {b}")
        rank = _by_pattern(config.get("rank_pattern"), module, config["r"])
        if rank != a[0]:
            raise IntegrityError(f"The rank of `{printable(module)}` is {a[0]}, `adapter_config.json` says {rank}")
        alpha = float(_by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"]))
        scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
        return Pair(module, names["A"], names["B"], rank, scale)

    def delta(self, pair: Pair) -> Any:
        """What is added to the weight of a module, as a numpy array."""
        return pair.scale * (self.weights.read(pair.b) @ self.weights.read(pair.a))

    def in_file(self, pair: Pair) -> tuple[Any, Any]:
        """A and B as a file with `alpha` has them, the rows of B still in the order of transformers."""
        factor = pair.scale * pair.rank / self.alpha
        b = self.weights.read(pair.b)
        return self.weights.read(pair.a), b if factor == 1 else b * factor


def refusal(config: Mapping[str, Any]) -> str:
    """Why a LoRA file cannot hold what peft was told to train; empty where it can."""
    if config.get("peft_type") != "LORA":
        return f"it is of the type {printable(str(config.get('peft_type')))}, expected LORA"
    if config.get("use_dora"):
        return "it is a DoRA (`use_dora`), whose magnitudes llama.cpp does not know"
    if config.get("modules_to_save"):
        return "whole modules were trained as well (`modules_to_save`)"
    if config.get("trainable_token_indices"):
        return "tokens were trained as well (`trainable_token_indices`)"
    if config.get("lora_bias"):
        return "its B has a bias (`lora_bias`)"
    if config.get("fan_in_fan_out"):
        return "its weights are transposed (`fan_in_fan_out`)"
    return ""


def _by_pattern(pattern: Mapping[str, Any] | None, module: str, usual: Any) -> Any:
    """The value of the first pattern that a module's name ends in, as peft looks it up."""
    return next((value for key, value in (pattern or {}).items() if re.match(rf"(.*\.)?({key})$", module)), usual)


def deltas(adapter: Adapter | None) -> dict[str, Pair]:
    """What is added to which weight, by the name of that weight's tensor."""
    return {f"{pair.module}.weight": pair for pair in adapter.pairs} if adapter else {}


def written(adapter: Adapter) -> Iterator[tuple[Pair, Any, Any]]:
    """Each pair as a file has it."""
    for pair in adapter.pairs:
        yield (pair, *adapter.in_file(pair))
