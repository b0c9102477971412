"""The facts of a file that decide how much memory it takes: its keys by layer, and its tensors.

Follows llama.cpp `llama-model.cpp` (load_hparams), `llama-hparams.cpp` and the `load_arch_hparams` of
`models/*.cpp`.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING, Final

from lmpm.estimate.memory.architectures import ARCHITECTURES, UNKNOWN
from lmpm.estimate.memory.constants import MOST_EXPERTS, MOST_LAYERS

if TYPE_CHECKING:
    from lmpm.estimate.memory.architectures import Architecture
    from lmpm.gguf import Header, Tensor

VOCABULARY: Final = "tokenizer.ggml.tokens"
MOST: Final = 2**32  # numbers are unsigned, of 32 bits
# Keys that are read here, and keys that say nothing about memory.
UNDERSTOOD: Final = re.compile(
    r"block_count|context_length|embedding_length(_out)?|feed_forward_length|vocab_size|nextn_predict_layers"
    r"|attention\.(head_count(_kv)?|key_length(_mla|_swa)?|value_length(_mla|_swa)?|sliding_window(_pattern)?|causal"
    r"|shared_kv_layers|kv_lora_rank|q_lora_rank|layer_norm_(rms_)?epsilon|scale|temperature_\w+|clamp_kqv"
    r"|group_norm_\w+|max_alibi_bias|output_scale)"
    r"|expert_(count|used_count|feed_forward_length|shared_count|shared_feed_forward_length|weights_scale|weights_norm"
    r"|gating_func|group_count|group_used_count)|leading_dense_block_count|interleave_moe_layer_step"
    r"|moe_every_n_layers|rope\..+|ssm\.\w+|wkv\.head_size|token_shift_count|shortconv\.l_cache"
    r"|full_attention_interval|(embedding|residual|logit)_scale|(final|attn)_logit_softcapping|use_parallel_residual"
    r"|pooling_type|tensor_data_layout|decoder_start_token_id|swin_norm|logits_\w+"
)
STATEFUL: Final = re.compile(r"blk\.(\d+)\.(?:ssm_|time_mix_|shortconv\.)")


class HParams:
    """A header read as llama.cpp reads it. Layer numbers count from 0.

    Raises ValueError when llama.cpp would refuse the numbers in it.
    """

    def __init__(self, header: Header, *more_shards: Header) -> None:
        self.header = header
        self.tensors: dict[str, Tensor] = {}
        self.shard: dict[str, int] = {}  # of a tensor; all keys are in the first shard
        for number, shard in enumerate((header, *more_shards)):
            self.tensors |= {tensor.name: tensor for tensor in shard.tensors}
            self.shard |= {tensor.name: number for tensor in shard.tensors}
        self.architecture: Architecture = ARCHITECTURES.get(header.architecture, UNKNOWN)
        self.is_known = header.architecture in ARCHITECTURES
        self.all_layers = header.integer("block_count")
        self.wide = header.integer("embedding_length")
        self.experts = header.integer("expert_count")
        self.context_length = header.integer("context_length")
        self._check()

    def _check(self) -> None:
        for key, value in self.header.metadata.items():
            numbers = value if isinstance(value, tuple) else (value,)
            if key.startswith(f"{self.header.architecture}.") and not all(_is_plausible(item) for item in numbers):
                raise ValueError(f"`{key}` is not below {MOST}")
        used = max(self.header.integers("expert_used_count"), default=0)
        ahead = self.header.integer("nextn_predict_layers")
        if not 0 <= ahead <= self.all_layers <= MOST_LAYERS:
            raise ValueError(f"{self.all_layers} layers are not between 0 and {MOST_LAYERS}")
        if not 0 <= used <= self.experts <= MOST_EXPERTS:
            raise ValueError(f"{used} of {self.experts} experts are not between 0 and {MOST_EXPERTS}")

    @cached_property
    def layers(self) -> int:
        """Layers that the main graph runs: those for predicting further tokens at once are not."""
        return self.all_layers - self.header.integer("nextn_predict_layers")

    @cached_property
    def vocabulary(self) -> int:
        """Tokens of the vocabulary: the rows of the logits' buffer."""
        listed = self.header.array_lengths.get(VOCABULARY, 0)
        return listed or self.header.integer("vocab_size")

    @cached_property
    def is_causal(self) -> bool:
        """Whether a token sees only what came before it."""
        return self.header.metadata.get(f"{self.header.architecture}.attention.causal") is not False

    @cached_property
    def unknown_keys(self) -> tuple[str, ...]:
        """Keys of the architecture that nothing here reads and that may mean more memory, without its name."""
        prefix = f"{self.header.architecture}."
        own = (key.removeprefix(prefix) for key in self.header.metadata if key.startswith(prefix))
        return tuple(sorted(key for key in own if not UNDERSTOOD.fullmatch(key)))

    def shape(self, name: str) -> tuple[int, ...] | None:
        """The shape of a tensor, None when the file has no such tensor."""
        tensor = self.tensors.get(name)
        return tensor.shape if tensor else None

    def by_layer(self, key: str, layer: int, default: int = 0) -> int:
        """A key that is one number for all layers or one for each."""
        values = self.header.integers(key)
        if not values:
            return default
        return values[0] if len(values) == 1 else values[layer] if layer < len(values) else default

    # attention

    def heads(self, layer: int = 0) -> int:
        """Query heads."""
        return self.by_layer("attention.head_count", layer)

    def kv_heads(self, layer: int = 0) -> int:
        """Heads of the cache; 0 tells a layer without attention."""
        return self.by_layer("attention.head_count_kv", layer, self.heads(layer))

    def key_length(self, layer: int = 0) -> int:
        """Elements of a head's key."""
        heads = self.heads(0)
        plain = self.header.integer("attention.key_length", self.wide // heads if heads else 0)
        return self.header.integer("attention.key_length_swa", plain) if self.is_window(layer) else plain

    def value_length(self, layer: int = 0) -> int:
        """Elements of a head's value."""
        heads = self.heads(0)
        plain = self.header.integer("attention.value_length", self.wide // heads if heads else 0)
        return self.header.integer("attention.value_length_swa", plain) if self.is_window(layer) else plain

    @cached_property
    def is_latent(self) -> bool:
        """Whether one compressed key serves all heads and is the value, too (MLA)."""
        return bool(self.header.integer("attention.key_length_mla"))

    # sliding windows

    @cached_property
    def window(self) -> int:
        """Tokens that a window layer sees; 0 without window layers."""
        return self.architecture.window(self.header) if any(self._window_layers) else 0

    def is_window(self, layer: int) -> bool:
        """Whether a layer keeps only the last tokens."""
        return layer < len(self._window_layers) and self._window_layers[layer]

    @cached_property
    def _window_layers(self) -> tuple[bool, ...]:
        return self.architecture.window_layers(self.header, self.layers)

    # recurrent layers

    def is_recurrent(self, layer: int) -> bool:
        """Whether a layer has a state instead of, or beside, a cache."""
        if layer >= self.layers:
            return False
        match self.architecture.state_rule:
            case "all":
                return True
            case "no_kv_heads":
                return self.kv_heads(layer) == 0
            case "no_kv_heads_no_ff":
                return self.kv_heads(layer) == 0 and self.by_layer("feed_forward_length", layer) == 0
            case "by_tensors":
                return layer in self.layers_with_states
            case "interval":
                if self.header.integers("attention.recurrent_layers"):
                    return bool(self.by_layer("attention.recurrent_layers", layer))
                return (layer + 1) % self.header.integer("full_attention_interval", 4) != 0
        return False

    def has_cache(self, layer: int) -> bool:
        """Whether a layer keeps keys and values of its own."""
        known = self.architecture
        if known.keeps in ("nothing", "state"):
            return False
        shared = self.header.integer("attention.shared_kv_layers")
        if layer >= min(self.layers, known.cached_layers or self.all_layers - shared):
            return False
        if known.keeps == "cache" or known.state_rule == "all":  # attention and state side by side
            return True
        if known.state_rule == "no_kv_heads_no_ff" and self.by_layer("feed_forward_length", layer):
            return False
        return not self.is_recurrent(layer)

    @cached_property
    def layers_with_states(self) -> frozenset[int]:
        """Layers whose tensors are those of a recurrence."""
        found = (STATEFUL.match(name) for name in self.tensors)
        return frozenset(int(match[1]) for match in found if match)

    @cached_property
    def state_sizes(self) -> tuple[int, int]:
        """Elements of a layer's convolution and state, for a sequence; llama-hparams.cpp, n_embd_r, n_embd_s."""
        number = self.header.integer
        if head := number("wkv.head_size"):
            return number("token_shift_count", 2) * self.wide, self.wide * head
        if length := number("shortconv.l_cache"):
            return self.wide * (length - 1), 0
        kernel = number("ssm.conv_kernel")
        if head := number("kda.head_dim"):
            inner = self.heads() * head
            return 3 * (kernel - 1 if kernel else 3) * inner, head * head * self.heads()
        inner, state, groups = number("ssm.inner_size"), number("ssm.state_size"), number("ssm.group_count")
        return max(kernel - 1, 0) * (inner + 2 * groups * state), state * inner

    # feed forward

    def expert_count_used(self, layer: int) -> int:
        """Experts that a token goes through."""
        return self.by_layer("expert_used_count", layer)


def _is_plausible(value: object) -> bool:
    return not isinstance(value, int) or 0 <= value < MOST
