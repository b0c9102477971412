"""A `tokenizer.json` as the keys of a GGUF file.

Of byte-level BPE the split before the merges is known by its rule, for llama.cpp has one name for each; a rule that
it has no name for is refused. Of BPE in the manner of SentencePiece (Gemma) a token's score is the rank of
the first merge that makes it, counted down: llama.cpp joins the pair whose token has the greatest score, the tokenizers
library the pair of the least rank. The order is the same where merges were taken from scores, as in such files.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import IntegrityError, SpecError
from lmpm.fs import disk_errors, printable
from lmpm.limits import MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

MAX_FILE_BYTES: Final = 256 * MIB  # Gemma's is 33
SPACE: Final = "\u2581"  # what SentencePiece writes for a space
# llama.cpp, src/llama-vocab.cpp, llama_vocab::impl::load and llm_tokenizer_bpe.
SPLITS: Final = {
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+": (
        "qwen2"
    ),
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)"
    r"|\s+": "llama-bpe",
}
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = 1, 2, 3, 4, 5, 6  # of ggml's token types


@dataclass(frozen=True, kw_only=True)
class Vocabulary:
    """What GGUF says of a tokenizer: `scores` of one like SentencePiece, `merges` and `split` of byte-level BPE."""

    tokens: tuple[str, ...]
    types: tuple[int, ...]
    merges: tuple[str, ...] = ()
    split: str = ""
    scores: tuple[float, ...] = ()
    adds_bos: bool = False
    ids: Mapping[str, int]  # of `bos`, `eos`, `pad`, `unk`
    template: str = ""


def read_vocabulary(folder: Path, size: int) -> Vocabulary:
    """The vocabulary of a folder for a model with `size` tokens. Raises IntegrityError, SpecError and DiskError."""
    document = read_json(folder / "tokenizer.json")
    settings = read_json(folder / "tokenizer_config.json", needed=False)
    model = document.get("model") or {}
    if model.get("type") != "BPE":
        raise _unlike(f"it is of the type {printable(str(model.get('type')))}")
    table = {**model["vocab"], **{item["content"]: item["id"] for item in document.get("added_tokens") or ()}}
    if max(table.values(), default=-1) >= size:
        raise IntegrityError(f"`tokenizer.json` has more tokens than the model: {max(table.values()) + 1}, {size}")
    special = {item["id"]: bool(item.get("special")) for item in document.get("added_tokens") or ()}
    tokens = [f"[PAD{number}]" for number in range(size)]
    types = [UNUSED] * size
    by_bytes = bool(model.get("byte_fallback"))
    for text, number in table.items():
        tokens[number] = text
        types[number] = _type(text, number, special, model, by_bytes=by_bytes)
    ids = dict(_special_ids(settings, read_json(folder / "config.json"), table))
    merges = tuple(item if isinstance(item, str) else " ".join(item) for item in model.get("merges") or ())
    common: dict[str, Any] = {
        "tokens": tuple(tokens),
        "types": tuple(types),
        "adds_bos": _adds_bos(document.get("post_processor"), settings),
        "ids": ids,
        "template": _template(folder, settings),
    }
    if by_bytes:
        return Vocabulary(**common, scores=_scores(tokens, merges))
    return Vocabulary(**common, merges=merges, split=_split(document.get("pre_tokenizer")))


def write_vocabulary(writer: Any, vocabulary: Vocabulary) -> None:
    """The keys of the tokenizer."""
    writer.add_tokenizer_model("llama" if vocabulary.scores else "gpt2")
    writer.add_token_list(list(vocabulary.tokens))
    writer.add_token_types(list(vocabulary.types))
    if vocabulary.scores:
        writer.add_tokenizer_pre("default")
        writer.add_token_scores(list(vocabulary.scores))
        writer.add_add_space_prefix(False)
    else:
        writer.add_tokenizer_pre(vocabulary.split)
        writer.add_token_merges(list(vocabulary.merges))
    for name, add in (
        ("bos", writer.add_bos_token_id),
        ("eos", writer.add_eos_token_id),
        ("pad", writer.add_pad_token_id),
        ("unk", writer.add_unk_token_id),
    ):
        if name in vocabulary.ids:
            add(vocabulary.ids[name])
    writer.add_add_bos_token(vocabulary.adds_bos)
    writer.add_add_eos_token(False)
    if vocabulary.template:
        writer.add_chat_template(vocabulary.template)


def read_json(path: Path, *, needed: bool = True) -> dict[str, Any]:
    """A JSON object of a file; an empty one where it is not needed and not there. Raises IntegrityError."""
    if not path.is_file():
        if not needed:
            return {}
        raise IntegrityError(f"`{printable(str(path.parent))}` has no `{path.name}`")
    with disk_errors(path, "read"):
        if path.stat().st_size > MAX_FILE_BYTES:
            raise IntegrityError(f"`{path.name}` is larger than {MAX_FILE_BYTES:,} bytes")
        text = path.read_text(encoding="utf-8", errors="replace")
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise IntegrityError(f"`{printable(str(path))}` is not JSON") from error
    if not isinstance(found, dict):
        raise IntegrityError(f"`{printable(str(path))}` is not an object")
    return found


def _type(text: str, number: int, special: Mapping[int, bool], model: Mapping[str, Any], *, by_bytes: bool) -> int:
    if text == model.get("unk_token"):
        return UNKNOWN
    if number in special:
        return CONTROL if special[number] else USER_DEFINED
    return BYTE if by_bytes and len(text) == 6 and text.startswith("<0x") else NORMAL


def _scores(tokens: Sequence[str], merges: Sequence[str]) -> tuple[float, ...]:
    """A score for each token: less the rank of the first merge that makes it; those no merge makes come last."""
    ranks: dict[str, int] = {}
    for rank, merge in enumerate(merges):
        ranks.setdefault(merge.replace(" ", "", 1), rank)
    return tuple(-float(ranks.get(token, len(ranks) + number)) for number, token in enumerate(tokens))


def _special_ids(
    settings: Mapping[str, Any], config: Mapping[str, Any], table: Mapping[str, int]
) -> Iterator[tuple[str, int]]:
    for name in ("bos", "eos", "pad", "unk"):
        told = settings.get(f"{name}_token")
        text = told.get("content") if isinstance(told, dict) else told
        number = table.get(text) if isinstance(text, str) else config.get(f"{name}_token_id")
        if isinstance(number, list):
            number = number[0] if number else None
        if isinstance(number, int) and 0 <= number < len(table):
            yield name, number


def _adds_bos(processor: Any, settings: Mapping[str, Any]) -> bool:
    """Whether a text gets a first token of its own."""
    if isinstance(told := settings.get("add_bos_token"), bool):
        return told
    steps = (processor or {}).get("processors") or [processor or {}]
    return any(
        step.get("type") == "TemplateProcessing" and "SpecialToken" in (step.get("single") or [{}])[0] for step in steps
    )


def _template(folder: Path, settings: Mapping[str, Any]) -> str:
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        with disk_errors(beside, "read"):
            return beside.read_text(encoding="utf-8")
    told = settings.get("chat_template")
    if isinstance(told, list):  # several by name
        told = next((item.get("template") for item in told if item.get("name") == "default"), None)
    return told if isinstance(told, str) else ""


def _split(rule: Any) -> str:
    """llama.cpp's name for the split of a byte-level tokenizer. Raises SpecError."""
    steps = (rule or {}).get("pretokenizers") or [rule or {}]
    kinds = [step.get("type") for step in steps]
    regexes = [(step.get("pattern") or {}).get("Regex") for step in steps if step.get("type") == "Split"]
    last = steps[-1]
    if last.get("type") != "ByteLevel" or last.get("add_prefix_space"):
        raise _unlike("its split is not one that lmpm knows")
    if kinds == ["ByteLevel"] and last.get("use_regex", True):
        return "gpt-2"
    if kinds == ["Digits", "ByteLevel"] and steps[0].get("individual_digits") and last.get("use_regex", True):
        return "smollm"
    if kinds == ["Split", "ByteLevel"] and not last.get("use_regex", True) and regexes[0] in SPLITS:
        return SPLITS[regexes[0]]
    raise _unlike("its split is not one that lmpm knows")


def _unlike(why: str) -> SpecError:
    return SpecError(f"The base's tokenizer cannot be written as GGUF: {why}", hint="Take another base with `--base`")
