"""What a training will take: seconds, bytes of memory and of disk, estimated before it begins.

The rule of memory is arithmetic (weights, gradients and two moments of AdamW, activations without checkpointing, logits
of what is learnt). That of time is operations over what the processor does in f32: on two AVX2 cores a LoRA on
SmolLM2-135M read 147 tokens a second and one on Qwen2.5-0.5B 68, which are 6 x 134 M x 147 = 118 and 6 x 494 M x 68 =
202 GFLOP/s; the lower of them is taken, by core. A GPU is taken at what a small one does. So the time is right to
about a factor of two, and the first steps tell better.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import LmpmError, NoSpaceError
from lmpm.fs import free_space
from lmpm.tuner.conversion.quantize import PACKED
from lmpm.units import human

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from lmpm.tuner.settings import Settings

CORE_FLOPS: Final = 5.9e10  # of a CPU core in f32: 118 GFLOP/s on two
GPU_FLOPS: Final = 2e13  # of a GPU in bf16: a third of what an RTX 3060 promises
STEP_S: Final = 0.02  # of a step whatever its size: measured on a model of 160,000 parameters
FLOPS: Final = 6  # operations a parameter and token: forward, and backward through activations and weights
TRAINED_BYTES: Final = 16  # a trained number: itself, its gradient, two moments
ACTIVATION_BYTES: Final = 34  # a layer, token and unit of width, without checkpointing
OVERHEAD_BYTES: Final = 600 * 1024**2  # torch and transformers themselves
Q8_0_BYTES: Final = 34 / 32
FULL_BYTES: Final = 4  # a number of the file that a K-quant is made of


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a training takes: `steps`, `seconds`, and bytes of memory and of disk at the most."""

    steps: int
    tokens: int
    seconds: float
    memory: int
    disk: int


def costs_of(
    settings: Settings,
    config: Mapping[str, Any],
    parameters: int,
    *,
    examples: int,
    tokens: int,
    longest: int,
    cores: int,
    quant: str = "Q8_0",
) -> Costs:
    """The costs of a training on `examples` with so many `tokens` altogether, the longest having `longest`.

    `config` is that of the model in transformers' words, `cores` those of the CPU.
    """
    layers, width, vocabulary = (int(config[key]) for key in ("num_hidden_layers", "hidden_size", "vocab_size"))
    steps = steps_of(settings, examples)
    read = ceil(tokens * settings.epochs)
    is_gpu = settings.device == "cuda"
    flops = GPU_FLOPS if is_gpu else CORE_FLOPS * cores
    trained = parameters if settings.kind == "scratch" else trained_of(settings, config)
    at_once = settings.batch * min(longest, settings.max_tokens)
    memory = (
        parameters * (2 if is_gpu else 4)
        + trained * TRAINED_BYTES
        + layers * at_once * width * ACTIVATION_BYTES
        + at_once * vocabulary * 4 * 2
        + OVERHEAD_BYTES
    )
    made = int(parameters * Q8_0_BYTES)
    # a checkpoint and the one that replaces it, the file, and for a LoRA that of the base to compare with
    disk = 2 * 12 * trained + made * (1 if settings.kind == "scratch" else 2)
    disk += 0 if quant in PACKED else parameters * FULL_BYTES * (1 if settings.kind == "scratch" else 2)
    seconds = FLOPS * parameters * read / flops + STEP_S * steps
    return Costs(steps=steps, tokens=read, seconds=seconds, memory=memory, disk=disk)


def steps_of(settings: Settings, examples: int) -> int:
    """How many steps the epochs are."""
    return max(1, round(settings.epochs * -(-examples // settings.batch)))


def trained_of(settings: Settings, config: Mapping[str, Any]) -> int:
    """How many numbers a LoRA on all projections has."""
    wide, deep = int(config["hidden_size"]), int(config["intermediate_size"])
    heads = int(config["num_attention_heads"])
    head = int(config.get("head_dim") or wide // heads)
    kv = head * int(config.get("num_key_value_heads") or heads)
    sides = 2 * (wide + head * heads) + 2 * (wide + kv) + 3 * (wide + deep)
    return int(config["num_hidden_layers"]) * settings.rank * sides


def require_room(costs: Costs, folder: Path, memory: int | None) -> None:
    """Raise NoSpaceError or LmpmError where a training cannot end; `memory` are the bytes of this machine."""
    free = free_space(folder)
    if free < costs.disk:
        raise NoSpaceError(
            f"Not enough space in `{folder}`: the training writes {human(costs.disk)}, {human(free)} are free",
            path=folder,
            wanted=costs.disk,
            free=free,
        )
    if memory is not None and costs.memory > memory:
        raise LmpmError(
            f"The training would need {human(costs.memory)} of memory, this machine has {human(memory)}",
            hint="Take a smaller base with `--base`, or fewer examples at once with `--batch 1`",
            kind="memory",
        )
