"""Whether a file is what its name says: its header against the quant, the size and the model that it is called.

Only what contradicts the name is said. A model whose rows no K-quant can hold, a dynamic quant, or an
architecture whose size does not follow from its keys gives no contradiction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, Literal

from lmpm import limits
from lmpm.errors import IntegrityError
from lmpm.gguf import header as gguf_header, loadable, quant
from lmpm.gguf.template import check_template
from lmpm.gguf.tensor_types import ARCHITECTURES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lmpm.gguf.cursor import ReadAt
    from lmpm.gguf.header import Header
    from lmpm.types import ModelFile

BLOCK: Final = 32  # elements of a row that the plain types pack together
LISTED_IN: Final = (0, 3, 36)  # of llama-cpp-python

K_BLOCK: Final = 256  # elements of a row that a K-quant packs together; other rows fall back to older types
SIZE_TOLERANCE: Final = 0.01  # between two counts of the same parameters
NAME_TOLERANCE: Final = (0.6, 1.5)  # of the parameters that a name rounds; experts share layers, tables are not counted
# Bits per weight of 897 real files of 30 models (lists of 2026-08), as shares of what their quants usually have: 0.915
# and more, of quants below three bits 0.869; at most 1.29, and 1.63 of models below two billion parameters, which hold
# large tables in finer types.
LEAN, LEAN_LOW, LOW_BITS = 0.88, 0.75, 3.0
RICH, RICH_SMALL, SMALL = 1.45, 1.8, 2 * 10**9
FLOATS: Final = frozenset({"F16", "BF16", "F32"})
NATIVE: Final = frozenset({"MXFP4", "NVFP4"})  # models trained in these keep them under whatever name
TELLING_BYTES: Final = 64 * limits.MIB  # of a file whose size tells its bits per weight
# Whose size follows from their keys, and whose weights hold nothing beside the text model.
KNOWN_SIZE_KEYS: Final = frozenset({"llama", "qwen2", "qwen3", "gemma2", "phi3", "smollm3"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is said of a file. `parameters` is exact where `is_exact`, else the rounded number of a name."""

    quant: str
    parameters: int | None = None
    is_exact: bool = False
    said_by: str = "its name"
    architecture: str = ""


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What a header says against a claim, in words. `kind` says what of the claim is untrue.

    `engine`: llama.cpp does not run the architecture. `refused`: llama.cpp does not load such a header, whatever it is
    called. `code`: its chat template would run code. `model`: it is another model. `quant`: its types or its size are
    those of another quant.
    """

    kind: Literal["engine", "refused", "code", "model", "quant"]
    detail: str


def may_run(architecture: str, engine: Callable[[], tuple[int, ...] | None]) -> bool:
    """Whether llama.cpp runs an architecture; one newer than the list may run more, and its own plan will tell."""
    if architecture in ARCHITECTURES:
        return True
    return (engine() or (0,)) > LISTED_IN


class _BeyondError(Exception):
    """More was asked for than the first piece of the file."""


def read_start(read_at: ReadAt, file: ModelFile) -> Header:
    """The header as far as the first 64 KiB hold it, tensors included where they are in it: one request.

    Raises IntegrityError when the bytes are no GGUF, and what `read_at` raises.
    """
    start = read_at(0, min(limits.HEADER_PREFIX_BYTES, file.size))

    def within(offset: int, length: int) -> bytes:
        if offset + min(length, 1) > len(start):
            raise _BeyondError
        return start[offset : offset + length]

    for tensors in (True, False):
        try:
            return gguf_header.read_header(within, size=file.size, name=file.path, tensors=tensors)
        except _BeyondError:
            continue
        except IntegrityError:
            if not tensors:
                break
    return gguf_header.read_header(read_at, size=file.size, name=file.path, tensors=False)


def contradiction(
    claim: Expectation, header: Header, size: int, *, engine: Callable[[], tuple[int, ...] | None]
) -> Contradiction | None:
    """What the header says against the claim; None when nothing does. `size` is of all shards.

    `engine` gives the version of llama-cpp-python that is to run it, None where there is none; it is asked only
    about architectures that the list lacks.
    """
    if why := loadable.refusal(header):
        return Contradiction("refused", f"llama.cpp does not load it: {why}")
    if not may_run(header.architecture, engine):
        return Contradiction("engine", f"llama.cpp does not run the architecture `{header.architecture[:40]}`")
    if claim.architecture and header.architecture != claim.architecture:
        detail = f"its architecture is {header.architecture[:40]}, that of the model is {claim.architecture[:40]}"
        return Contradiction("model", detail)
    harm = [item.detail for item in check_template(header.template, talks=False) if item.severity == "error"]
    if harm:
        return Contradiction("code", f"its chat template would run code: {harm[0]}")
    return _against_quant(claim, header) or _against_size(claim, header, size)


def of_projector(model: Header, projector: Header) -> Contradiction | None:
    """What the header of a projector says against the model that it is paired with.

    It turns pictures or sound into tokens of the model's width (llama.cpp tools/mtmd/mtmd.cpp). Projectors of before
    2025, which do not state their type, hold the width of their encoder under the same key.
    """
    widths = {projector.metadata.get(f"clip.{sense}.projection_dim") for sense in ("vision", "audio")} - {None}
    wide = model.integer("embedding_length")
    if projector.text("general.type") != "mmproj" or not widths or not wide or wide in widths:
        return None
    found = ", ".join(f"{width:,}" for width in sorted(width for width in widths if isinstance(width, int)))
    return Contradiction("model", f"its projector is that of another model: of width {found}, the model has {wide:,}")


def parameters_of(header: Header) -> tuple[int, int] | None:
    """The least and the most parameters that the header can mean; equal when its tensors are known."""
    if is_whole(header):
        count = sum(tensor.elements for tensor in header.tensors)
        return count, count
    number = header.integer
    wide, layers, forward = number("embedding_length"), number("block_count"), number("feed_forward_length")
    heads, vocabulary = number("attention.head_count"), header.array_lengths.get("tokenizer.ggml.tokens", 0)
    if header.architecture not in KNOWN_SIZE_KEYS or not (wide and layers and forward and heads and vocabulary):
        return None
    if number("expert_count"):
        return None
    length = number("attention.key_length", wide // heads)
    kv_heads = number("attention.head_count_kv", heads)
    attention = wide * length * (2 * heads + 2 * kv_heads)
    blocks = layers * (attention + 3 * wide * forward)
    return blocks + vocabulary * wide, blocks + 2 * vocabulary * wide


def together(headers: Sequence[Header]) -> Header:
    """The header of a model from those of its shards: the keys of the first, the tensors of all."""
    return replace(headers[0], tensors=tuple(tensor for header in headers for tensor in header.tensors))


def is_whole(header: Header) -> bool:
    """Whether the tensors of all shards are known."""
    expected = header.metadata.get("split.tensors.count", header.tensor_count)
    return bool(header.tensors) and len(header.tensors) == expected


# By the first letters of a quant's name: the rows that its types need, and whether a file that states no quant itself
# can be held against it. The tensors of an honest file are of the named type, or its header states that very quant.
_RULES: Final[tuple[tuple[tuple[str, ...], int, bool], ...]] = (
    (("Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"), K_BLOCK, False),
    (("Q4_", "Q5_", "Q8_"), BLOCK, True),
    (("IQ4_",), BLOCK, False),
)


def _against_quant(claim: Expectation, header: Header) -> Contradiction | None:
    """A plain type under the name of a K-quant, a K-quant under that of a plain one, or another type."""
    named, found = quant.nearest(claim.quant), header.main_type()
    if named is None or found is None or found in NATIVE or claim.quant in quant.VAGUE or is_dynamic(claim.quant):
        return None
    lie = Contradiction("quant", f"it is called {claim.quant}, its tensors are {found}")
    if named in FLOATS:
        return None if found in FLOATS else lie
    rule = next((rule for rule in _RULES if named.startswith(rule[0])), None)
    wide = header.integer("embedding_length")
    if rule is None or not wide or wide % rule[1]:
        return None  # rows that its types cannot hold are given others
    stated = header.stated_quant()
    is_k = named.startswith(_RULES[0][0])
    if is_k and not any(tensor.type.endswith("_K") for tensor in header.tensors):
        return lie  # whatever it states
    if found == _main(named) or (stated is None and not rule[2]):
        return None
    # a file that says of itself what it is called may have been given other types on purpose
    return lie if stated is None or _main(stated) != _main(named) else None


def is_dynamic(label: str) -> bool:
    """Whether a quant's maker gives every tensor its own type: `UD-Q4_K_XL`."""
    return label.startswith(("UD-", "AD-")) or label.endswith(("_P", "BPW", "-F16", "-BF16")) or quant.is_mixture(label)


def _main(name: str) -> str:
    """The tensor type that most of a quant's weights have, told from its name: `Q4_K_M` is `Q4_K`."""
    plain = name[:4] if name.startswith("Q") else name
    return "Q8_0" if plain == "Q8_K" else plain


def _against_size(claim: Expectation, header: Header, size: int) -> Contradiction | None:
    counted = parameters_of(header)
    if counted and claim.parameters and _is_another_size(claim, counted):
        detail = f"it has {counted[1] / 1e9:.1f}B parameters, {claim.said_by} says {claim.parameters / 1e9:.1f}B"
        return Contradiction("model", detail)
    if header.tensors or size < TELLING_BYTES:
        return None  # the types of the tensors have told, or the file is mostly header
    bits, known = quant.bits_per_weight(claim.quant), claim.parameters if claim.is_exact else None
    least, most = (known, known) if known or not counted else counted  # with one table of tokens, or two
    if not (bits and least and most) or claim.quant in quant.VAGUE or is_dynamic(claim.quant):
        return None
    if header.architecture not in KNOWN_SIZE_KEYS:
        # of 933 files of other architectures 25 had another size: MXFP4 in gpt-oss, tables of gemma 3n and 4
        return None
    lean = LEAN if bits >= LOW_BITS else LEAN_LOW
    rich = RICH if most >= SMALL else RICH_SMALL
    if 8 * size / least < lean * bits or 8 * size / most > rich * bits:
        found = f"its size is that of {8 * size / least:.1f} bits per weight"
        return Contradiction("quant", f"it is called {claim.quant}, {found}")
    return None


def _is_another_size(claim: Expectation, counted: tuple[int, int]) -> bool:
    """Whether the counted parameters, with one table or two, cannot be those that are claimed.

    The original may be larger than its text model: it can hold an encoder of pictures.
    """
    least, most, said = *counted, claim.parameters or 0
    if not claim.is_exact:
        return most < NAME_TOLERANCE[0] * said or least > NAME_TOLERANCE[1] * said
    nearest = min(abs(least - said), abs(most - said))
    return nearest > SIZE_TOLERANCE * said and said < most
