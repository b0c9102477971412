"""What the name of one GGUF file says: which kind of file, of which model, in which quant, which shard.

The rules are those that the publishers on the Hub follow, told from some 50,000 names: a role stands in
front (`mmproj-`, `mtp-`, `dflash-`) or behind (`.imatrix`, `-lora`), a quant behind the model's name, and
the number of a shard behind the quant.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from lmpm.gguf import quant
from lmpm.gguf.shards import parse_shard

Kind = Literal[
    "model",
    "mmproj",  # encoder and projector of pictures or sound
    "imatrix",  # data of an importance matrix
    "adapter",  # LoRA
    "control",  # control vectors
    "draft",  # predicts tokens for another model: MTP heads, EAGLE, DFlash, draft models
    "vocab",  # a tokenizer alone
    "codec",  # turns the tokens of a speech model into sound and back
    "tensor",  # one tensor of a model that is split by tensor
    "piece",  # bytes of a file that was cut, to be put together again
]

_ENDING: Final = re.compile(r"(?:[ _.-]{0,4}\.?gguf){1,4} {0,4}$", re.IGNORECASE)
_PIECE: Final = re.compile(
    r"\.gguf[._-](?:part[-_]?\w+|split[-_]?\w+|a[a-z]|0\d{1,2}|\d+of\d+)(?:of\w+)?$"
    r"|(?<!-of)-0\d{4}\.gguf$",  # a shard that does not say of how many: llama.cpp refuses it
    re.IGNORECASE,
)
_WEIGHTS: Final = re.compile(r"Q[2-8]_[K01]|MXFP4|IQ")

_MMPROJ: Final = re.compile(
    r"(?<![a-z])mm-?proj(?:ector)?(?![a-z])|(?<![a-z])vision[-_.](?:tower|adapter|encoder)|[-_.]projector$",
    re.IGNORECASE,
)
_VISION_PART: Final = re.compile(r"[-_.]vision$", re.IGNORECASE)
_IMATRIX: Final = re.compile(r"^imatrix(?![a-z])|(?<![a-z])imatrix(?:[-_.]?\d+)?$", re.IGNORECASE)
_MADE_WITH_MATRIX: Final = re.compile(r"[-_.]i-?mat(?:rix)?(?:[-_.]?\w{0,3})?$", re.IGNORECASE)
_VOCAB: Final = re.compile(r"^(?:ggml-)?vocab(?![a-z])", re.IGNORECASE)
_CODEC: Final = re.compile(r"^(?:vocoder|tokenizer|wavtokenizer|codec)[-_.]", re.IGNORECASE)
_ADAPTER: Final = re.compile(
    r"(?:^|[-_.])(?:q?lora(?:[-_.]?adapter)?|adapter)(?:[-_.](?:f16|f32|bf16|q8_0|\d+b|r\d+|v\d+))*$"
    r"|^(?:lora|adapter)[-_.]|[-_.](?:lora|adapter)[-_.]\d+b[-_.]",
    re.IGNORECASE,
)
_CONTROL: Final = re.compile(r"(?<![a-z])(?:control[-_]?vectors?|cvec)(?![a-z])", re.IGNORECASE)
_CONTROL_REPO: Final = re.compile(r"control[-_]?vectors?|[-_]cv$", re.IGNORECASE)
_DRAFT: Final = re.compile(
    r"^(?:mtp|eagle-?[23]?|dflash|dspark|draft|nextn)[-_.]"
    r"|[-_.](?:eagle-?[23]?|dflash|dspark|draft(?:er)?)(?:[-_.]|$)"
    r"|[-_.](?:it|instruct)(?:-qat)?[-_.]assistant(?:[-_.]mtp)?[-_.]?$",
    re.IGNORECASE,
)
_DRAFT_FOLDER: Final = re.compile(r"^(?:mtp|eagle-?[23]?|dflash|dspark|drafts?)$", re.IGNORECASE)
_TENSOR: Final = re.compile(r"[-_](?:special_)?tensor$", re.IGNORECASE)
_PLACEHOLDER: Final = re.compile(
    r"^(?:ggml[-_]?model|model|merged[-_]?model|converted[-_]?model|unsloth|output|main|test|quantized)?$",
    re.IGNORECASE,
)
_PARTLY: Final = re.compile(r"[-_. ]{1,4}(?:split|i-?mat(?:rix)?)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """One name, understood. `model` is empty where the name leaves it to the repository.

    `quant` is None where the name says none; `is_exact` tells whether it is a type of llama.cpp; `detail` tells it
    from others of that quant. `together` is the same for the shards of one set and differs between sets.
    """

    path: str
    kind: Kind
    model: str
    quant: str | None
    is_exact: bool
    shard: tuple[int, int] | None
    together: str
    detail: str = ""


def parse_file_name(path: str, *, repository: str = "") -> FileName:
    """Understand the path of a GGUF file, or of a piece of one, in a repository of that name."""
    folder, _, file = path.rpartition("/")
    if _PIECE.search(file):
        whole = _PIECE.sub(".gguf", file)
        found = parse_file_name(f"{folder}/{whole}" if folder else whole, repository=repository)
        return FileName(
            path=path, kind="piece", model=found.model, quant=found.quant, is_exact=found.is_exact, shard=None,
            together=found.together,
        )  # fmt: skip
    stem = re.sub(r"\.gguf\s*$", "", file, flags=re.IGNORECASE)
    shard = parse_shard(stem)
    stem = shard.stem if shard else stem
    bare = _ENDING.sub("", stem)
    named = quant.find(bare)
    label = named or _of_folders(folder) or _of_repository(repository)
    return FileName(
        path=path,
        kind=_kind(bare, folder, repository, named),
        model=_model(bare, named),
        quant=label.label if label else None,
        is_exact=label is not None and label.is_exact,
        shard=(shard.number, shard.count) if shard else None,
        together=f"{folder}/{stem}",
        detail=label.detail if label else "",
    )


def _of_folders(folder: str) -> quant.Found | None:
    return next((found for part in reversed(folder.split("/")) if (found := quant.find(part))), None)


def _of_repository(repository: str) -> quant.Found | None:
    """The quant in the name of a repository that holds just one: `Jinx-gpt-oss-20B-MXFP4-GGUF`."""
    return quant.find(_ENDING.sub("", repository.rpartition("/")[2]))


def _kind(bare: str, folder: str, repository: str, named: quant.Found | None) -> Kind:
    folders = folder.split("/") if folder else []
    before = bare[: named.start] if named else bare
    before = before.rstrip("-_. ")
    if _TENSOR.search(before) or _TENSOR.search(bare):
        return "tensor"
    if _VOCAB.search(bare):
        return "vocab"
    if _CODEC.search(bare):
        return "codec"
    if _MMPROJ.search(bare) or (_VISION_PART.search(before) and not re.search(r"vision", repository, re.IGNORECASE)):
        return "mmproj"
    if _is_matrix(bare) or any(part.lower() == "imatrix" for part in folders):
        return "imatrix"
    if _CONTROL.search(bare) or _CONTROL_REPO.search(repository):
        return "control"
    if _ADAPTER.search(before) and not (named and _WEIGHTS.search(named.label) and named.label != "Q8_0"):
        return "adapter"  # adapters are kept in full precision: one in Q4_K_M has been merged
    if _DRAFT.search(before + "-") or any(_DRAFT_FOLDER.match(part) for part in folders):
        return "draft"
    return "model"


def _is_matrix(bare: str) -> bool:
    """Data, not a model made with it: those name the quant right before, `-Q4_K_M-imatrix`."""
    found = _IMATRIX.search(bare)
    if found is None:
        return False
    if found.start() == 0 or (bare[found.start() - 1] == "." and found.group() == "imatrix"):
        return True
    before = quant.find(bare[: found.start()].rstrip("-_."))
    ends_there = before is not None and before.end == len(bare[: found.start()].rstrip("-_."))
    return not (ends_there and before is not None and _WEIGHTS.search(before.label))


def _model(bare: str, named: quant.Found | None) -> str:
    """The model's name in a file's: without quant, and what is left of it before or behind."""
    if named is None:
        text = bare
    elif named.start:
        behind = _MADE_WITH_MATRIX.sub("", bare[named.end :])
        text = bare[: named.start].rstrip("-_. ") + behind
    else:
        text = bare[named.end :].lstrip("-_. ")
    text = _PARTLY.sub("", text).strip("-_. ")
    return "" if _PLACEHOLDER.match(text) else text
