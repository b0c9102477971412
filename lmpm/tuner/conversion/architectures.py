"""How each architecture that can be tuned is written as GGUF: the keys of its header, and what becomes of its tensors.

A rule stands here once the logits of llama.cpp were compared with those of transformers (tests/tuner/test_parity.py).
What a rule cannot express, such as a scaled rotary embedding, is refused: a file that loads and answers
slightly wrong is the worst result of a conversion. Sources: llama.cpp `src/models/{llama,qwen2,qwen3,gemma3}.cpp` for
what is read, transformers `models/*/modeling_*.py` for what is trained.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import SpecError
from lmpm.fs import printable

if TYPE_CHECKING:
    from lmpm.gguf import Header

Config = Mapping[str, Any]
GEMMA_LOCAL_BASE: Final = 10_000.0  # of the layers with a window; llama.cpp has it in its source
GEMMA_PATTERN: Final = 6  # each sixth layer sees everything
ROTARY: Final = {"q_proj": "num_attention_heads", "k_proj": "num_key_value_heads"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """One architecture, by its name in GGUF.

    `interleaves` says that llama.cpp rotates pairs of neighbours, `adds_one` that norms are stored less one,
    `states_head` that the width of a head is a key of its own; `check` refuses what cannot be written.
    """

    name: str
    interleaves: bool = False
    adds_one: bool = False
    states_head: bool = False
    has_window: bool = False
    check: Callable[[Config], None] = lambda _config: None

    def changed(self, name: str, values: Any, config: Config) -> Any:
        """A tensor of the Hugging Face name `name` as GGUF has it."""
        module = name.split(".")[-2] if "." in name else name
        if self.interleaves and module in ROTARY:
            return interleaved(values, heads_of(config, module))
        if self.adds_one and module.endswith("norm"):
            return values + 1
        return values

    def changed_out(self, module: str, values: Any, config: Config) -> Any:
        """The B of a LoRA, whose rows are those of the weight of `module`."""
        last = module.rpartition(".")[2]
        return interleaved(values, heads_of(config, last)) if self.interleaves and last in ROTARY else values


def heads_of(config: Config, module: str) -> int:
    """How many heads a projection has."""
    return int(config.get(ROTARY[module]) or config["num_attention_heads"])


def interleaved(values: Any, heads: int) -> Any:
    """Rows for a rotation of halves (transformers) in the order of a rotation of neighbours (llama.cpp's NORM)."""
    rows = values.shape[0]
    halves = values.reshape(heads, 2, rows // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def rope_base(config: Config) -> float:
    """The base of the rotary embedding, whichever release of transformers wrote the file. Raises SpecError."""
    told = config.get("rope_parameters") or {}
    if "full_attention" in told:
        told = told["full_attention"]
    scaling = told or config.get("rope_scaling") or {}
    kind = scaling.get("rope_type") or scaling.get("type") or "default"
    if kind != "default":
        raise _unlike(f"its rotary embedding is scaled (`{printable(str(kind))}`)")
    return float(told.get("rope_theta") or config.get("rope_theta") or 10_000.0)


def _no_window(config: Config) -> None:
    if config.get("use_sliding_window"):
        raise _unlike("it attends within a window")


def _check_llama(config: Config) -> None:
    if config.get("mlp_bias"):
        raise _unlike("its feed-forward layers have biases")


def _check_gemma(config: Config) -> None:
    head = head_size(config)
    if float(config.get("query_pre_attn_scalar") or head) != head:
        raise _unlike("its attention is scaled by another number than the width of a head")
    if config.get("attn_logit_softcapping") or config.get("final_logit_softcapping"):
        raise _unlike("its logits are capped")
    kinds = config.get("layer_types") or []
    usual = ["full_attention" if not (at + 1) % GEMMA_PATTERN else "sliding_attention" for at in range(len(kinds))]
    if list(kinds) != usual:
        raise _unlike("its layers with and without a window do not alternate by six")
    told = (config.get("rope_parameters") or {}).get("sliding_attention") or {}
    if float(told.get("rope_theta") or config.get("rope_local_base_freq") or GEMMA_LOCAL_BASE) != GEMMA_LOCAL_BASE:
        raise _unlike("the rotary embedding of its layers with a window has another base")


ARCHITECTURES: Final = {
    "llama": Architecture(name="llama", interleaves=True, check=_check_llama),
    "qwen2": Architecture(name="qwen2", check=_no_window),
    "qwen3": Architecture(name="qwen3", states_head=True, check=_no_window),
    "gemma3_text": Architecture(name="gemma3", adds_one=True, states_head=True, has_window=True, check=_check_gemma),
}


def architecture_of(config: Config) -> Architecture:
    """The rule for a `config.json`. Raises SpecError for an architecture without one."""
    kind = str(config.get("model_type", ""))
    found = ARCHITECTURES.get(kind)
    if found is None:
        known = ", ".join(f"`{name}`" for name in ARCHITECTURES)
        raise SpecError(f"Models of the type `{printable(kind)}` cannot be tuned", hint=f"Those that can: {known}")
    rope_base(config)
    found.check(config)
    return found


def shape_of(header: Header) -> tuple[Architecture, Config]:
    """The rule for a GGUF file, and what a LoRA for it must know of its shape. Raises SpecError for one without."""
    found = next((item for item in ARCHITECTURES.values() if item.name == header.architecture), None)
    numbers = {
        "num_hidden_layers": header.integer("block_count"),
        "num_attention_heads": header.integer("attention.head_count"),
        "num_key_value_heads": header.integer("attention.head_count_kv") or header.integer("attention.head_count"),
    }
    if found is None or not all(numbers.values()):
        known = ", ".join(f"`{item.name}`" for item in ARCHITECTURES.values())
        raise SpecError(
            f"A LoRA for a model of the kind `{printable(header.architecture)[:40]}` cannot be converted exactly",
            hint=f"Those that can: {known}. A GGUF adapter of llama.cpp's own converter can be pinned as it is",
        )
    return found, numbers


def head_size(config: Config) -> int:
    """The width of a head."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def write_keys(writer: Any, architecture: Architecture, config: Config) -> None:
    """The keys that describe the shape."""
    head = head_size(config)
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(int(config["hidden_size"]))
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(int(config["num_attention_heads"]))
    writer.add_head_count_kv(heads_of(config, "k_proj"))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_rope_freq_base(rope_base(config))
    writer.add_vocab_size(int(config["vocab_size"]))
    if architecture.states_head or head * int(config["num_attention_heads"]) != int(config["hidden_size"]):
        writer.add_key_length(head)
        writer.add_value_length(head)
    if architecture.interleaves:
        writer.add_rope_dimension_count(head)
    if architecture.has_window:
        writer.add_sliding_window(int(config["sliding_window"]))


def _unlike(why: str) -> SpecError:
    return SpecError(f"The base cannot be written as GGUF exactly: {why}", hint="Take another base with `--base`")
