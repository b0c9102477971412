"""Quants, the rule of their losses, and publishers as the catalog's tables hold them."""

from __future__ import annotations

import math
from typing import NamedTuple


class Quant(NamedTuple):
    """A quant, its size per weight and how far it moves a model from its full precision.

    `tensor_bits` is exact, of the type that most tensors have; `measured` are (parameters, bits per weight)
    of whole files, in ascending order. `divergence` is the mean KL divergence from the full-precision model,
    measured on one of 8 billion parameters; `divergence_imatrix` is that of a file made with an importance
    matrix. `perplexity` are (parameters, per cent that it rises).
    """

    name: str
    tensor_bits: float
    measured: tuple[tuple[int, float], ...]
    divergence: float
    divergence_imatrix: float
    perplexity: tuple[tuple[int, float], ...]

    def bits_per_weight(self, parameters: int) -> float:
        """Bits per weight of a file of so many parameters, on the line between those measured."""
        below = max((item for item in self.measured if item[0] <= parameters), default=self.measured[0])
        above = min((item for item in self.measured if item[0] >= parameters), default=self.measured[-1])
        if below[0] >= above[0]:
            return below[1]
        share = math.log(parameters / below[0]) / math.log(above[0] / below[0])
        return below[1] + share * (above[1] - below[1])


class LossRule(NamedTuple):
    """From divergence and size to the share of the score that a quant loses."""

    per_divergence: float
    reference_parameters: int
    exponent: float
    least_factor: float
    most_factor: float
    most: float

    def share(self, divergence: float, parameters: int) -> float:
        """The share of the score that is lost, from 0 to `most`."""
        factor = float((self.reference_parameters / max(parameters, 1)) ** self.exponent)
        factor = min(max(factor, self.least_factor), self.most_factor)
        return min(self.per_divergence * divergence * factor, self.most)


class Publisher(NamedTuple):
    """An account on the Hub that is known."""

    name: str
    trust: int  # 0 = most trusted
    importance_matrix: bool = False  # whether all its quants are made with one, whatever their names say

    @property
    def is_official(self) -> bool:
        """Whether it trained the models that it publishes."""
        return self.trust == 0
