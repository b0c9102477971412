"""The blocks that llama.cpp builds its graphs of: norms, feed forward, experts, attention with its cache.

Follows `llama-graph.cpp` (build_norm, build_qkv, build_ffn, build_moe_ffn, build_attn, build_attn_mha) and
`llama-kv-cache.cpp` (get_k, get_v, cpy_k, cpy_v). The order of operations is llama.cpp's: it decides which
tensors live at the same time.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from lmpm.estimate.memory.ggml import tensor as op
from lmpm.estimate.memory.ggml.builder import Builder

if TYPE_CHECKING:
    from lmpm.estimate.memory.ggml.tensor import Tensor
    from lmpm.estimate.memory.hparams import HParams
    from lmpm.estimate.memory.run_plan import Plan
    from lmpm.estimate.memory.weights import Placement


class Graph(Builder):
    """A language model's graph.

    Weights are known by their names, the caches of a layer as `cache.<layer>.`; `placement` says where they lie.
    """

    def __init__(self, plan: Plan, placement: Placement) -> None:
        super().__init__(placement.model.tensors)
        self.model: HParams = placement.model
        self.plan = plan
        self.style = self.model.architecture.style
        self.tokens = plan.tokens
        self.outputs = plan.outputs
        self.sequences = plan.sequences
        self.attention: list[tuple[int, Tensor]] = []  # (layer, its fused attention)
        self._placement = placement
        self._states: tuple[Tensor, Tensor] | None = None
        self._rows: Tensor

    def settle(self, weight: Tensor) -> None:
        """Say where a weight or a cache lies."""
        weight.home = self._placement.of(weight.name)
        weight.is_plain = self._placement.is_plain(weight.name)

    def in_layer(self, name: str, layer: int) -> Tensor | None:
        """A weight that stands once in the file and in every backend that has layers."""
        entry = self.model.tensors.get(name)
        home = self._placement.of_layer(layer)
        return self.fixed(f"{name} in {home}", entry.type, *entry.shape, home=home) if entry else None

    def output_weight(self) -> Tensor:
        """The matrix that gives the logits: a file with tied embeddings has it once, the output twice."""
        entry = self.model.tensors.get("output.weight") or self.model.tensors["token_embd.weight"]
        return self.fixed("output.weight", entry.type, *entry.shape)

    # inputs

    def embeddings(self) -> Tensor:
        """The rows of the tokens; build_inp_embd.

        Vectors may come instead of tokens, or among them, so that all three ways are reserved.
        """
        table, wide = self.need("token_embd.weight"), self.model.wide * (1 + self.deep_inputs)
        tokens = self.expand(op.get_rows(table, self.input("tokens", "I32", self.tokens)))
        among = self.expand(op.get_rows(table, self.input("mixed tokens", "I32", self.tokens)))
        if self.deep_inputs:
            tokens, among = (op.pad(rows, wide - self.model.wide) for rows in (tokens, among))
        self.expand(tokens)
        self.expand(self.input("vectors", "F32", wide, self.tokens))
        mixed = op.like("dup", self.input("mixed vectors", "F32", wide, self.tokens))
        self.expand(op.set_rows(mixed, among, self.input("mixed places", "I64", self.tokens)))
        if self.deep_inputs:
            self._rows = tokens
            return self.deep_input()
        match self.style.scaled_embeddings:
            case "always":
                return op.like("scale", tokens)
            case "rows":
                return self.expand(op.like("mul", tokens, self.input("scaled rows", "F32", 1, self.tokens)))
            case "key" if "embedding_scale" in self.keys:
                return self.expand(op.like("scale", tokens))
        return tokens

    @cached_property
    def deep_inputs(self) -> int:
        """How many layers of a picture's encoder are added behind the first layers (Qwen3-VL)."""
        return self.model.header.integer("n_deepstack_layers")

    def deep_input(self) -> Tensor:
        """A part of the rows that came in, one beside the other."""
        return op.view(self._rows, (self.model.wide, self.tokens), self._rows.nb[1:2])

    @cached_property
    def keys(self) -> frozenset[str]:
        """The keys of the architecture that the file has."""
        prefix = f"{self.model.header.architecture}."
        found = (key.removeprefix(prefix) for key in self.model.header.metadata if key.startswith(prefix))
        return frozenset((*found, *self.style.assumed_keys))

    def positions(self) -> Tensor:
        """The position of each token."""
        return self.input("positions", "I32", self.tokens * self.style.positions)

    def mask(self, *, window: bool = False) -> Tensor:
        """Which cells a token sees."""
        cells = self.plan.window_cells if window else self.plan.cells
        streams = self.plan.streams
        kind = "F16" if self.plan.flash_attention else "F32"
        return self.input(f"mask {window}", kind, cells, self.tokens // streams, 1, streams)

    def output_rows(self) -> Tensor:
        """Which tokens give an output."""
        return self.input("output rows", "I32", self.outputs)

    def state_order(self) -> tuple[Tensor, Tensor]:
        """Which states the sequences at hand use, and which others are kept: none, when all are in use."""
        if self._states is None:
            order = self.input("states", "I32", self.sequences)
            self._states = op.view(order, (self.sequences,)), op.view(order, (0,))
        return self._states

    # blocks

    def norm(self, cur: Tensor, name: str, *, layer_norm: bool | None = None) -> Tensor:
        """A norm with what the file has of its weight and bias."""
        plain = self.style.layer_norm if layer_norm is None else layer_norm
        cur = op.like("norm" if plain else "rms_norm", cur)
        if weight := self.weight(f"{name}.weight") or self.weight(name):
            cur = op.like("mul", cur, weight)
        if bias := self.weight(f"{name}.bias"):
            cur = op.like("add", cur, bias)
        return cur

    def linear(self, cur: Tensor, name: str) -> Tensor:
        """A matrix with what the file has of its bias and scale."""
        cur = op.mul_mat(self.need(f"{name}.weight"), cur)
        if scale := self.weight(f"{name}.scale"):
            cur = op.like("mul", cur, scale)
        if bias := self.weight(f"{name}.bias"):
            cur = op.like("add", cur, bias)
        return cur

    def queries_keys_values(self, cur: Tensor, layer: int, *, flat: bool = False) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values by head; `flat` leaves the cutting into heads to the caller."""
        model, block = self.model, f"blk.{layer}"
        heads, kv_heads = model.heads(layer), model.kv_heads(layer)
        key, value = model.key_length(layer), model.value_length(layer)
        shapes = ((key, heads, self.tokens), (key, kv_heads, self.tokens), (value, kv_heads, self.tokens))
        if f"{block}.attn_qkv.weight" not in model.tensors:
            q, k, v = (self.linear(cur, f"{block}.{name}") for name in ("attn_q", "attn_k", "attn_v"))
            if flat:
                return q, k, v
            return op.reshape(q, *shapes[0]), op.reshape(k, *shapes[1]), op.reshape(v, *shapes[2])
        qkv = self.linear(cur, f"{block}.attn_qkv")
        if flat:
            wide = ((key * heads, self.tokens), (key * kv_heads, self.tokens), (value * kv_heads, self.tokens))
            q, k, v = (op.cont(op.view(qkv, ne, qkv.nb[1:2])) for ne in wide)
            return q, k, v
        q, k, v = (op.view(qkv, ne, (op.row_size(qkv.type, ne[0]), qkv.nb[1])) for ne in shapes)
        return q, k, v

    def rope(self, cur: Tensor, factors: Tensor | None = None) -> Tensor:
        """Turn queries or keys by their position."""
        return op.like("rope", cur, self.positions(), factors)

    def rope_factors(self, layer: int) -> Tensor | None:
        """Factors of the frequencies; llama-model.cpp, get_rope_factors."""
        if found := self.in_layer("rope_freqs.weight", layer):
            return found
        original = self.model.header.integer("rope.scaling.original_context_length", self.model.context_length)
        length = "long" if self.plan.cells > original else "short"
        return self.in_layer(f"rope_factors_{length}.weight", layer)

    def feed_forward(self, cur: Tensor, name: str, suffix: str = "") -> Tensor:
        """A feed forward: gated by a matrix of its own, by half of a fused one, or not."""
        up_name, gate_name = f"{name}.ffn_up{suffix}", f"{name}.ffn_gate{suffix}"
        up = self.linear(cur, up_name)
        down = self.need(f"{name}.ffn_down{suffix}.weight")
        if f"{gate_name}.weight" in self.model.tensors:
            cur = op.glu(self.linear(cur, gate_name), up)
        elif up.ne[0] == 2 * down.ne[0]:
            cur = op.glu(up)
        else:
            cur = op.like("unary", up)
            if self.style.relu_squared:
                cur = op.like("sqr", cur)
        return self.linear(cur, f"{name}.ffn_down{suffix}")

    def experts(
        self, cur: Tensor, layer: int, *, gating: str, normalized: bool, logits: Tensor | None = None,
        chosen_from: Tensor | None = None,
    ) -> Tensor:  # fmt: skip
        """The experts chosen for each token, added up."""
        name, model = f"blk.{layer}", self.model
        source = cur if chosen_from is None else chosen_from
        used, count, tokens = model.expert_count_used(layer), model.experts, cur.ne[1]
        if logits is None:
            logits = self.linear(source, f"{name}.ffn_gate_inp")
        probabilities = logits
        if gating in ("softmax", "sigmoid", "sigmoid_first"):
            probabilities = op.like("soft_max" if gating == "softmax" else "unary", logits)
        weighs_first = gating == "sigmoid_first"  # Llama 4: what goes into an expert is weighed
        selection = logits if weighs_first else probabilities
        if bias := self.weight(f"{name}.exp_probs_b.bias"):
            selection = op.like("add", probabilities, bias)
        selection = self._best_groups(selection, tokens)
        chosen = op.top_k(selection, used)
        weights = op.get_rows(op.reshape(probabilities, 1, count, tokens), chosen)
        if gating == "softmax_weight":
            weights = op.reshape(op.like("soft_max", op.reshape(weights, used, tokens)), 1, used, tokens)
        if normalized:
            weights = op.reshape(weights, used, tokens)
            weights = op.like("div", weights, op.like("clamp", op.sum_rows(weights)))
            weights = op.reshape(weights, 1, used, tokens)
        if model.header.metadata.get(f"{model.header.architecture}.expert_weights_scale", 1.0) not in (0.0, 1.0):
            weights = op.like("scale", weights)
        self.expand(weights)
        cur = op.reshape(cur, cur.ne[0], 1, tokens)
        if weighs_first:
            cur = op.like("mul", op.repeat(cur, cur.ne[0], used, tokens), weights)
        out = self._through_experts(cur, chosen, name)
        out = self.expand(out if weighs_first else op.like("mul", out, weights))
        views = [self.expand(op.view(out, (out.ne[0], tokens), out.nb[2:3])) for _ in range(used)]
        total = views[0]
        for item in views[1:]:
            total = self.expand(op.like("add", total, item))
        return op.cont(total) if used == 1 else total

    def _best_groups(self, selection: Tensor, tokens: int) -> Tensor:
        """Experts of the best groups only (DeepSeek V3)."""
        groups = self.model.header.integer("expert_group_count")
        if groups <= 1:
            return selection
        best = self.model.header.integer("expert_group_used_count")
        size = self.model.experts // groups
        grouped = op.reshape(selection, size, groups, tokens)
        scores = op.get_rows(op.reshape(grouped, 1, size, groups, tokens), op.top_k(grouped, 2))
        scores = op.reshape(op.sum_rows(op.reshape(scores, 2, groups, tokens)), groups, tokens)
        kept = op.top_k(scores, best)
        rows = op.get_rows(grouped, kept)
        return op.reshape(op.set_rows(op.like("fill", grouped), rows, kept), self.model.experts, tokens)

    def _through_experts(self, cur: Tensor, chosen: Tensor, name: str) -> Tensor:
        def through(cur: Tensor, part: str) -> Tensor:
            cur = op.mul_mat_id(self.need(f"{name}.{part}.weight"), cur, chosen)
            if scale := self.weight(f"{name}.{part}.scale"):
                by_token = op.repeat(op.reshape(scale, 1, scale.ne[0], 1), 1, scale.ne[0], chosen.ne[1])
                cur = op.like("mul", cur, op.get_rows(by_token, chosen))
            bias = self.weight(f"{name}.{part}.bias")
            return op.like("add_id", cur, bias, chosen) if bias else cur

        if f"{name}.ffn_gate_up_exps.weight" in self.model.tensors:
            both = through(cur, "ffn_gate_up_exps")
            half = both.ne[0] // 2
            gate = op.view(both, (half, *both.ne[1:3]), both.nb[1:3])
            cur = op.glu(gate, op.view(both, (half, *both.ne[1:3]), both.nb[1:3]))
        else:
            up = through(cur, "ffn_up_exps")
            if f"{name}.ffn_gate_exps.weight" in self.model.tensors:
                cur = op.glu(through(cur, "ffn_gate_exps"), up)
            else:
                cur = op.like("unary", up)
                if self.style.relu_squared:
                    cur = op.like("sqr", cur)
        return through(cur, "ffn_down_exps")
