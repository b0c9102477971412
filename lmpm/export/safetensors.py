"""The header of a safetensors file, read within bounds: it is input from a stranger.

Format: eight bytes with the length of the header, little-endian; the header, an object of JSON; the data. Each tensor
has a type, a shape and its place in the data, which the tensors fill without a gap (huggingface/safetensors, README).
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from lmpm.errors import IntegrityError
from lmpm.fs import disk_errors, printable

if TYPE_CHECKING:
    from pathlib import Path

MAX_HEADER_BYTES: Final = 100_000_000  # that safetensors itself reads
MAX_TENSORS: Final = 200_000
MAX_DIMENSIONS: Final = 8
# Bits of an element (safetensors, tensor.rs).
BITS: Final = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Weights:
    """What a file of weights holds: the names of its tensors, and their elements all together."""

    names: frozenset[str]
    elements: int


def read_weights(path: Path) -> Weights:
    """The tensors that a file says it has. Raises IntegrityError where it is not sound, and DiskError."""
    with disk_errors(path, "read"), path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(8)
        length = int.from_bytes(head, "little")
        if len(head) < 8 or not 2 <= length <= min(MAX_HEADER_BYTES, size - 8):
            raise _broken(path, "its header does not lie inside it, or is too long")
        text = file.read(length)
    if text.count(b"{") > MAX_TENSORS + 2 or text.count(b"[") > 2 * MAX_TENSORS:  # before a value is made of it
        raise _broken(path, f"it names more than {MAX_TENSORS:,} tensors")
    try:
        header = json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _broken(path, f"its header is not JSON: {error}") from error
    if not isinstance(header, dict):
        raise _broken(path, "its header is not an object")
    places, elements = [], 0
    for name, item in header.items():
        if name == "__metadata__":
            continue
        begin, end, count = _tensor(path, name, item)
        places.append((begin, end))
        elements += count
    places.sort()
    filled = bool(places) and places[0][0] == 0 and places[-1][1] == size - 8 - length
    if not filled or any(one[1] != other[0] for one, other in pairwise(places)):
        raise _broken(path, "its tensors do not fill its data")
    return Weights(frozenset(header) - {"__metadata__"}, elements)


def _tensor(path: Path, name: str, item: Any) -> tuple[int, int, int]:
    """Where a tensor begins and ends in the data, and how many elements it has."""
    try:
        bits, shape, (begin, end) = BITS[item["dtype"]], item["shape"], item["data_offsets"]
    except (KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"`{name[:80]}` has no type, shape and place that are known") from error
    numbers = (*shape, begin, end) if isinstance(shape, list) else (-1,)
    sound = all(type(number) is int and 0 <= number < 2**63 for number in numbers)
    if len(numbers) > MAX_DIMENSIONS + 2 or not sound:
        raise _broken(path, f"`{name[:80]}` has a shape or place that makes no sense")
    count = math.prod(shape)
    if end < begin or (end - begin) * 8 != count * bits:
        raise _broken(path, f"`{name[:80]}` has another size than its shape says")
    return begin, end, count


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice")
    return found


def _broken(path: Path, why: str) -> IntegrityError:
    return IntegrityError(
        f"`{printable(path.name)}` is not a sound safetensors file: {printable(why)}",
        hint="Tell its publisher, or name another twin with `--option twin=ORG/REPO`",
    )
