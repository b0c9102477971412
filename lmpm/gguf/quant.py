"""Names of GGUF quantizations: how they are written, ordered and found in file names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

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
UNKNOWN: Final = "unknown"  # the quant of a file whose name says none
_RANK: Final = {name: rank for rank, name in enumerate(BITS)}
# Before a quant, how it was made: Unsloth's and AtomicChat's dynamic ones, mradermacher's with an importance matrix.
_PREFIXES: Final = {"UD": "UD-", "AD": "AD-", "I1": "i1-"}
_SYNONYMS: Final = {"Q4_K": "Q4_K_M", "Q5_K": "Q5_K_M", "Q3_K": "Q3_K_M"}

_NAME: Final = r"""
    (?: BF16 | FP?16 | FP?32 | B?FLOAT(?:16|32)
      | MXFP4 (?: _MOE (?: _(?: BF16 | F16 | Q8_0 | Q[4-6]_K ) )? )? | NVFP4 | TQ[12]_0
      | I?Q[1-8] (?: [_-] (?: KSS | KS | KT | KL | KV | BN | XXS | XS | XL | NL | K | S | M | L | [01] ))
                 (?: [_-] (?: XL | XS | [SMLP] | R[48] | [48]_[48] ))?
      | Q_?[2-6]_?K_?[SML]? | Q[458]\.?[01] | IQ[1-4](?:XXS|XS|NL|[SM])
    )"""
_PATTERN: Final = re.compile(
    rf"(?<![A-Za-z0-9]) (?: (?P<prefix> UD | i1 | AD ) [_-] (?: (?<=AD[_-]) (?P<mixed> {_NAME} ) - )? )?"
    rf" (?P<name> {_NAME} ) (?![A-Za-z0-9] | _4(?![A-Za-z0-9_]))",  # `Q4_K_4` is another runtime's
    re.IGNORECASE | re.VERBOSE,
)
_FLOAT: Final = re.compile(r"B?F(?:16|32)")
# Beside a quant: the type that the embedding is kept in, or how many bits of this quant a maker's mixture has.
_DETAIL: Final = re.compile(
    r"[-_. ]+(?:(?P<bits>\d{1,2}\.\d{1,2})[-_]?bpw|(?P<type>B?F(?:P?|loat)(?:16|32)))", re.IGNORECASE
)
_DETAILED: Final = re.compile(r"(?<!\bUD)(?<!\bAD)(?<!\bi1)-(?:B?F(?:16|32)|(?P<bits>\d{1,2}\.\d{1,2})BPW)$")
# The same names grown together with the word before them: `InstructQ3_K_L`, `GGUFQ5KM`.
_GROWN: Final = re.compile(
    r"(?<=[a-z0-9F]) (?P<prefix>)? (?P<mixed>)?"
    r" (?P<name> I?Q[1-8] (?: _K(?:_[SML])? | K[SML] | _?[01] | K | _(?:XXS|XS|NL|[SM]) ))"
    r" (?= [^A-Za-z0-9] | [A-Z][a-z] | $ )",
    re.VERBOSE,
)
# Schemes of forks of llama.cpp and of single makers. They tell the files of a repository apart.
_SCHEME: Final = re.compile(
    r"""(?<![A-Za-z0-9])
    (?: [A-Z]{0,2}Q[1-8] (?! _v(?:er)?\d ) (?: _[A-Z0-9]+ )+ | (?:I?Q[1-8]){2,} | Q[1-8]R[0-9]+
      | (?: ARM_ | Q[1-8]_ )? [HM]A (?: _NL )? (?: _MAX )?
      | APEX (?: - (?: MTP | I ) )* - [A-Z]+ | NexaQuant | MoQ - [0-9.]+
      | [0-9]{1,2} (?: \. [0-9]{1,2} )? [_-]? (?: bpw | bits ) | [0-9]{1,2} \. [0-9]{1,2} [_-]? bit
      | W[2-8]A(?: 4 | 8 | 16 ) | FP[48]
      | (?:I?Q[1-8]|[A-Z]?QK?[1-8]) (?! _v(?:er)?\d ) _ [A-Z]+ [0-9]?
    ) (?![A-Za-z0-9])""",
    re.IGNORECASE | re.VERBOSE,
)
_OPEN: Final = re.compile(
    r"(?<![A-Za-z0-9]) (?<!\d\.)"
    r" (?P<name> [IT]?Q[1-8] | QK[1-8] | INT[48] | (?:1|2|3|4|5|6|8|16|32) -? BIT ) (?![A-Za-z0-9])",
    re.IGNORECASE | re.VERBOSE,
)
_SUFFIX: Final = re.compile(r"(?:\.gguf)+$", re.IGNORECASE)
# Names of types that llama.cpp no longer loads, or never did: repacked ones, those of its forks and of other runtimes.
_FOREIGN: Final = re.compile(
    r"_(?:[48]_[48]|R[48]|KSS|KS|KT|KL|KV|BN|K_4)$|^IQ[1-6]_K$|^IQ[56]|^Q6_0$|^Q8_K$"
    r"|^Q[1-8]R\d|^T?Q[1-8]_\d[A-Z]$|^TQ[1-9]$|^W\d|^FP[48]$|^ARM_|^1\.\d+BIT$"
)
_TAIL: Final = re.compile(r"_(?:XL|XS|[SMLP])$")  # single tensors raised or lowered: `Q5_0_L`, `Q6_K_M`


@dataclass(frozen=True, slots=True)
class Found:
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
    if match := _PATTERN.fullmatch(name.strip()):
        return _label(match)
    plain, _, detail = name.strip().rpartition("-")
    known = _PATTERN.fullmatch(plain) if _DETAILED.fullmatch(f"-{detail.upper()}") else None
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
    for pattern in (_PATTERN, _GROWN):
        if exact := list(pattern.finditer(text)):
            packed = [match for match in exact if not _FLOAT.fullmatch(_label(match))]
            return _with_detail(text, (packed or exact)[-1])
    for pattern in (_SCHEME, _OPEN):
        if vague := list(pattern.finditer(text)):
            match = vague[-1]
            return Found(match.group().upper().replace("-BIT", "BIT"), match.start(), match.end(), False)
    return None


def _with_detail(text: str, match: re.Match[str]) -> Found:
    """A type of llama.cpp with what stands right beside it."""
    label, start, end = _label(match), match.start(), match.end()
    if _FLOAT.fullmatch(label):
        return Found(label, start, end, True)
    if behind := _DETAIL.match(text, end):
        if behind["bits"]:
            return Found(f"{label}-{behind['bits']}BPW", start, behind.end(), True)
        if not text[behind.end() : behind.end() + 1].isalnum():
            return Found(label, start, behind.end(), True, _spelled(behind["type"]))
    before = [other for other in _PATTERN.finditer(text, 0, start) if _FLOAT.fullmatch(_label(other))]
    if before and not text[before[-1].end() : start].strip("-_. "):
        return Found(label, before[-1].start(), end, True, _label(before[-1]))
    return Found(label, start, end, True)


def from_filename(path: str) -> str | None:
    """The quant that a GGUF's path names: in the file's own name, else in its nearest folder that names one."""
    *folders, file = _SUFFIX.sub("", without_number(path)).split("/")
    for part in (file, *reversed(folders)):
        if found := find(part):
            return found.label
    return None


def base(name: str) -> str:
    """The quant without the prefix that tells how it was made: `UD-Q4_K_XL` is `Q4_K_XL`.

    Of a mixture of two it is the lower: `AD-Q4_K_M-IQ4_XS` is `IQ4_XS`. `IQ3_S-2.67BPW` is `IQ3_S`.
    """
    name = _DETAILED.sub("", name)
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


def nearest(name: str) -> str | None:
    """The known quant that a name stands for: itself, that of its bits, or its kind; None for a foreign scheme."""
    plain = base(name)
    if plain in BITS:
        return plain
    if plain in VAGUE:
        return VAGUE[plain]
    kind = "MXFP4_MOE" if plain.startswith("MXFP4_MOE_") else _TAIL.sub("", plain)
    if kind != plain:  # `Q4_K_P` is a kind of `Q4_K_M`; whether `Q8_K_L` loads, its header says
        kind = "Q8_0" if kind == "Q8_K" else _SYNONYMS.get(kind, kind)
    if kind in VAGUE:
        return VAGUE[kind]
    return kind if kind in BITS and not _FOREIGN.search(plain) else None


def is_loadable(name: str) -> bool:
    """Whether llama.cpp may load the quant: all but those of forks and dropped ones, of which only a header tells."""
    return _FOREIGN.search(base(name)) is None


def is_mixture(name: str) -> bool:
    """Whether it is a maker's own scheme, of types that llama.cpp may load; how good it is, its size tells."""
    return normalise(name) is None and name not in VAGUE and name != UNKNOWN and not _FOREIGN.search(name)


def bits_per_weight(name: str) -> float | None:
    """Typical bits per weight of a file of this quant, or those that it states; None where the quant is not known."""
    known = nearest(name)
    return stated_bits(name) or (BITS[known] if known else None)


def stated_bits(name: str) -> float | None:
    """The bits per weight that a maker's name for a mixture states: `IQ3_S-2.67BPW`."""
    found = _DETAILED.search(name)
    return float(found["bits"]) if found and found["bits"] else None


def order(name: str) -> tuple[int, str]:
    """A sort key: from the coarsest quant to the finest, unknown ones last."""
    return _RANK.get(nearest(name) or "", len(_RANK)), name
