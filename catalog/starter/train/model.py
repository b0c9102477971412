"""Model: a small llama-architecture decoder (RMSNorm, interleaved RoPE, SwiGLU, tied embeddings)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Shape:
    """The model's sizes."""

    vocab: int = 1024
    width: int = 192
    layers: int = 6
    heads: int = 6
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10000.0
    epsilon: float = 1e-5

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate neighbouring pairs (2i, 2i+1), which is llama.cpp's "norm" RoPE for this architecture."""
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


class Block(nn.Module):
    """One layer: attention and feed-forward, both with a norm before."""

    def __init__(self, shape: Shape) -> None:
        """Make the weights."""
        super().__init__()
        self.shape = shape
        self.attn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.ffn_norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        self.q = nn.Linear(shape.width, shape.width, bias=False)
        self.k = nn.Linear(shape.width, shape.width, bias=False)
        self.v = nn.Linear(shape.width, shape.width, bias=False)
        self.o = nn.Linear(shape.width, shape.width, bias=False)
        self.gate = nn.Linear(shape.width, shape.hidden, bias=False)
        self.up = nn.Linear(shape.width, shape.hidden, bias=False)
        self.down = nn.Linear(shape.hidden, shape.width, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, mask: Tensor, keep: Tensor | None) -> Tensor:
        """Apply the layer to [batch, time, width]; with keep, return only those positions, flat."""
        batch, time, width = x.shape
        normed = self.attn_norm(x)
        q, k, v = (m(normed).view(batch, time, self.shape.heads, -1) for m in (self.q, self.k, self.v))
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        mixed = functional.scaled_dot_product_attention(
            q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
        )
        mixed = mixed.transpose(1, 2).reshape(batch, time, width)
        if keep is not None:
            x, mixed = x[keep], mixed[keep]
        x = x + self.o(mixed)
        normed = self.ffn_norm(x)
        out: Tensor = x + self.down(functional.silu(self.gate(normed)) * self.up(normed))
        return out


class Decoder(nn.Module):
    """The whole model."""

    def __init__(self, shape: Shape) -> None:
        """Make and initialise the weights."""
        super().__init__()
        self.shape = shape
        self.embedding = nn.Embedding(shape.vocab, shape.width)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.width, eps=shape.epsilon)
        inverse = shape.rope_base ** (-torch.arange(0, shape.head_size, 2).float() / shape.head_size)
        angles = torch.outer(torch.arange(shape.context).float(), inverse)
        self.register_buffer("cos", angles.cos(), persistent=False)
        self.register_buffer("sin", angles.sin(), persistent=False)
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                deep = name.endswith(("o.weight", "down.weight"))
                nn.init.normal_(
                    weight, std=0.02 if "embedding" in name else (0.5 if deep else 1.0) / shape.width**0.5 * 0.5
                )

    def hidden(self, tokens: Tensor, positions: Tensor, mask: Tensor, keep: Tensor | None = None) -> Tensor:
        """Return the last layer's normed states, those to keep; mask is [batch, 1, time, time], true where seen."""
        x = self.embedding(tokens)
        cos, sin = self.cos[positions].unsqueeze(2), self.sin[positions].unsqueeze(2)
        for block in self.blocks:
            x = block(x, cos, sin, mask, keep if block is self.blocks[-1] else None)
        out: Tensor = self.norm(x)
        return out

    def forward(self, tokens: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Return the logits."""
        return functional.linear(self.hidden(tokens, positions, mask), self.embedding.weight)
