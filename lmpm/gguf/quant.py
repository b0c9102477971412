"""Names of GGUF quantizations: how they are written, ordered and found in file names."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Final, NamedTuple

from lmpm.gguf.shards import without_number

if TYPE_CHECKING:
    from collections.abc import Iterable

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

# Names that leave the type open, and the type that stands for them: what such a file is, its header tells.
VAGUE: Final[dict[str, str]] = {
    "1BIT": "IQ1_M",
    "2BIT": "Q2_K",
    "3BIT": "Q3_K_M",
    "4BIT": "Q4_0",
    "5BIT": "Q5_0",
    "6BIT": "Q6_K",
    "8BIT": "Q8_0",
    "16BIT": "F16",
    "32BIT": "F32",
    "INT4": "Q4_0",
    "INT8": "Q8_0",
    "Q1": "IQ1_M",
    "Q2": "Q2_K",
    "Q3": "Q3_K_M",
    "Q4": "Q4_0",
    "Q5": "Q5_0",
    "Q6": "Q6_K",
    "Q8": "Q8_0",
}
# What somebody who types a width alone is told to type: the usual quant of it.
VAGUE_BEST: Final = {"Q2": "Q2_K", "Q3": "Q3_K_M", "Q4": "Q4_K_M", "Q5": "Q5_K_M", "Q6": "Q6_K", "Q8": "Q8_0"}
KNOWN: Final = 1024  # names that are remembered: the same few are asked for with every candidate
UNKNOWN: Final = "unknown"  # the quant of a file whose name says none
_RANK: Final = {name: rank for rank, name in enumerate(BITS)}
# Before a quant, how it was made: Unsloth's and AtomicChat's dynamic ones, mradermacher's with an importance matrix.
_PREFIXES: Final = {"UD": "UD-", "AD": "AD-", "I1": "i1-"}
_SYNONYMS: Final = {"Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M"}

_FLOAT: Final = r"B?F(?:16|32)"
_DETAILED: Final = r"(?<!\bUD)(?<!\bAD)(?<!\bi1)-(?:B?F(?:16|32)|(?P<bits>\d{1,2}\.\d{1,2})BPW)$"
_SUFFIX: Final = r"(?i)(?:\.gguf)+$"
# Names of types that llama.cpp no longer loads, or never did: repacked ones, those of its forks and of other runtimes.
_FOREIGN: Final = (
    r"_(?:[48]_[48]|R[48]|KSS|KS|KT|KL|KV|BN|K_4)$|^IQ[1-6]_K$|^IQ[56]|^Q6_0$|^Q8_K$"
    r"|^Q[1-8]R\d|^T?Q[1-8]_\d[A-Z]$|^TQ[1-9]$|^W\d|^FP[48]$|^ARM_|^1\.\d+BIT$"
)
_TAIL: Final = r"_(?:XL|XS|[SMLP])$"  # single tensors raised or lowered: `Q5_0_L`, `Q6_K_M`


class Found(NamedTuple):
    """A quant in a name, and where it stands. `is_exact` tells a type of llama.cpp from a maker's own scheme.

    `detail` tells it from others of that quant: the type of its embedding, `BF16`.
    """

    label: str
    start: int
    end: int
    is_exact: bool
    detail: str = ""


def normalise(name: str) -> str | None:
    """The one spelling of a quant: `q4_k_m` is `Q4_K_M`, `ud-q4_k_xl` is `UD-Q4_K_XL`; None for no quant."""
    from lmpm.gguf import quant_patterns as patterns

    if match := patterns.PATTERN.fullmatch(name.strip()):
        return _label(match)
    plain, _, detail = name.strip().rpartition("-")
    known = patterns.PATTERN.fullmatch(plain) if re.fullmatch(_DETAILED, f"-{detail.upper()}") else None
    return f"{_label(known)}-{detail.upper()}" if known else None


def _label(match: re.Match[str]) -> str:
    prefix = _PREFIXES[match["prefix"].upper()] if match["prefix"] else ""
    mixed = f"{_spelled(match['mixed'])}-" if match["mixed"] else ""
    return prefix + mixed + _spelled(match["name"])


def _spelled(name: str) -> str:
    label = name.upper().replace("-", "_")
    if floating := re.fullmatch(r"(B?)(?:FP?|FLOAT)(16|32)", label):
        label = f"{floating[1]}F{floating[2]}"
    elif short := re.fullmatch(r"Q_?([2-6])_?K_?([SML]?)", label):
        label = f"Q{short[1]}_K_{short[2]}".rstrip("_")
    elif short := re.fullmatch(r"(I?Q[1-8])\.?([01]|XXS|XS|NL|[SM])", label):
        label = f"{short[1]}_{short[2]}"
    return _SYNONYMS.get(label, label)


def find(text: str) -> Found | None:
    """The quant in a name without its ending: the last type of llama.cpp, else a maker's scheme, else a width.

    A full-precision type beside another one is that of the embedding, or of the weights that were quantized.
    """
    from lmpm.gguf import quant_patterns as patterns

    for pattern in (patterns.PATTERN, patterns.GROWN):
        if exact := list(pattern.finditer(text)):
            packed = [match for match in exact if not re.fullmatch(_FLOAT, _label(match))]
            return _with_detail(text, (packed or exact)[-1])
    for pattern in (patterns.SCHEME, patterns.OPEN):
        if vague := list(pattern.finditer(text)):
            match = vague[-1]
            return Found(match.group().upper().replace("-BIT", "BIT"), match.start(), match.end(), False)
    return None


def _with_detail(text: str, match: re.Match[str]) -> Found:
    """A type of llama.cpp with what stands right beside it."""
    from lmpm.gguf import quant_patterns as patterns

    label, start, end = _label(match), match.start(), match.end()
    if re.fullmatch(_FLOAT, label):
        return Found(label, start, end, True)
    if behind := patterns.DETAIL.match(text, end):
        if behind["bits"]:
            return Found(f"{label}-{behind['bits']}BPW", start, behind.end(), True)
        if not text[behind.end() : behind.end() + 1].isalnum():
            return Found(label, start, behind.end(), True, _spelled(behind["type"]))
    before = [other for other in patterns.PATTERN.finditer(text, 0, start) if re.fullmatch(_FLOAT, _label(other))]
    if before and not text[before[-1].end() : start].strip("-_. "):
        return Found(label, before[-1].start(), end, True, _label(before[-1]))
    return Found(label, start, end, True)


def from_filename(path: str) -> str | None:
    """The quant that a GGUF's path names: in the file's own name, else in its nearest folder that names one."""
    *folders, file = re.sub(_SUFFIX, "", without_number(path)).split("/")
    for part in (file, *reversed(folders)):
        if found := find(part):
            return found.label
    return None


@lru_cache(KNOWN)
def base(name: str) -> str:
    """The quant without the prefix that tells how it was made: `UD-Q4_K_XL` is `Q4_K_XL`.

    Of a mixture of two it is the lower: `AD-Q4_K_M-IQ4_XS` is `IQ4_XS`. `IQ3_S-2.67BPW` is `IQ3_S`.
    """
    name = re.sub(_DETAILED, "", name)
    if name.startswith("AD-"):
        return name.rpartition("-")[2]
    return name.removeprefix("UD-").removeprefix("i1-")


def pick(wanted: str, labels: Iterable[str]) -> str | None:
    """The label that is meant by what was typed: the same in any case, or the only one made otherwise.

    `Q4_K_XL` is `UD-Q4_K_XL` where there is no other of that quant.
    """
    labels = list(dict.fromkeys(labels))
    same = [label for label in labels if label.upper() == wanted.upper()]
    made = [label for label in labels if has_importance_matrix(label) and base(label) == wanted.upper()]
    return next(iter(same or (made if len(made) == 1 else [])), None)


def has_importance_matrix(name: str) -> bool:
    """Whether the name says that the file was made with an importance matrix."""
    return name.startswith(("UD-", "i1-"))


@lru_cache(KNOWN)
def nearest(name: str) -> str | None:
    """The known quant that a name stands for: itself, that of its bits, or its kind; None for a foreign scheme."""
    plain = base(name)
    if plain in BITS:
        return plain
    if plain in VAGUE:
        return VAGUE[plain]
    kind = "MXFP4_MOE" if plain.startswith("MXFP4_MOE_") else re.sub(_TAIL, "", plain)
    if kind != plain:  # `Q4_K_P` is a kind of `Q4_K_M`; whether `Q8_K_L` loads, its header says
        kind = "Q8_0" if kind == "Q8_K" else _SYNONYMS.get(kind, kind)
    if kind in VAGUE:
        return VAGUE[kind]
    return kind if kind in BITS and not re.search(_FOREIGN, plain) else None


def is_loadable(name: str) -> bool:
    """Whether llama.cpp may load the quant: all but those of forks and dropped ones, of which only a header tells."""
    return re.search(_FOREIGN, base(name)) is None


def is_mixture(name: str) -> bool:
    """Whether it is a maker's own scheme, of types that llama.cpp may load; how good it is, its size tells."""
    return normalise(name) is None and name not in VAGUE and name != UNKNOWN and not re.search(_FOREIGN, name)


@lru_cache(KNOWN)
def bits_per_weight(name: str) -> float | None:
    """Typical bits per weight of a file of this quant, or those that it states; None where the quant is not known."""
    known = nearest(name)
    return stated_bits(name) or (BITS[known] if known else None)


def stated_bits(name: str) -> float | None:
    """The bits per weight that a maker's name for a mixture states: `IQ3_S-2.67BPW`."""
    found = re.search(_DETAILED, name)
    return float(found["bits"]) if found and found["bits"] else None


def order(name: str) -> tuple[int, str]:
    """A sort key: from the coarsest quant to the finest, unknown ones last."""
    return _RANK.get(nearest(name) or "", len(_RANK)), name
