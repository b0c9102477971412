"""Names of GGUF quantizations: how they are written, ordered and found in file names."""

from __future__ import annotations

import re
from typing import Final

# Bits per weight of a whole file, measured on Llama-3.1-8B (llama.cpp tools/quantize/README.md@311c2c9f).
# Where that table has no row: LLaMA-3-8B file sizes (perplexity README), or the block size of the type.
# The names are those that llama.cpp itself loads; the order of the table is the order of the quants.
BITS: Final[dict[str, float]] = {
    "Q1_0": 1.13,
    "TQ1_0": 1.69,
    "IQ1_S": 2.00,
    "TQ2_0": 2.06,
    "IQ1_M": 2.15,
    "Q2_0": 2.25,
    "IQ2_XXS": 2.38,
    "IQ2_XS": 2.59,
    "IQ2_S": 2.74,
    "IQ2_M": 2.93,
    "Q2_K_S": 2.97,
    "Q2_K": 3.16,
    "Q2_K_L": 3.30,
    "Q2_K_XL": 3.30,
    "IQ3_XXS": 3.25,
    "IQ3_XS": 3.50,
    "Q3_K_S": 3.64,
    "IQ3_S": 3.66,
    "IQ3_M": 3.76,
    "Q3_K_M": 4.00,
    "MXFP4": 4.25,
    "MXFP4_MOE": 4.25,
    "Q3_K_L": 4.30,
    "Q3_K_XL": 4.30,
    "IQ4_XS": 4.46,
    "NVFP4": 4.50,
    "Q4_0": 4.65,
    "Q4_K_S": 4.67,
    "IQ4_NL": 4.68,
    "Q4_K_M": 4.89,
    "Q4_K_L": 5.10,
    "Q4_K_XL": 5.10,
    "Q4_1": 5.12,
    "Q5_K_S": 5.57,
    "Q5_0": 5.57,
    "Q5_K_M": 5.70,
    "Q5_K_L": 5.90,
    "Q5_K_XL": 5.80,
    "Q5_1": 6.05,
    "Q6_K": 6.56,
    "Q6_K_L": 6.70,
    "Q6_K_XL": 7.40,
    "Q8_0": 8.50,
    "Q8_K_XL": 10.10,
    "F16": 16.00,
    "BF16": 16.00,
    "F32": 32.00,
}
_RANK: Final = {name: rank for rank, name in enumerate(BITS)}
_SYNONYMS: Final = {"FP16": "F16", "FP32": "F32", "Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M"}

_NAME: Final = r"""
    (?: BF16 | FP?16 | FP?32
      | MXFP4 (?: _MOE )? | NVFP4 | TQ[12]_0
      | I?Q[1-8] (?: [_-] (?: KSS | KS | KT | KL | KV | BN | XXS | XS | XL | NL | K | S | M | L | [01] ))
                 (?: [_-] (?: XL | [SML] | R[48] | [48]_[48] ))?
      | Q[2-6]K[SML]?
    )"""
_PATTERN: Final = re.compile(
    rf"(?<![A-Za-z0-9]) (?P<prefix> (?: UD | i1 ) [_-] )? (?P<name> {_NAME} ) (?![A-Za-z0-9])",
    re.IGNORECASE | re.VERBOSE,
)
_SHARD: Final = re.compile(r"-(\d{5})-of-(\d{5})(?=\.gguf$)", re.IGNORECASE)


def normalise(name: str) -> str | None:
    """The one spelling of a quant: `q4_k_m` is `Q4_K_M`, `ud-q4_k_xl` is `UD-Q4_K_XL`; None for no quant."""
    match = _PATTERN.fullmatch(name.strip())
    if match is None:
        return None
    label = match["name"].upper().replace("-", "_")
    if re.fullmatch(r"Q[2-6]K[SML]?", label):
        label = "_".join((label[:2], *label[2:]))
    prefix = {"U": "UD-", "I": "i1-"}[match["prefix"][0].upper()] if match["prefix"] else ""
    return prefix + _SYNONYMS.get(label, label)


def from_filename(path: str) -> str | None:
    """The quant that a GGUF's path names: the last in the file's own name, else in its folder."""
    folders, _, file = _SHARD.sub("", path).rpartition("/")
    for part in (file, folders):
        found = [normalise(match.group()) for match in _PATTERN.finditer(part)]
        if found:
            return found[-1]
    return None


def base(name: str) -> str:
    """The quant without the prefix that tells how it was made: `UD-Q4_K_XL` is `Q4_K_XL`."""
    return name.removeprefix("UD-").removeprefix("i1-")


def has_importance_matrix(name: str) -> bool:
    """Whether the name says that the file was made with an importance matrix."""
    return name != base(name)


def is_loadable(name: str) -> bool:
    """Whether llama.cpp knows the quant; those of its forks and those it dropped are not."""
    return base(name) in BITS


def bits_per_weight(name: str) -> float | None:
    """Typical bits per weight of a file of this quant; None where the quant is not known."""
    return BITS.get(base(name))


def order(name: str) -> tuple[int, str]:
    """A sort key: from the coarsest quant to the finest, unknown ones last."""
    return _RANK.get(base(name), len(_RANK)), name


def shard(path: str) -> tuple[int, int] | None:
    """Which part of how many a split file is, as (2, 3); None for a whole file."""
    match = _SHARD.search(path)
    return (int(match[1]), int(match[2])) if match else None
