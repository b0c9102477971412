"""What llama.cpp knows of each architecture that a file's keys do not say: windows, states, graph.

Each entry follows `llama.cpp/src/models/<architecture>.cpp`; the kinds of memory follow
`llama-model.cpp` (create_memory) and `llama-arch.cpp` (llm_arch_is_recurrent, llm_arch_is_hybrid).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lmpm.gguf import Header

Kind = Literal[
    "decoder", "delta", "encoder", "gemma3n", "gemma4", "gemma_encoder", "hybrid", "latent", "mamba", "nemotron_h",
    "pre_norm_encoder", "rwkv7", "side_by_side",
]  # fmt: skip
Keeps = Literal["cache", "state", "both", "nothing"]
Experts = Literal["softmax", "sigmoid", "softmax_weight", "sigmoid_first", "key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a transformer's layer is put together, where its tensors alone do not tell."""

    layer_norm: bool = False  # a mean is subtracted; else RMS
    first_norm: bool = True  # before the attention (False: only after it)
    parallel: bool = False  # attention and feed forward read the same input
    parallel_by_key: bool = False  # they do where a key says so, each through a norm of its own
    attention_first: bool = False  # of what is added up then
    attention_second: bool = False  # behind the feed forward
    relu_squared: bool = False  # the activation of a feed forward without gate: two operations
    flat_qk_norm: bool = False  # queries and keys are normalized before they are cut into heads
    norm_after_rope: bool = False  # queries and keys
    unturned_every: int = 0  # every such layer's queries and keys are not turned by their position
    temperature: Literal["no", "key", "unturned"] = "no"  # where queries are scaled by their position
    turned_norm: bool = False  # queries and keys that are turned are normalized then, without weights
    assumed_keys: tuple[str, ...] = ()  # keys that old files lack, and that have a value nevertheless
    scaled_embeddings: Literal["no", "key", "always", "rows"] = "no"  # `rows`: those of tokens alone
    scaled_queries: bool = False
    scaled_residual: bool = False  # where the key is there
    residual_first: bool = False  # the first operand of the last addition, which may be overwritten
    soft_cap: bool = False  # of the logits, where the key is there
    attention_soft_cap: bool = False
    scaled_logits: bool = False  # where the key is there
    # in which layers; Granite has a key for it, Cohere 2 with experts turns those before its first experts, too
    rope: Literal["all", "window", "window_and_dense", "switch", "none"] = "all"
    rows_at_end: bool = False  # the rows for output are chosen after the last layer
    gating: Experts = "softmax"
    routed_early: bool = False  # experts are chosen by what goes into the layer
    normalized_experts: bool = False
    interleaved_gate: bool = False  # a delta net whose heads bring their gates along (Qwen3-Next)
    vectors_or_logits: bool = False  # no logits where vectors are asked for
    normed_embeddings: bool = False  # by a norm without weights
    scaled_values: bool = False  # where the key is there, behind the attention
    positions: int = 1  # numbers for each token's position (4 with M-RoPE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """What memory a model of an architecture has and which graph it runs."""

    kind: Kind = "decoder"
    keeps: Keeps = "cache"
    style: Style = field(default_factory=Style)
    window_period: int | None = None  # every such layer sees all (0: only the key's array says); None: no windows
    window_dense_first: bool = False  # the first of a period sees all, not the last
    window_default: int = 0  # tokens, when the key is absent; 0: no windows then
    window_only_at_layers: int = 0  # windows exist only in models of so many layers
    fixed_window: int = 0  # tokens, whatever the key says, unless it is 0
    tied_twice: bool = False  # tied embeddings are loaded twice even into one buffer
    cached_layers: int = 0  # only the first so many layers keep a cache (0: all)
    state_rule: Literal["none", "all", "no_kv_heads", "no_kv_heads_no_ff", "interval", "by_tensors"] = "none"

    def window(self, header: Header) -> int:
        """Tokens that a window layer sees."""
        found = header.integer("attention.sliding_window", self.window_default)
        return min(found, self.fixed_window or found)

    def window_layers(self, header: Header, layers: int) -> tuple[bool, ...]:
        """Which layers see only a window."""
        if (
            self.window_period is None
            or not self.window(header)
            or (self.window_only_at_layers and layers != self.window_only_at_layers)
        ):
            return ()
        pattern = header.metadata.get(f"{header.architecture}.attention.sliding_window_pattern")
        if isinstance(pattern, tuple):
            return tuple(bool(item) for item in pattern)
        period = pattern if isinstance(pattern, int) else self.window_period
        if not period:
            return (True,) * layers
        shift = 0 if self.window_dense_first else 1
        return tuple((layer + shift) % period != 0 for layer in range(layers))


UNKNOWN: Final = Architecture(state_rule="by_tensors")  # and a full cache in every layer
_PLAIN: Final = Style()
_GEMMA: Final = Style(scaled_embeddings="rows", scaled_queries=True, soft_cap=True)
_COHERE: Final = Style(layer_norm=True, parallel=True, scaled_logits=True)
_GRANITE: Final = Style(rope="switch", scaled_embeddings="key", scaled_residual=True, scaled_logits=True)
_STACKED: Final = Style(first_norm=False)

ARCHITECTURES: Final[Mapping[str, Architecture]] = {
    "llama": Architecture(style=Style(normalized_experts=True)),
    "llama4": Architecture(
        style=Style(unturned_every=4, temperature="unturned", turned_norm=True, gating="sigmoid_first"),
        window_period=4,
        window_default=8192,
        fixed_window=8192,
    ),
    "mistral3": Architecture(style=Style(normalized_experts=True, temperature="key")),
    "smollm3": Architecture(style=Style(unturned_every=4)),
    "granite": Architecture(style=replace(_GRANITE, normalized_experts=True)),
    "granitemoe": Architecture(style=replace(_GRANITE, normalized_experts=True)),
    "xverse": Architecture(),
    "baichuan": Architecture(),
    "orion": Architecture(style=Style(layer_norm=True)),
    "olmo": Architecture(style=Style(layer_norm=True)),
    "stablelm": Architecture(style=Style(layer_norm=True)),
    "falcon": Architecture(style=Style(layer_norm=True, parallel=True, attention_second=True)),
    "gptneox": Architecture(style=Style(layer_norm=True, parallel_by_key=True)),
    "bloom": Architecture(style=Style(layer_norm=True, rope="none")),
    "mpt": Architecture(style=Style(layer_norm=True, rope="none")),
    "refact": Architecture(style=Style(rope="none")),
    "codeshell": Architecture(style=Style(layer_norm=True)),
    "gpt2": Architecture(style=Style(layer_norm=True, rope="none")),
    "starcoder": Architecture(style=Style(layer_norm=True, rope="none")),
    "qwen": Architecture(),
    "qwen2": Architecture(),
    "qwen2vl": Architecture(style=Style(positions=4)),
    "qwen3": Architecture(),
    "qwen3vl": Architecture(style=Style(positions=4)),
    "qwen2moe": Architecture(),
    "qwen3moe": Architecture(style=Style(normalized_experts=True)),
    "olmoe": Architecture(style=Style(flat_qk_norm=True)),
    "qwen3vlmoe": Architecture(style=Style(positions=4, normalized_experts=True)),
    "seed_oss": Architecture(),
    "internlm2": Architecture(),
    "ernie4_5": Architecture(),
    "ernie4_5-moe": Architecture(style=Style(normalized_experts=True)),
    "hunyuan-dense": Architecture(style=Style(norm_after_rope=True)),
    "hunyuan-moe": Architecture(style=Style(norm_after_rope=True, normalized_experts=True)),
    "chatglm": Architecture(),
    "maincoder": Architecture(style=Style(norm_after_rope=True)),
    "mellum": Architecture(style=Style(normalized_experts=True), window_period=4),
    "pangu-embedded": Architecture(),
    "bailingmoe": Architecture(style=Style(gating="key")),
    "hunyuan_vl": Architecture(style=Style(norm_after_rope=True, positions=4)),
    "paddleocr": Architecture(style=Style(positions=4)),
    "laguna": Architecture(style=Style(gating="key"), window_period=4, window_dense_first=True),
    "step35": Architecture(style=Style(gating="key"), window_period=0),
    "mimo2": Architecture(style=Style(gating="sigmoid", normalized_experts=True, scaled_values=True), window_period=0),
    "afmoe": Architecture(style=Style(scaled_embeddings="always", unturned_every=4, gating="key"), window_period=4),
    "muse-glimmer": Architecture(
        style=Style(rope="window", normed_embeddings=True, scaled_logits=True, soft_cap=True), window_period=4
    ),
    "minimax-m2": Architecture(style=Style(flat_qk_norm=True, gating="key", normalized_experts=True)),
    "dots1": Architecture(style=Style(gating="key")),
    "bailingmoe2": Architecture(style=Style(gating="key")),
    "deepseek": Architecture(),
    "arcee": Architecture(style=Style(relu_squared=True)),
    "nemotron": Architecture(style=Style(layer_norm=True, relu_squared=True)),
    "minicpm": Architecture(
        style=replace(
            _GRANITE,
            rope="all",
            normalized_experts=True,
            assumed_keys=("embedding_scale", "residual_scale", "logit_scale"),
        )
    ),
    "glm4": Architecture(),
    "glm4moe": Architecture(style=Style(gating="key")),
    "gemma": Architecture(style=replace(_GEMMA, scaled_embeddings="always", soft_cap=False)),
    "gemma2": Architecture(
        style=replace(_GEMMA, scaled_embeddings="always", attention_soft_cap=True), window_period=2, window_default=4096
    ),
    "gemma3": Architecture(style=_GEMMA, window_period=6),
    "gemma3n": Architecture(kind="gemma3n", style=_GEMMA, window_period=5, cached_layers=20, tied_twice=True),
    "gemma4": Architecture(
        kind="gemma4", style=replace(_GEMMA, scaled_queries=False), window_period=0, tied_twice=True
    ),
    "phi2": Architecture(style=Style(layer_norm=True, parallel=True, attention_first=True, scaled_queries=True)),
    "phi3": Architecture(style=Style(scaled_queries=True, residual_first=True)),
    "phimoe": Architecture(style=Style(scaled_queries=True, residual_first=True, normalized_experts=True)),
    "gpt-oss": Architecture(style=Style(rows_at_end=True, gating="softmax_weight"), window_period=2),
    "smallthinker": Architecture(
        style=Style(rope="window", gating="key", normalized_experts=True, routed_early=True),
        window_period=4,
        window_dense_first=True,
        fixed_window=4096,
    ),
    "command-r": Architecture(style=_COHERE),
    "cohere2": Architecture(style=replace(_COHERE, rope="window"), window_period=4),
    "cohere2moe": Architecture(
        style=replace(_COHERE, rope="window_and_dense", gating="key"), window_period=4, window_dense_first=True
    ),
    "olmo2": Architecture(style=replace(_STACKED, flat_qk_norm=True), window_period=4),
    "exaone": Architecture(),
    "exaone4": Architecture(
        style=replace(_STACKED, rope="window"), window_period=4, window_default=4096, window_only_at_layers=64
    ),
    "exaone-moe": Architecture(style=Style(rope="window", gating="key"), window_period=4, window_default=128),
    "apertus": Architecture(),
    "starcoder2": Architecture(style=Style(layer_norm=True)),
    "deepseek2": Architecture(kind="latent", style=Style(gating="key", temperature="key")),
    "minicpm3": Architecture(
        kind="latent",
        style=Style(scaled_embeddings="always", scaled_residual=True, assumed_keys=("residual_scale",)),
    ),
    "mistral4": Architecture(kind="latent", style=Style(gating="key", temperature="key")),
    "lfm2": Architecture(
        kind="hybrid", keeps="both", state_rule="no_kv_heads", style=Style(residual_first=True, vectors_or_logits=True)
    ),
    "lfm2moe": Architecture(
        kind="hybrid",
        keeps="both",
        state_rule="no_kv_heads",
        style=Style(gating="key", residual_first=True, vectors_or_logits=True, normalized_experts=True),
    ),
    "mamba": Architecture(kind="mamba", keeps="state", state_rule="all"),
    "mamba2": Architecture(kind="mamba", keeps="state", state_rule="all"),
    "jamba": Architecture(
        kind="hybrid", keeps="both", state_rule="no_kv_heads", style=Style(rope="none", residual_first=True)
    ),
    "granitehybrid": Architecture(
        kind="hybrid", keeps="both", state_rule="no_kv_heads", style=replace(_GRANITE, normalized_experts=True)
    ),
    "falcon-h1": Architecture(kind="side_by_side", keeps="both", state_rule="all"),
    "nemotron_h": Architecture(
        kind="nemotron_h", keeps="both", state_rule="no_kv_heads_no_ff", style=Style(rope="none", relu_squared=True)
    ),
    "nemotron_h_moe": Architecture(
        kind="nemotron_h", keeps="both", state_rule="no_kv_heads_no_ff", style=Style(rope="none", relu_squared=True)
    ),
    "qwen3next": Architecture(kind="delta", keeps="both", state_rule="interval", style=Style(interleaved_gate=True)),
    "qwen35": Architecture(kind="delta", keeps="both", state_rule="interval", style=Style(positions=4)),
    "qwen35moe": Architecture(kind="delta", keeps="both", state_rule="interval", style=Style(positions=4)),
    "rwkv7": Architecture(kind="rwkv7", keeps="state", state_rule="all"),
    "bert": Architecture(kind="encoder", keeps="nothing"),
    "nomic-bert": Architecture(kind="encoder", keeps="nothing"),
    "nomic-bert-moe": Architecture(kind="encoder", keeps="nothing"),
    "jina-bert-v2": Architecture(kind="encoder", keeps="nothing"),
    "jina-bert-v3": Architecture(kind="encoder", keeps="nothing"),
    "modern-bert": Architecture(
        kind="pre_norm_encoder", keeps="nothing", style=Style(layer_norm=True), window_period=3, window_dense_first=True
    ),
    "eurobert": Architecture(kind="pre_norm_encoder", keeps="nothing"),
    "gemma-embedding": Architecture(kind="gemma_encoder", keeps="nothing", style=_GEMMA, window_period=6),
}
