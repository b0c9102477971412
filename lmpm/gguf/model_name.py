"""What the name of a model says: its words in one spelling, its size, its tuning, and what was done to it.

`bartowski/google_gemma-3-4b-it-GGUF`, `gemma 3 4b it` and `Gemma-3-4B-it` are the same model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, Literal

from lmpm.gguf import quant

Tuning = Literal["base", "instruct", "thinking"]

BILLION: Final = 10**9
MILLION: Final = 10**6

# Separators come in small numbers: a name of hundreds must not be tried from each of them to the end.
_ENDING: Final = re.compile(
    r"(?:[-_. ]{1,4}(?:i1|imat|imatrix|iq|arm|static)){0,4}[-_. ]{0,4}\.?gguf.*$", re.IGNORECASE
)
# `7b`, `0.6b`, `270m`, `1.8t`; `8x7b`; `a3b`: active of a mixture; `e4b`: effective
# Trillions are few: `512t` counts tokens.
_SIZE: Final = re.compile(
    r"(?P<experts>\d{1,3}x)?(?P<number>\d{1,4}(?:\.\d{1,3})?(?=[bm])|\d(?:\.\d{1,3})?(?=t))(?P<unit>[bmt])"
)
_ACTIVE: Final = re.compile(r"a(?P<number>\d{1,3}(?:\.\d{1,2})?)b")
_EFFECTIVE: Final = re.compile(r"e\d{1,2}b")
_EXPERTS: Final = re.compile(r"\d{2,3}e")  # `128e`; the size beside it is what one token touches
# The units are those of `_SIZE`, thousands (`32k`), experts (`96e`) and bits (`4bit`).
_WORD: Final = re.compile(
    r"\d{1,3}x\d+(?:\.\d+)?b(?![a-z0-9])|(?:[ae]?\d+(?:\.\d+)?(?:[bmk]|bit)|(?<![a-z])\d+(?:\.\d+)?t|\d\d+e)(?![a-z0-9])|\d+(?:\.\d+)*|[^\W\d_]+",
    re.IGNORECASE,
)
# An underscore that stands for a point: `3_1`, `1_6b`, `6_7b`. Not one between two words: `gemma3_4b`, `3_12b`, `4_3k`.
_POINT: Final = re.compile(
    r"(?<=\d)_(?=\d(?!\d|[bmtk](?!eta)))"
    r"|(?:(?<=[^a-z\d.][01])_(?=\d[bmt](?![a-z0-9]))|(?<=[^a-z\d.][26])_(?=7b(?![a-z0-9])))"
)
_GLUED: Final = re.compile(r"(?<=\d[bB])(?=A\d|[A-Z][a-z])")  # `4BA0.6B`, `8bInstruct`
_DIGIT_IN_UNIT: Final = re.compile(r"(?<![a-z\d.])(\d)b(\d)(?![a-z\d])")  # `1b1` of BLOOM and RWKV is 1.1b
_OF_VERSION: Final = re.compile(r"(?<![a-z])v(?=\d)")  # `v0.3`; the `V` of `MiniCPM-V-2_6` is of the name
_BITS: Final = re.compile(r"\d{1,2}bit")
_VERSION: Final = re.compile(r"\d+(?:\.\d+)*")
_UNITS: Final = {"b": BILLION, "m": MILLION, "t": 1000 * BILLION}

INSTRUCT: Final = frozenset({"instruct", "it", "chat", "inst"})
THINKING: Final = frozenset({"thinking", "think", "thinker", "reasoning", "reasoner"})
BASE: Final = frozenset({"base", "pt", "pretrained", "pretrain", "foundation"})
_NOT: Final = frozenset({"no", "non", "not", "without"})
# Families whose `base` is a size, between `small` and `large`.
_SIZED_IN_WORDS: Final = re.compile(
    r"bert|(?<![a-z])(?:t5|e5|bge|gte|bart|whisper|electra|mpnet|vit|clip|siglip|splade)(?![a-z])", re.IGNORECASE
)
# Words that tell nothing of which model it is: how it was packed, and accounts that stand before the name.
PACKING: Final = frozenset(
    {
        "gguf",
        "ggml",
        "hf",
        "imatrix",
        "imat",
        "quantized",
        "quants",
        "unsloth",
        "bf",
        "bnb",
        "model",
        "official",
        "mtp",
        "apex",
        "unquantized",
    }
)
# What was done to the model that the rest of the name names. None of these is the model itself.
DERIVED: Final = frozenset(
    """
    abliterated abliteration ablated obliterated lorablated uncensored decensored derestricted unaligned unfiltered
    unhinged heretic heresy josiefied jailbreak jailbroken crack cracked aggressive
    merge merged mergekit slerp ties dare della breadcrumbs frankenmerge passthrough stock blend fusion mix
    rp roleplay erp nsfw lewd lewded story writer storyteller novelist waifu
    distill distilled distillation claude opus sonnet gemini
    finetune finetuned fine ft sft dpo orpo grpo gspo kto simpo ppo rl lora qlora adapter peft
    test tests testing tmp demo experiment checkpoint ckpt baseline
    pruned prune reap shears healed upscaled
    """.split()  # noqa: SIM905 - a list of words reads best as words
)


@dataclass(frozen=True)
class ModelName:
    """A name in words. `words` are lower-case, a number and its unit in one: `qwen 2.5 coder 7b instruct`."""

    text: str
    words: tuple[str, ...]

    @cached_property
    def key(self) -> str:
        """The same for every spelling of a name."""
        return " ".join(self.words)

    @cached_property
    def parameters(self) -> int | None:
        """All parameters, as the name rounds them; None where it does not say."""
        if any(map(_EXPERTS.fullmatch, self.words)) and not any("x" in word for word in self.sizes):
            return None  # `17b-128e` says what one token touches
        taught = next((place for place, word in enumerate(self.words) if word == "distilled"), None)
        return _largest(self.words[:taught]) or _largest(self.words)  # behind it comes the teacher

    @cached_property
    def active_parameters(self) -> int | None:
        """Parameters that one token touches in a mixture of experts: `30b-a3b`."""
        found = (_ACTIVE.fullmatch(word) for word in self.words)
        stated = next((int(float(match["number"]) * BILLION) for match in found if match), None)
        return stated or (_largest(self.words) if any(map(_EXPERTS.fullmatch, self.words)) else None)

    @cached_property
    def sizes(self) -> frozenset[str]:
        """The words that state a size: `7b`, `8x7b`, `a3b`, `e4b`."""
        return frozenset(word for word in self.words if is_size(word))

    @cached_property
    def versions(self) -> tuple[str, ...]:
        """The numbers that are not a size: `2.5`, `2507`."""
        return tuple(word for word in self.words if _VERSION.fullmatch(word))

    @cached_property
    def tuning(self) -> Tuning | None:
        """What the model was tuned for; None where the name does not say."""
        words = set(self.words)
        if any(
            word in THINKING and before not in _NOT for before, word in zip(("", *self.words), self.words, strict=False)
        ):
            return "thinking"
        if words & INSTRUCT:
            return "instruct"
        if "ernie" in words:  # its `PT` says for PyTorch
            words -= {"pt"}
        if _SIZED_IN_WORDS.search(self.text):
            words -= {"base"}
        return "base" if words & BASE else None

    @cached_property
    def marks(self) -> tuple[str, ...]:
        """The words that say that it is made from another model."""
        return tuple(word for word in self.words if word in DERIVED)


@lru_cache(maxsize=8192)
def parse_model_name(text: str) -> ModelName:
    """The words of a model's name, of a repository's, or of what a user typed."""
    name = _ENDING.sub("", text.strip().rpartition("/")[2])
    packed = quant.find(name)
    if packed and (packed.is_exact or (packed.end == len(name) and not packed.label.startswith("INT"))):
        name = f"{name[: packed.start].rstrip('-_. ')} {name[packed.end :].lstrip('-_. ')}"
    return ModelName(name.strip("-_. "), words(name))


@lru_cache(maxsize=8192)
def words(text: str) -> tuple[str, ...]:
    """A text in the words of names: `Llama3.1-8B` is `llama 3.1 8b`; `v0.3` is `0.3`; `2_5` is `2.5`."""
    apart = _GLUED.sub(" ", text)
    plain = _OF_VERSION.sub("", _DIGIT_IN_UNIT.sub(r"\1.\2b", _POINT.sub(".", apart.lower())))
    return tuple(word for word in _WORD.findall(plain) if not _BITS.fullmatch(word))


def is_size(word: str) -> bool:
    """Whether a word states how large a model is."""
    return any(pattern.fullmatch(word) for pattern in (_SIZE, _ACTIVE, _EFFECTIVE))


def without_owner(title: ModelName, owners: frozenset[tuple[str, ...]]) -> ModelName:
    """The name without the account that some publishers put before it: `google_gemma-3-4b-it`."""
    for owner in owners:
        if owner and title.words[: len(owner)] == owner and len(title.words) > len(owner):
            return ModelName(title.text, title.words[len(owner) :])
    return title


def _largest(words: tuple[str, ...]) -> int | None:
    """The largest size among words."""
    sizes = [match for word in words if (match := _SIZE.fullmatch(word)) and match["number"] != "0"]
    return max(map(_count, sizes), default=None)


def _count(match: re.Match[str]) -> int:
    experts = int(match["experts"][:-1]) if match["experts"] else 1
    return int(experts * float(match["number"]) * _UNITS[match["unit"]])
